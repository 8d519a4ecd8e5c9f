"""A decoded document to a template: sections and resources have the shapes that CloudFormation
takes, `Fn::ForEach` is expanded, and what a macro makes is noted as hidden."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from tljudge.decode.errors import NotATemplate, TemplateError
from tljudge.decode.foreach import PREFIX, expand
from tljudge.decode.nodes import Call, Map, Mark, Node, Partial, Seq, as_text, made_map, made_seq
from tljudge.decode.references import check_references
from tljudge.decode.template import LANGUAGE, Template

MAX_RESOURCES = 1_000  # the service takes 500
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

_NONE: Seq[Node] = made_seq([], [])


def validated(
    root: Node, file: str, given: Mapping[str, object] | None, digest: str, *, has_foreach: bool
) -> Template:
    """The template that a document is.

    Args:
        root: the document.
        file: as messages show it.
        given: what is passed for parameters; None where that is not known.
        digest: of the document's bytes.
        has_foreach: whether `Fn::ForEach` stands anywhere in its text.

    Raises:
        TemplateError: CloudFormation would refuse the template.
        NotATemplate: the document is something else.
    """
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
    if has_foreach and LANGUAGE in transforms:
        sections, kept = expand(sections, file, given)
        hidden += [
            (key[:80], mark, f"{key[:80]} is not expanded: {why}")
            for key, (mark, why) in kept.items()
        ]
    elif has_foreach and not hidden:
        _refuse_foreach(sections, file)
    for name, section in sections.items():
        sections[name] = _without_macros(section, hidden, file)
    if not sections["Resources"] and not hidden:
        raise TemplateError(file, root.marks["Resources"], "no resource; declare at least one")
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
            raise TemplateError(file, root.marks[name], f"{name} is no mapping; write one")
        sections[name] = section or made_map({}, {})
    return sections


def _transforms(root: Map[Node], hidden: list[tuple[str, Mark, str]]) -> tuple[str, ...]:
    found = root.get("Transform", _NONE)
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


def _refuse_foreach(sections: dict[str, Map[Node]], file: str) -> None:
    for section in sections.values():
        for key in section:
            if key.startswith(PREFIX):
                found = f"{key[:80]} takes Transform: {LANGUAGE}; add it"
                raise TemplateError(file, section.marks[key], found)


def _without_macros(
    section: Map[Node], hidden: list[tuple[str, Mark, str]], file: str
) -> Map[Node]:
    """The section without loops and `Fn::Transform`, noted as hidden."""
    if type(section) is not Partial:
        return section
    kept = {}
    noted = {key for key, _, _ in hidden}
    for key, value in section.items():
        if not key.startswith("Fn::"):
            kept[key] = value
        elif key != "Fn::Transform" and not key.startswith("Fn::ForEach"):
            message = f"{key[:80]} cannot stand here; remove it"
            raise TemplateError(file, section.marks[key], message)
        elif key[:80] not in noted:
            hidden.append((key[:80], section.marks[key], f"{key[:80]} is not expanded"))
    return made_map(kept, section.marks)


def _checked_resources(resources: Map[Node], file: str, is_extended: bool) -> Map[Map[Node]]:
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
    return cast("Map[Map[Node]]", resources)  # each of them was looked at
