"""Mutation targets: each template in long form, with its place in the deployment."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tljudge.decode.errors import NotATemplate, TemplateError
from tljudge.decode.files import templates
from tljudge.decode.loader import load
from tljudge.decode.nodes import Call, Map, Node, Seq
from tljudge.decode.parameter_file import Given
from tljudge.decode.parser import Parser
from tljudge.decode.source import is_meant_as_template
from tljudge.engine.policy import Policy
from tljudge.mutation.edits import Body, Break, Part, as_body, as_rows, written
from tljudge.mutation.edits import Path as Place
from tljudge.resolve.deployment import Deployment
from tljudge.resolve.given import refused, require_usable, undeclared


@dataclass(frozen=True, slots=True, eq=False)
class MutationTarget:
    """A template of a template set, as operators see it.

    Attributes:
        file: relative to the folder of the template set.
        body: the template in long form.
        above: file and logical id of the nested-stack resources above, the nearest first.
        tags: keys of the tags that the stacks above supply.
        gated: whether a stack above has a condition.
        policy: thresholds and waivers of the run.
        raw: the template as parsed, with line numbers.
    """

    file: str
    body: Body
    above: tuple[tuple[str, str], ...]
    tags: frozenset[str]
    gated: bool
    policy: Policy
    raw: Node = field(repr=False, default=None)

    def resources(self, *kinds: str) -> Iterator[tuple[str, Body]]:
        """Yield logical id and properties of the resources of these types, or of all types."""
        for logical_id, resource in as_body(self.body["Resources"]).items():
            if isinstance(resource, dict):
                properties = resource.get("Properties", {})
                if isinstance(properties, dict) and (not kinds or resource["Type"] in kinds):
                    yield logical_id, properties

    def resource(self, logical_id: str) -> Body:
        """The whole body of a resource: type, properties, attributes.

        Raises:
            LookupError: the template has no such resource.
        """
        return as_body(as_body(self.body["Resources"])[logical_id])

    def kind(self, logical_id: str) -> str:
        """The type of a resource."""
        return str(self.resource(logical_id)["Type"])

    def line(self, path: Place) -> int:
        """The line of a place in the user's file, from 1.

        A place that is new has the line of the nearest value above it.
        """
        value, line = self.raw, 1
        for step in path:
            if isinstance(value, Call):
                line, value = value.mark[0], value.argument
            elif isinstance(value, Map) and step in value:
                line, value = value.marks[str(step)][0], value[str(step)]
            elif isinstance(value, Seq) and isinstance(step, int) and step < len(value):
                line, value = value.marks[step][0], value[step]
            else:
                break
        return line


@dataclass(frozen=True, slots=True, eq=False)
class TemplateSet:
    """A root template and the templates nested below it, relative to a common folder."""

    folder: Path
    root: str
    targets: tuple[MutationTarget, ...]
    policy: Policy
    given: Given

    def display(self, file: str) -> str:
        """A file as the user named it."""
        return str(self.folder / file)


def template_sets(
    paths: Sequence[Path],
    policy: Policy,
    given: Given | None = None,
    given_in: object = "parameters",
) -> list[TemplateSet]:
    """A template set for every template in `paths` that no other template nests.

    Args:
        paths: files and folders.
        policy: thresholds and waivers.
        given: `Parameters` and `Tags`, as in a parameter file.
        given_in: the parameter file, for messages.

    Raises:
        TemplateError: a template cannot be read, or CloudFormation would reject it.
        ParametersError: CloudFormation would refuse a given parameter.
    """
    deployments = []
    for file, named in templates(paths):
        try:
            deployments.append(Deployment(load(file), {}, {}))
        except NotATemplate:
            if named:
                raise
        except TemplateError:
            if named or is_meant_as_template(file):
                raise
    nested = {
        Path(stack.template.file).resolve()
        for deployment in deployments
        for stack in deployment.stacks
        if stack.parent is not None
    }
    roots = [
        deployment
        for deployment in deployments
        if Path(deployment.root.template.file).resolve() not in nested
    ]
    parameters = (given or {}).get("Parameters", {})
    declared = {name for root in roots for name in root.root.template.parameters}
    faults = [line for root in roots for line in refused(root.root.template, parameters)]
    if roots:
        require_usable(given_in, [*faults, *undeclared(parameters, declared, paths)])
    return [_template_set(deployment, policy, given or {}) for deployment in roots]


def _template_set(deployment: Deployment, policy: Policy, given: Given) -> TemplateSet:
    folder = Path(os.path.commonpath([Path(file).parent for file in deployment.files]))

    def relative(file: str) -> str:
        return Path(os.path.relpath(file, folder)).as_posix()

    targets: dict[str, MutationTarget] = {}
    for stack in deployment.stacks:
        file = relative(stack.template.file)
        if file in targets:
            continue
        above, tags, gated, current = [], set(given.get("Tags", {})), False, stack
        while current.parent is not None:
            body = current.parent.resources[current.parent_id].body
            above.append((relative(current.parent.template.file), current.parent_id))
            tags |= _tags(body)
            gated = gated or "Condition" in body
            current = current.parent
        raw = _document(Path(stack.template.file))
        targets[file] = MutationTarget(
            file, as_body(long_form(raw)), tuple(above), frozenset(tags), gated, policy, raw
        )
    root = relative(deployment.root.template.file)
    return TemplateSet(folder, root, tuple(targets.values()), policy, given)


def _tags(stack: Map[Node]) -> set[str]:
    rows = as_body(as_body(long_form(stack)).get("Properties", {})).get("Tags", [])
    keys = [row["Key"] for row in as_rows(rows) if isinstance(row, dict)]
    return {key for key in keys if isinstance(key, str)}


def _document(path: Path) -> Node:
    text = path.read_text("utf-8-sig")
    return Parser(text, str(path), text.lstrip()[:1] == "{").document()


def long_form(value: Node) -> Part:
    """The value with every intrinsic as a mapping, such as `{"Ref": "Name"}`."""
    if isinstance(value, Call):
        argument = long_form(value.argument)
        return argument if value.name == "Dynamic" else {value.name: argument}
    if isinstance(value, dict):
        return {key: long_form(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [long_form(inner) for inner in value]
    return value


class _Writer(yaml.CSafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True  # with an anchor, a change would appear twice or not at all


def text_of(body: Part) -> str:
    """The YAML text of a template in long form."""
    return yaml.dump(body, Dumper=_Writer, sort_keys=False, allow_unicode=True)


def broken(template_set: TemplateSet, target: MutationTarget, edits: Break) -> Body:
    """The templates that a break changes or adds, by file.

    Raises:
        LookupError: the path of an edit does not exist.
    """
    bodies = {template.file: template.body for template in template_set.targets}
    changed: Body = {}
    for edit in edits:
        file = edit.file or target.file
        body = changed.get(file, bodies.get(file, {}))
        changed[file] = written(body, edit.path, edit.value)
    return changed
