"""Text to template: CloudFormation in YAML or JSON, and only what somebody could deploy.

Whatever is read here may be hostile, so size, depth and expansion are bounded.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from compliance.document import Builder, Call, Map, Mark, NotATemplate, TemplateError, as_text
from compliance.references import check_references

MAX_BYTES = 4 * 1024 * 1024  # CloudFormation itself takes 1 MiB
MAX_RESOURCES = 1_000  # the service takes 500


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """One template; `hidden` lists what a macro would still make of it, as (id, mark, what)."""

    file: str
    parameters: Map
    mappings: Map
    conditions: Map
    resources: Map
    outputs: Map
    transforms: tuple[str, ...]
    hidden: tuple[tuple[str, Mark, str], ...]


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


def load(path: Path) -> Template:
    """Read one file.

    Raises:
        TemplateError: it cannot be read, or nobody could deploy it.
        NotATemplate: it is readable and something else.
    """
    file = str(path)
    try:
        if not path.is_file():
            raise TemplateError(file, (1, 1), "is no regular file; name a template or a folder")
        size_bytes = path.stat().st_size
        if size_bytes > MAX_BYTES:
            raise TemplateError(
                file,
                (1, 1),
                f"{size_bytes} bytes, and {MAX_BYTES} are read at most; CloudFormation takes 1 MiB",
            )
        return read(path.read_bytes().decode("utf-8-sig"), file)
    except UnicodeDecodeError as error:
        raise TemplateError(
            file, (1, 1), f"byte {error.start} is not UTF-8; save it as UTF-8"
        ) from None
    except OSError as error:
        raise TemplateError(
            file, (1, 1), f"cannot be read: {error.strerror}; look at its permissions"
        ) from None


def read(text: str, file: str = "template.yaml") -> Template:
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
    return _template(root, file)


_SURROGATES = re.compile(r"(?<!\\)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


def _joined(match: re.Match[str]) -> str:
    high, low = int(match[1], 16), int(match[2], 16)
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def _template(root: Any, file: str) -> Template:
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
    sections = {}
    for name in ("Parameters", "Mappings", "Conditions", "Outputs", "Resources"):
        section = root.get(name)
        if isinstance(section, Call):
            hidden.append((name, section.mark, f"{section.name} makes the section {name}"))
            section = None
        elif section is not None and not isinstance(section, Map):
            raise TemplateError(file, root.marks[name], f"{name} is no mapping; write one")
        sections[name] = _without_loops(section or _empty(), hidden, file)
    if not sections["Resources"] and not hidden:
        raise TemplateError(file, root.marks["Resources"], "no resource; declare at least one")
    _check_resources(sections["Resources"], file)
    template = Template(
        file,
        sections["Parameters"],
        sections["Mappings"],
        sections["Conditions"],
        sections["Resources"],
        sections["Outputs"],
        transforms,
        tuple(hidden),
    )
    check_references(template, TemplateError)
    return template


def _transforms(root: Map, hidden: list[tuple[str, Mark, str]]) -> tuple[str, ...]:
    found = root.get("Transform", [])
    names = tuple(
        as_text(one) if isinstance(one, str) else "a macro"
        for one in (found if isinstance(found, list) else [found])
    )
    hidden.extend(
        ("Transform", root.marks["Transform"], f"{name} rewrites the template")
        for name in names
        if name != "AWS::LanguageExtensions" and not name.startswith("AWS::Serverless")
    )
    if "Fn::Transform" in root:
        mark = root.marks["Fn::Transform"]
        hidden.append(("Fn::Transform", mark, "a macro rewrites the template"))
    return names


def _empty() -> Map:
    found = Map()
    found.marks, found.static = {}, True
    return found


def _without_loops(section: Map, hidden: list[tuple[str, Mark, str]], file: str) -> Map:
    """The section without `Fn::ForEach` and `Fn::Transform`, which are noted as hidden."""
    loops = [key for key in section if key.startswith("Fn::")]
    if not loops:
        return section
    kept = Map({k: v for k, v in section.items() if k not in loops})
    kept.marks, kept.static = section.marks, section.static
    for key in loops:
        if key != "Fn::Transform" and not key.startswith("Fn::ForEach"):
            raise TemplateError(file, section.marks[key], f"{key} cannot stand here; remove it")
        hidden.append((key, section.marks[key], f"{key} is not expanded"))
    return kept


def _check_resources(resources: Map, file: str) -> None:
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
        if not isinstance(resource.get("Condition", ""), str):
            raise TemplateError(
                file, resource.marks["Condition"], f"{logical_id}: Condition is no text; name one"
            )
