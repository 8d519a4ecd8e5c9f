"""Faults that are moved into a template of their own, nested below the one they were in."""

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
    """One resource in a template of its own; what it named is passed, what named it reads outputs.

    None where a branch of its depends on conditions that only its own template has.
    """
    if any("Fn::If" in body for _, body in mappings(resource)):
        return None
    passed: list[Part] = []
    inside = _passing({k: v for k, v in resource.items() if k not in ("Condition", "DependsOn")},
                      passed)  # fmt: skip
    names = [f"P{number}" for number in range(len(passed))]
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
    about = {key: resource[key] for key in ("Condition", "DependsOn") if key in resource}
    parent = stack(target, dict(zip(names, passed, strict=True)), **about)
    return (
        Edit(("Resources", logical_id), GONE),
        Edit(("Resources", STACK), parent),
        *edits,
        *_waiting(target, logical_id),
        Edit((), {key: value for key, value in template.items() if value}, child(target)),
    )


def _passing(body: Part, passed: list[Part]) -> Part:
    """The body with a parameter for each intrinsic that names something of the template."""
    if isinstance(body, dict):
        if len(body) == 1 and next(iter(body)) in ("Ref", "Fn::GetAtt", "Fn::Sub", "Fn::FindInMap"):
            named = body.get("Ref", "")
            if isinstance(named, str) and named.startswith("AWS::"):
                return body
            if body not in passed:
                passed.append(body)
            return {"Ref": f"P{passed.index(body)}"}
        return {key: _passing(inner, passed) for key, inner in body.items()}
    return [_passing(one, passed) for one in body] if isinstance(body, list) else body


def _reading(body: Body, logical_id: str, outputs: Body) -> Part:
    """What stands instead of an intrinsic that names the moved resource."""
    if body == {"Ref": logical_id}:
        outputs["Ref"] = {"Value": {"Ref": INSIDE}}
        return {"Fn::GetAtt": [STACK, "Outputs.Ref"]}
    named = body["Fn::GetAtt"] if list(body) == ["Fn::GetAtt"] else None
    if isinstance(named, list) and named[0] == logical_id:
        attribute = str(named[1])
        outputs[attribute] = {"Value": {"Fn::GetAtt": [INSIDE, attribute]}}
        return {"Fn::GetAtt": [STACK, f"Outputs.{attribute}"]}
    text = body.get("Fn::Sub") if list(body) == ["Fn::Sub"] else None
    if isinstance(text, str) and f"${{{logical_id}}}" in text:
        outputs["Ref"] = {"Value": {"Ref": INSIDE}}
        return {"Fn::Sub": text.replace(f"${{{logical_id}}}", f"${{{STACK}.Outputs.Ref}}")}
    return None


def _waiting(target: MutationTarget, logical_id: str) -> Iterator[Edit]:
    for other, resource in as_body(target.body["Resources"]).items():
        after = resource.get("DependsOn", []) if isinstance(resource, dict) else []
        if after == logical_id:
            yield Edit(("Resources", other, "DependsOn"), STACK)
        elif isinstance(after, list) and logical_id in after:
            index = after.index(logical_id)
            yield Edit(("Resources", other, "DependsOn", index), STACK)


def _of(kind: str, path: tuple[str, ...], bad: Part) -> Callable[[MutationTarget], Iterator[Break]]:
    """Each resource of a type, moved with one property broken."""

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
    """A function's log group, where the function names none itself."""
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
    """A nested stack beside what is there; it may be off by default."""

    def apply(target: MutationTarget) -> Iterator[Break]:
        template: Body = {"Resources": {INSIDE: {"Type": kind, "Properties": properties}}}
        parent = stack(target, {}, **({"Condition": ON} if gate else {}))
        edits = (Edit(("Resources", STACK), parent), Edit((), template, child(target)))
        yield (*edits, *(switch(target) if gate else ()))

    return apply


DOCUMENT = document(BROAD)
POLICY: Body = {"PolicyName": "mutant", "PolicyDocument": DOCUMENT}
OPERATORS: tuple[Operator, ...] = (
    Operator("nested-group", "a group without egress, in a template of its own", ("TL_EGRESS_1",),
             _of("AWS::EC2::SecurityGroup", ("SecurityGroupEgress",), GONE)),
    Operator("nested-role", "a role with a broad policy, in a template of its own",
             ("TL_IAM_1",), _of("AWS::IAM::Role", ("Policies",), [POLICY])),
    Operator("nested-log-group", "a log group that never expires, in a template of its own",
             ("TL_LOGS_1",), _of("AWS::Logs::LogGroup", ("RetentionInDays",), GONE)),
    Operator("nested-log-group-renamed", "another log group, in a template of its own",
             ("TL_LOGS_2",), _renamed),
    Operator("nested-route", "an open route, in a template of its own", ("TL_EDGE_1",),
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
