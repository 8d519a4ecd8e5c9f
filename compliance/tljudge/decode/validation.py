"""Check a parsed document and build a template from it.

Sections and resources must have the shapes that CloudFormation accepts. `Fn::ForEach` is expanded;
parts that a macro would make are noted as hidden.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from tljudge.decode.errors import NotATemplate, TemplateError, shortened
from tljudge.decode.foreach import PREFIX, expand
from tljudge.decode.nodes import (
    Call,
    IncompleteMap,
    Map,
    Mark,
    Node,
    Seq,
    as_text,
    new_map,
    new_seq,
)
from tljudge.decode.references import check_references
from tljudge.decode.template import LANGUAGE, Template

MAX_RESOURCES = 1_000  # the limit of CloudFormation is 500
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

_NONE: Seq[Node] = new_seq([], [])


def validated(
    root: Node, file: str, given: Mapping[str, object] | None, digest: str, *, has_foreach: bool
) -> Template:
    """Build the template of a parsed document.

    Args:
        root: the document.
        file: path as messages show it.
        given: values that the caller passes for parameters; None if they are unknown.
        digest: SHA-256 of the document's bytes, in hex.
        has_foreach: whether its text contains `Fn::ForEach::`.

    Raises:
        TemplateError: CloudFormation would refuse the template.
        NotATemplate: the document is not a template.
    """
    if not isinstance(root, Map):
        raise NotATemplate(file, (1, 1), "is not a mapping; a template has Resources")
    if "Resources" not in root:
        is_meant = "AWSTemplateFormatVersion" in root or "Transform" in root
        kind = TemplateError if is_meant else NotATemplate
        raise kind(file, (1, 1), "has no Resources; declare at least one")
    for key in root:
        if key not in SECTIONS:
            raise TemplateError(
                file, root.marks[key], f"unknown section {shortened(key)!r}; remove it"
            )
    hidden: list[tuple[str, Mark, str]] = []
    transforms = _transforms(root, hidden)
    sections = _sections(root, file, hidden)
    if has_foreach and LANGUAGE in transforms:
        sections, unexpanded = expand(sections, file, given)
        hidden += [
            (shortened(key), mark, f"{shortened(key)} is not expanded: {why}")
            for key, (mark, why) in unexpanded.items()
        ]
    elif has_foreach and not hidden:
        _refuse_foreach(sections, file)
    for name, section in sections.items():
        sections[name] = _without_macros(section, hidden, file)
    if not sections["Resources"] and not hidden:
        raise TemplateError(
            file, root.marks["Resources"], "Resources is empty; declare at least one"
        )
    resources = _checked_resources(sections["Resources"], file, LANGUAGE in transforms)
    template = Template(
        file=file,
        parameters=sections["Parameters"],
        mappings=sections["Mappings"],
        rules=sections["Rules"],
        conditions=sections["Conditions"],
        resources=resources,
        outputs=sections["Outputs"],
        transforms=transforms,
        hidden=tuple(hidden),
        digest=digest,
    )
    return replace(template, lookups=check_references(template))


def _sections(
    root: Map[Node], file: str, hidden: list[tuple[str, Mark, str]]
) -> dict[str, Map[Node]]:
    sections = {}
    for name in ("Parameters", "Mappings", "Rules", "Conditions", "Outputs", "Resources"):
        section = root.get(name)
        if isinstance(section, Call):
            hidden.append((name, section.mark, f"{section.name} makes the section {name}"))
            section = None
        elif section is not None and not isinstance(section, Map):
            raise TemplateError(file, root.marks[name], f"{name} is not a mapping; write one")
        sections[name] = section or new_map({}, {})
    return sections


def _transforms(root: Map[Node], hidden: list[tuple[str, Mark, str]]) -> tuple[str, ...]:
    declared = root.get("Transform", _NONE)
    names = tuple(
        as_text(name) if isinstance(name, str) else "a macro"
        for name in (declared if isinstance(declared, list) else [declared])
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


def _refuse_foreach(sections: dict[str, Map[Node]], file: str) -> None:
    for section in sections.values():
        for key in section:
            if key.startswith(PREFIX):
                message = f"{shortened(key)} needs Transform: {LANGUAGE}; add it"
                raise TemplateError(file, section.marks[key], message)


def _without_macros(
    section: Map[Node], hidden: list[tuple[str, Mark, str]], file: str
) -> Map[Node]:
    """The section without unexpanded loops and `Fn::Transform`, which are added to `hidden`."""
    if type(section) is not IncompleteMap:
        return section
    kept = {}
    noted = {key for key, _, _ in hidden}
    for key, value in section.items():
        if not key.startswith("Fn::"):
            kept[key] = value
        elif key != "Fn::Transform" and not key.startswith("Fn::ForEach"):
            message = f"{shortened(key)} is not allowed here; remove it"
            raise TemplateError(file, section.marks[key], message)
        elif (name := shortened(key)) not in noted:
            hidden.append((name, section.marks[key], f"{name} is not expanded"))
    return new_map(kept, section.marks)


def _checked_resources(resources: Map[Node], file: str, is_extended: bool) -> Map[Map[Node]]:
    if len(resources) > MAX_RESOURCES:
        message = f"has {len(resources)} resources, more than {MAX_RESOURCES}; split the template"
        raise TemplateError(file, (1, 1), message)
    for logical_id, resource in resources.items():
        mark = resources.marks[logical_id]
        if not isinstance(resource, Map):
            raise TemplateError(file, mark, f"{logical_id} is not a mapping; give it a Type")
        kind = resource.get("Type")
        if not isinstance(kind, str) or not kind:
            raise TemplateError(
                file,
                resource.marks.get("Type", mark),
                f"{logical_id}: Type is not text; name a type",
            )
        body = resource.get("Properties")
        if not isinstance(body, Map | Call | None):
            raise TemplateError(
                file,
                resource.marks["Properties"],
                f"{logical_id}: Properties is not a mapping; write one",
            )
        condition = resource.get("Condition", "")
        if not isinstance(condition, str) and not (is_extended and isinstance(condition, Call)):
            raise TemplateError(
                file, resource.marks["Condition"], f"{logical_id}: Condition is not text; name one"
            )
    return cast("Map[Map[Node]]", resources)  # the loop has checked every resource
