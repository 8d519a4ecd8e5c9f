"""Operators that move a resource with a fault into a nested template, or add such a template."""

import re
from collections.abc import Callable, Iterator

from tljudge.mutation.edits import GONE, Body, Break, Edit, Part, as_body, mappings, written
from tljudge.mutation.logs import functions
from tljudge.mutation.obfuscations import ON, switch
from tljudge.mutation.operator import Operator
from tljudge.mutation.permissions import BROAD, document
from tljudge.mutation.stacks import STACK, child, stack
from tljudge.mutation.target import MutationTarget

INSIDE = "Moved"


def _moved(target: MutationTarget, logical_id: str, resource: Body) -> Break | None:
    """Move a resource into a nested template.

    References in the resource become parameters; references to it become outputs. Returns None for
    a resource with an Fn::If, because the nested template does not have its condition.
    """
    if any("Fn::If" in body for _, body in mappings(resource)):
        return None
    arguments: list[Part] = []
    inside = _passing({k: v for k, v in resource.items() if k not in ("Condition", "DependsOn")},
                      arguments)  # fmt: skip
    names = [f"P{number}" for number in range(len(arguments))]
    outputs: Body = {}
    edits = [
        Edit(path, value)
        for section in ("Resources", "Outputs")
        for path, body in mappings(target.body.get(section, {}), (section,))
        if path[1:2] != (logical_id,) and (value := _reading(body, logical_id, outputs)) is not None
    ]
    template: Body = {
        "Parameters": {name: {"Type": "String"} for name in names},
        "Resources": {INSIDE: inside},
        "Outputs": outputs,
    }
    attributes = {key: resource[key] for key in ("Condition", "DependsOn") if key in resource}
    parent = stack(target, dict(zip(names, arguments, strict=True)), **attributes)
    return (
        Edit(("Resources", logical_id), GONE),
        Edit(("Resources", STACK), parent),
        *edits,
        *_redirected_dependencies(target, logical_id),
        Edit((), {key: value for key, value in template.items() if value}, child(target)),
    )


def _passing(body: Part, arguments: list[Part]) -> Part:
    """The body with a parameter for each intrinsic that refers to its own template."""
    if isinstance(body, dict):
        if len(body) == 1 and next(iter(body)) in ("Ref", "Fn::GetAtt", "Fn::Sub", "Fn::FindInMap"):
            name = body.get("Ref", "")
            if isinstance(name, str) and name.startswith("AWS::"):
                return body
            if body not in arguments:
                arguments.append(body)
            return {"Ref": f"P{arguments.index(body)}"}
        return {key: _passing(inner, arguments) for key, inner in body.items()}
    return [_passing(element, arguments) for element in body] if isinstance(body, list) else body


def _reading(body: Body, logical_id: str, outputs: Body) -> Part:
    """The output that replaces an intrinsic on the moved resource; None for any other mapping.

    Adds the output to `outputs`.
    """
    if body == {"Ref": logical_id}:
        outputs["Ref"] = {"Value": {"Ref": INSIDE}}
        return {"Fn::GetAtt": [STACK, "Outputs.Ref"]}
    named = body["Fn::GetAtt"] if list(body) == ["Fn::GetAtt"] else None
    if isinstance(named, list) and named[0] == logical_id:
        attribute = str(named[1])
        outputs[attribute] = {"Value": {"Fn::GetAtt": [INSIDE, attribute]}}
        return {"Fn::GetAtt": [STACK, f"Outputs.{attribute}"]}
    return _substituted(body, logical_id, outputs) if list(body) == ["Fn::Sub"] else None


def _substituted(body: Body, logical_id: str, outputs: Body) -> Part:
    """The same as `_reading`, for `${Id}` and `${Id.Attribute}` in an Fn::Sub."""
    given = body["Fn::Sub"]
    text, *values = given if isinstance(given, list) else [given]

    def output(reference: re.Match[str]) -> str:
        attribute = reference["attribute"]
        value: Part = {"Fn::GetAtt": [INSIDE, attribute]} if attribute else {"Ref": INSIDE}
        outputs[attribute or "Ref"] = {"Value": value}
        return f"${{{STACK}.Outputs.{attribute or 'Ref'}}}"

    pattern = rf"\$\{{{re.escape(logical_id)}(?:\.(?P<attribute>[^}}]+))?\}}"
    replaced, references = re.subn(pattern, output, str(text))
    if not references:
        return None
    return {"Fn::Sub": [replaced, *values] if values else replaced}


