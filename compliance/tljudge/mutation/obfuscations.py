"""Obfuscations: each hides a bad value behind an intrinsic, a parameter, a mapping or a stack.

An obfuscation takes the bad value and the good value of a site, and returns the value to write and
the other edits that it needs. Its parameters are passed down from the root template, because only
the deployer's parameters can turn a switch on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tljudge.mutation.edits import Body, Break, Edit, Part, Path, as_body
from tljudge.mutation.operator import Operator
from tljudge.mutation.stacks import STACK, child, stack
from tljudge.mutation.target import MutationTarget

Hidden = tuple[Part, Break] | None
"""The value to write and the other edits; None where the obfuscation does not apply."""

SWITCH, ON, VALUE, MAP = "MutantSwitch", "MutantOn", "MutantValue", "MutantMap"


@dataclass(frozen=True, slots=True)
class Site:
    """A place for a bad value.

    Attributes:
        path: where to write.
        bad: the value that breaks a rule.
        good: a value of the same shape that breaks none.
        wrap: makes the value at `path` of the bad value or of its obfuscation.
    """

    path: Path
    bad: Part
    good: Part
    wrap: Callable[[Part], Part] = lambda value: value


@dataclass(frozen=True, slots=True)
class Obfuscation:
    """A way to hide a bad value.

    Attributes:
        name: the end of the operator's name.
        description: the end of the operator's description.
        hide: takes target, bad and good value.
    """

    name: str
    description: str
    hide: Callable[[MutationTarget, Part, Part], Hidden]


def parameter(target: MutationTarget, name: str, declared: Part) -> Break:
    """Edits that declare a parameter in the target and in every stack above, and pass it down."""
    edits = [Edit(("Parameters", name), declared)]
    for file, logical_id in target.above:
        passed = ("Resources", logical_id, "Properties", "Parameters", name)
        edits += [Edit(passed, {"Ref": name}, file), Edit(("Parameters", name), declared, file)]
    return tuple(edits)


def switch(target: MutationTarget) -> Break:
    """Edits that declare condition `ON`: off by default, turned on by a parameter of the root."""
    body: Body = {"Fn::Equals": [{"Ref": SWITCH}, "true"]}
    declared = {"Type": "String", "Default": "false"}
    return (Edit(("Conditions", ON), body), *parameter(target, SWITCH, declared))


def _kind(value: Part) -> str:
    return "Number" if isinstance(value, int) else "String"


def _is_scalar(value: Part) -> bool:
    return isinstance(value, str | int)


def _if(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    return {"Fn::If": [ON, bad, good]}, switch(target)


def _default(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    declared = {"Type": _kind(bad), "Default": bad}
    return {"Ref": VALUE}, (Edit(("Parameters", VALUE), declared),)


def _allowed(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    if not _is_scalar(good):
        return None
    declared = {"Type": _kind(good), "Default": good, "AllowedValues": [good, bad]}
    return {"Ref": VALUE}, parameter(target, VALUE, declared)


def _map(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    lookup = {"Fn::FindInMap": [MAP, "all", "value"]}
    return lookup, (Edit(("Mappings", MAP), {"all": {"value": bad}}),)


def _map_by_region(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    if not _is_scalar(good):
        return None
    rows = {"eu-central-1": {"value": good}, "us-east-1": {"value": bad}}
    lookup: Body = {"Fn::FindInMap": [MAP, {"Ref": "AWS::Region"}, "value"]}
    return lookup, (Edit(("Mappings", MAP), rows),)


def _sub(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    return ({"Fn::Sub": str(bad)}, ()) if bad != "" else None


def _sub_variable(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    return {"Fn::Sub": ["${Mutant}", {"Mutant": bad}]}, ()


def _join(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    text = str(bad)
    return {"Fn::Join": ["", [text[: len(text) // 2], text[len(text) // 2 :]]]}, ()


def _select(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    return {"Fn::Select": ["1", ["10", bad]]}, ()


def _split(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    return {"Fn::Select": ["0", {"Fn::Split": ["|", f"{bad}|x"]}]}, ()


def _if_if(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    body: Body = {"Fn::Equals": [{"Ref": f"{SWITCH}Too"}, "on"]}
    declared = {"Type": "String", "Default": "off"}
    too = (Edit(("Conditions", f"{ON}Too"), body), *parameter(target, f"{SWITCH}Too", declared))
    inner = {"Fn::If": [f"{ON}Too", bad, good]}
    return {"Fn::If": [ON, inner, good]}, (*switch(target), *too)


def _demand(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    name = target.policy.cost.on_demand
    if name not in as_body(target.body.get("Conditions", {})):
        return None
    return {"Fn::If": [name, bad, good]}, ()


def _list(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    declared = {"Type": "CommaDelimitedList", "Default": f"10,{bad}"}
    return {"Fn::Select": [1, {"Ref": VALUE}]}, (Edit(("Parameters", VALUE), declared),)


def _map_default(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    if not _is_scalar(good):
        return None
    key = {"Ref": "AWS::Region"}
    lookup: Body = {"Fn::FindInMap": [MAP, key, "value", {"DefaultValue": bad}]}
    rows = Edit(("Mappings", MAP), {"eu-central-1": {"value": good}})
    return lookup, (rows, Edit(("Transform",), "AWS::LanguageExtensions"))


def _output(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    nothing = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    template: Body = {"Resources": {"Nothing": nothing}, "Outputs": {"Value": {"Value": bad}}}
    added = (Edit(("Resources", STACK), stack(target, {})), Edit((), template, child(target)))
    return {"Fn::GetAtt": [STACK, "Outputs.Value"]}, added


def _nested(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    if not target.above:
        return None
    file, logical_id = target.above[0]
    passed = ("Resources", logical_id, "Properties", "Parameters", VALUE)
    declared = Edit(("Parameters", VALUE), {"Type": _kind(bad)})
    return {"Ref": VALUE}, (declared, Edit(passed, bad, file))


def _free(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    return {"Ref": VALUE}, parameter(target, VALUE, {"Type": _kind(bad)})


def _stored(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    declared = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/mutant/value"}
    return {"Ref": VALUE}, (Edit(("Parameters", VALUE), declared),)


def _custom(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    token = {"ServiceToken": {"Fn::ImportValue": "a-function"}}
    added: Body = {"Type": "Custom::Mutant", "Properties": token}
    return {"Fn::GetAtt": ["MutantCustom", "Value"]}, (Edit(("Resources", "MutantCustom"), added),)


def _imported(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    return {"Fn::ImportValue": "another-stack"}, ()


def _dynamic(target: MutationTarget, bad: Part, good: Part) -> Hidden:
    return "{{resolve:ssm:/mutant/value}}", ()


IF = Obfuscation("if", "behind an Fn::If that is off by default", _if)
KNOWN = (
    IF,
    Obfuscation("if-if", "behind two Fn::If that are off by default", _if_if),
    Obfuscation("demand", "behind the on-demand condition", _demand),
    Obfuscation("default", "as the default of a parameter", _default),
    Obfuscation("allowed", "among the allowed values of a parameter", _allowed),
    Obfuscation("map", "in a mapping", _map),
    Obfuscation("region", "in a mapping, for one region", _map_by_region),
    Obfuscation("map-default", "as the default of an Fn::FindInMap", _map_default),
    Obfuscation("list", "as an element of a list parameter", _list),
    Obfuscation("output", "as the output of a nested stack", _output),
    Obfuscation("sub", "as an Fn::Sub", _sub),
    Obfuscation("variable", "as a variable of an Fn::Sub", _sub_variable),
    Obfuscation("join", "in two halves of an Fn::Join", _join),
    Obfuscation("select", "as an element of an Fn::Select", _select),
    Obfuscation("split", "as a piece of an Fn::Split", _split),
    Obfuscation("nested", "as an argument from the parent stack", _nested),
)
"""Obfuscations that the judge can resolve, so a rule must FAIL."""

UNKNOWABLE = (
    Obfuscation("free", "as a parameter without a default", _free),
    Obfuscation("stored", "as a parameter read from Systems Manager", _stored),
    Obfuscation("custom", "as an attribute of a custom resource", _custom),
    Obfuscation("import", "as another stack's output", _imported),
    Obfuscation("dynamic", "as a dynamic reference", _dynamic),
)
"""Obfuscations that no template resolves, so a rule must answer UNKNOWN."""


EMPTY = tuple(obfuscation for obfuscation in (*KNOWN, *UNKNOWABLE) if obfuscation.name != "sub")
"""Obfuscations of an empty string: CloudFormation rejects an empty Fn::Sub."""


def obfuscated(
    fault: str,
    breaks: str,
    expected: tuple[str, ...],
    sites: Callable[[MutationTarget], Iterator[Site]],
    obfuscations: tuple[Obfuscation, ...] = (*KNOWN, *UNKNOWABLE),
) -> tuple[Operator, ...]:
    """An operator for each obfuscation of a fault.

    Each operator applies once for each resource type in a template, because an obfuscation does not
    depend on the resource that has the fault.

    Args:
        fault: name of the fault; the obfuscation's name follows it.
        breaks: the fault in a line; the obfuscation's description follows it.
        expected: ids of the rules that must notice.
        sites: the places of the fault in a target.
        obfuscations: how to hide it.
    """
    return tuple(
        Operator(
            fault,
            f"{breaks}, {obfuscation.description}",
            expected,
            _applied(sites, obfuscation),
            obfuscation.name,
            obfuscation in UNKNOWABLE,
        )
        for obfuscation in obfuscations
    )


def _applied(
    sites: Callable[[MutationTarget], Iterator[Site]], obfuscation: Obfuscation
) -> Callable[[MutationTarget], Iterator[Break]]:
    def apply(target: MutationTarget) -> Iterator[Break]:
        seen: set[str] = set()
        resources = as_body(target.body["Resources"])
        for site in sites(target):
            kind = str(as_body(resources.get(str(site.path[1]), {})).get("Type"))
            if kind in seen:
                continue
            seen.add(kind)
            hidden = obfuscation.hide(target, site.bad, site.good)
            if hidden is not None:
                value, more = hidden
                yield (Edit(site.path, site.wrap(value)), *more)

    return apply


def plain(
    fault: str,
    breaks: str,
    expected: tuple[str, ...],
    sites: Callable[[MutationTarget], Iterator[Site]],
) -> Operator:
    """An operator that writes the bad value of each site without an obfuscation."""

    def apply(target: MutationTarget) -> Iterator[Break]:
        for site in sites(target):
            yield (Edit(site.path, site.wrap(site.bad)),)

    return Operator(fault, breaks, expected, apply)
