"""Text to template: CloudFormation in YAML or JSON, and only what somebody could deploy.

Whatever is read here may be hostile, so size, depth and expansion are bounded.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from compliance.builder import Builder
from compliance.document import (
    Call,
    Map,
    Mark,
    NotATemplate,
    Partial,
    TemplateError,
    as_text,
    made_map,
)
from compliance.loops import PREFIX, write_out
from compliance.references import check_references

LANGUAGE = "AWS::LanguageExtensions"
NOTHING: Mapping[str, Any] = {}
MAX_BYTES = 4 * 1024 * 1024  # CloudFormation itself takes 1 MiB
MAX_RESOURCES = 1_000  # the service takes 500


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """One template; `hidden` lists what a macro would still make of it, as (id, mark, what)."""

    file: str
    parameters: Map
    mappings: Map
    rules: Map
    conditions: Map
    resources: Map
    outputs: Map
    transforms: tuple[str, ...]
    hidden: tuple[tuple[str, Mark, str], ...]
    digest: str
    """Of what was read."""
    lookups: list[Call] = field(default_factory=list)
    """Every `Fn::FindInMap` of a resource."""


SECTIONS = frozenset(
    [
        "AWSTemplateFormatVersion",
        "Description",
        "Metadata",
        "Parameters",
        "Mappings",
        "Conditions",
        "Rules",
        "Transform",
        "Fn::Transform",
        "Resources",
        "Outputs",
        "Hooks",
        "Globals",
    ]
)


def load(path: Path, given: Mapping[str, Any] | None = NOTHING) -> Template:
    """Read one file.

    Args:
        path: of the file.
        given: what is passed for its parameters, as far as it is known; None where nobody knows.
            Only the collections of loops depend on it.

    Raises:
        TemplateError: it cannot be read, or nobody could deploy it.
        NotATemplate: it is readable and something else.
    """
    content = content_of(path)
    digest = digest_of(content)
    try:
        return replace(read(_decoded(content, path), str(path), given), digest=digest)
    except TemplateError as error:
        error.digest = digest
        raise


def _decoded(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TemplateError(
            str(path), (1, 1), f"byte {error.start} is not UTF-8; save it as UTF-8"
        ) from None


def content_of(path: Path) -> bytes:
    """The bytes of a file that is no larger than a template may be.

    Raises:
        TemplateError: it cannot be read, or is none.
    """
    file = str(path)
    try:
        if not path.is_file():
            raise TemplateError(file, (1, 1), "is no regular file; name a template or a folder")
        size_bytes = path.stat().st_size
        if size_bytes > MAX_BYTES:
            found = f"{size_bytes} bytes, and {MAX_BYTES} are read at most"
            raise TemplateError(file, (1, 1), f"{found}; CloudFormation takes 1 MiB")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "its name is no file's"
        raise TemplateError(
            file, (1, 1), f"cannot be read: {why}; look at its name and permissions"
        ) from None


def may_be_template(content: bytes) -> bool:
    """Whether the words that every template has could be in a text, without parsing it."""
    return any(word in content for word in _WORDS) or _ESCAPED.search(content) is not None


_WORDS = (b"Resources", b"AWSTemplateFormatVersion", b"Transform")
_ESCAPED = re.compile(rb"\\[uUx\r\n]")  # a key may be written by the numbers of its letters


def digest_of(content: bytes) -> str:
    """What tells one content from another."""
    return sha256(content).hexdigest()


def read(
    text: str, file: str = "template.yaml", given: Mapping[str, Any] | None = NOTHING
) -> Template:
    """Parse the text of one template.

    Raises:
        TemplateError: it does not parse, or nobody could deploy it.
        NotATemplate: it parses and has nothing of a template.
    """
    if len(text) > MAX_BYTES:
        raise TemplateError(file, (1, 1), f"longer than {MAX_BYTES} characters; split it")
    is_json = text.lstrip()[:1] == "{"
    if is_json:
        # JSON allows what libyaml does not: tabs between tokens, and halves of a surrogate pair.
        text = _SURROGATES.sub(_joined, text.replace("\t", " "))
    try:
        root = Builder(text, file, is_json).document()
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark
        mark = (1, 1) if at is None else (at.line + 1, at.column + 1)
        raise TemplateError(
            file, mark, f"does not parse: {error.problem}; correct the syntax here"
        ) from None
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise TemplateError(
            file, (1, 1), f"does not parse: {str(error).splitlines()[0]}; correct the syntax"
        ) from None
    return _template(root, file, given, PREFIX in text)


_SURROGATES = re.compile(r"(?<!\\)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


def _joined(match: re.Match[str]) -> str:
    high, low = int(match[1], 16), int(match[2], 16)
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def _template(root: Any, file: str, given: Mapping[str, Any] | None, has_loops: bool) -> Template:
    if not isinstance(root, Map):
        raise NotATemplate(file, (1, 1), "is no mapping; a template has Resources")
    if "Resources" not in root:
        known = "AWSTemplateFormatVersion" in root or "Transform" in root
        kind = TemplateError if known else NotATemplate
        raise kind(file, (1, 1), "has no Resources; declare at least one")
    for key in root:
        if key not in SECTIONS:
            raise TemplateError(
                file, root.marks[key], f"unknown section {key[:80]!r}; CloudFormation refuses it"
            )
    hidden: list[tuple[str, Mark, str]] = []
    transforms = _transforms(root, hidden)
    sections = _sections(root, file, hidden)
    if has_loops and LANGUAGE in transforms:
        hidden += [
            (key[:80], mark, f"{key[:80]} is not expanded: {why}")
            for key, (mark, why) in write_out(sections, file, given).items()
        ]
    elif has_loops and not hidden:
        _refuse_loops(sections, file)
    for name, section in sections.items():
        sections[name] = _without_macros(section, hidden, file)
    if not sections["Resources"] and not hidden:
        raise TemplateError(file, root.marks["Resources"], "no resource; declare at least one")
    _check_resources(sections["Resources"], file, LANGUAGE in transforms)
    template = Template(
        file=file,
        parameters=sections["Parameters"],
        mappings=sections["Mappings"],
        rules=sections["Rules"],
        conditions=sections["Conditions"],
        resources=sections["Resources"],
        outputs=sections["Outputs"],
        transforms=transforms,
        hidden=tuple(hidden),
        digest="",
    )
    check_references(template, TemplateError)
    return template


def _sections(root: Map, file: str, hidden: list[tuple[str, Mark, str]]) -> dict[str, Map]:
    sections = {}
    for name in ("Parameters", "Mappings", "Rules", "Conditions", "Outputs", "Resources"):
        section = root.get(name)
        if isinstance(section, Call):
            hidden.append((name, section.mark, f"{section.name} makes the section {name}"))
            section = None
        elif section is not None and not isinstance(section, Map):
            raise TemplateError(file, root.marks[name], f"{name} is no mapping; write one")
        sections[name] = section or made_map({}, {})
    return sections


def _transforms(root: Map, hidden: list[tuple[str, Mark, str]]) -> tuple[str, ...]:
    found = root.get("Transform", [])
    names = tuple(
        as_text(one) if isinstance(one, str) else "a macro"
        for one in (found if isinstance(found, list) else [found])
    )
    hidden.extend(
        ("Transform", root.marks["Transform"], f"{name} rewrites the template")
        for name in names
        if name != LANGUAGE and not name.startswith("AWS::Serverless")
    )
    if "Fn::Transform" in root:
        mark = root.marks["Fn::Transform"]
        hidden.append(("Fn::Transform", mark, "a macro rewrites the template"))
    return names


def _refuse_loops(sections: dict[str, Map], file: str) -> None:
    for section in sections.values():
        for key in section:
            if key.startswith(PREFIX):
                found = f"{key[:80]} takes Transform: {LANGUAGE}; add it"
                raise TemplateError(file, section.marks[key], found)


def _without_macros(section: Map, hidden: list[tuple[str, Mark, str]], file: str) -> Map:
    """The section without loops and `Fn::Transform`, noted as hidden."""
    if type(section) is not Partial:
        return section
    kept = {}
    noted = {key for key, _, _ in hidden}
    for key, value in section.items():
        if not key.startswith("Fn::"):
            kept[key] = value
        elif key != "Fn::Transform" and not key.startswith("Fn::ForEach"):
            raise TemplateError(file, section.marks[key], f"{key} cannot stand here; remove it")
        elif key[:80] not in noted:
            hidden.append((key[:80], section.marks[key], f"{key[:80]} is not expanded"))
    return made_map(kept, section.marks)


def _check_resources(resources: Map, file: str, is_extended: bool) -> None:
    if len(resources) > MAX_RESOURCES:
        found = f"{len(resources)} resources, and {MAX_RESOURCES} are judged at most"
        raise TemplateError(file, (1, 1), f"{found}; CloudFormation takes 500")
    for logical_id, resource in resources.items():
        mark = resources.marks[logical_id]
        if not isinstance(resource, Map):
            raise TemplateError(file, mark, f"{logical_id} is no mapping; give it a Type")
        kind = resource.get("Type")
        if not isinstance(kind, str) or not kind:
            raise TemplateError(
                file,
                resource.marks.get("Type", mark),
                f"{logical_id}: Type is no text; name a type",
            )
        body = resource.get("Properties")
        if not isinstance(body, Map | Call | None):
            raise TemplateError(
                file, resource.marks["Properties"], f"{logical_id}: Properties is no mapping"
            )
        condition = resource.get("Condition", "")
        if not isinstance(condition, str) and not (is_extended and isinstance(condition, Call)):
            raise TemplateError(
                file, resource.marks["Condition"], f"{logical_id}: Condition is no text; name one"
            )