def _redirected_dependencies(target: MutationTarget, logical_id: str) -> Iterator[Edit]:
    for other, resource in as_body(target.body["Resources"]).items():
        dependencies = resource.get("DependsOn", []) if isinstance(resource, dict) else []
        if dependencies == logical_id:
            yield Edit(("Resources", other, "DependsOn"), STACK)
        elif isinstance(dependencies, list) and logical_id in dependencies:
            index = dependencies.index(logical_id)
            yield Edit(("Resources", other, "DependsOn", index), STACK)


def _of(kind: str, path: tuple[str, ...], bad: Part) -> Callable[[MutationTarget], Iterator[Break]]:
    """Break one property of each resource of a type, and move the resource."""

    def apply(target: MutationTarget) -> Iterator[Break]:
        for logical_id, properties in target.resources(kind):
            if path[0] in properties:
                resource = target.resource(logical_id)
                broken = as_body(written(resource, ("Properties", *path), bad))
                moved = _moved(target, logical_id, broken)
                if moved is not None:
                    yield moved

    return apply


def _renamed(target: MutationTarget) -> Iterator[Break]:
    """Rename and move a function's log group, where the function has no LoggingConfig."""
    for _, properties, group in functions(target):
        if "LoggingConfig" not in properties:
            resource = target.resource(group)
            moved = _moved(
                target,
                group,
                as_body(written(resource, ("Properties", "LogGroupName"), "/mutant/elsewhere")),
            )
            if moved is not None:
                yield moved


def _added(kind: str, properties: Body, gate: bool) -> Callable[[MutationTarget], Iterator[Break]]:
    """Add a nested stack with one resource; with `gate` it is off by default."""

    def apply(target: MutationTarget) -> Iterator[Break]:
        template: Body = {"Resources": {INSIDE: {"Type": kind, "Properties": properties}}}
        parent = stack(target, {}, **({"Condition": ON} if gate else {}))
        edits = (Edit(("Resources", STACK), parent), Edit((), template, child(target)))
        yield (*edits, *(switch(target) if gate else ()))

    return apply


DOCUMENT = document(BROAD)
POLICY: Body = {"PolicyName": "mutant", "PolicyDocument": DOCUMENT}
OPERATORS: tuple[Operator, ...] = (
    Operator("nested-group", "a group without egress, in a nested template", ("TL_EGRESS_1",),
             _of("AWS::EC2::SecurityGroup", ("SecurityGroupEgress",), GONE)),
    Operator("nested-role", "a role with a broad policy, in a nested template",
             ("TL_IAM_1",), _of("AWS::IAM::Role", ("Policies",), [POLICY])),
    Operator("nested-log-group", "a log group that never expires, in a nested template",
             ("TL_LOGS_1",), _of("AWS::Logs::LogGroup", ("RetentionInDays",), GONE)),
    Operator("nested-log-group-renamed", "a renamed log group, in a nested template",
             ("TL_LOGS_2",), _renamed),
    Operator("nested-route", "an open route, in a nested template", ("TL_EDGE_1",),
             _of("AWS::ApiGatewayV2::Route", ("AuthorizationType",), "NONE")),
    Operator("nested-policy", "a nested stack with a broad policy", ("TL_IAM_1",),
             _added("AWS::IAM::ManagedPolicy", {"PolicyDocument": DOCUMENT}, False)),
    Operator("nested-policy-later", "a nested stack with a broad policy, off by default",
             ("TL_IAM_1",),
             _added("AWS::IAM::ManagedPolicy", {"PolicyDocument": DOCUMENT}, True)),
    Operator("nested-group-later", "a nested stack with an open group, off by default",
             ("TL_EGRESS_1",),
             _added("AWS::EC2::SecurityGroup", {"GroupDescription": "mutant"}, True)),
)  # fmt: skip
