"""The `Rules` section: combinations of parameters that a template's own assertions forbid.

An assertion takes a combination away only when it is decided false by what was chosen; what is not
understood, and what was not asked for, leaves it in, so that nothing turns FAIL into PASS.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html
"""

from collections.abc import Iterable, Iterator, Sequence

from tljudge.decode.nodes import Call, Map, Node
from tljudge.resolve.conditions import compared_value, equal
from tljudge.resolve.deployment import Deployment, Stack
from tljudge.resolve.scenarios import FixedChoices, Open, Unreachable
from tljudge.resolve.values import Unknown, Value


def forbidden(deployment: Deployment) -> str:
    """Why the template forbids what this run has chosen; empty where it does not."""
    if not deployment.has_rules:
        return ""
    chosen, deployment.choices = deployment.choices, FixedChoices(deployment.choices.trail)
    try:
        return next((why for stack in deployment.stacks for why in _broken(stack)), "")
    finally:
        deployment.choices = chosen


def _broken(stack: Stack) -> Iterator[str]:
    try:
        if not stack.exists():
            return
    except (Open, Unreachable):
        return
    for name, rule in stack.template.rules.items():
        if not isinstance(rule, Map):
            continue
        if "RuleCondition" in rule and _holds(stack, rule["RuleCondition"]) is not True:
            continue
        assertions = rule.get("Assertions")
        for one in assertions if isinstance(assertions, list) else ():
            if isinstance(one, Map) and _holds(stack, one.get("Assert")) is False:
                said = one.get("AssertDescription")
                yield f"rule {name[:80]} forbids it" + (
                    f": {said[:200]}" if isinstance(said, str) else ""
                )


def _holds(stack: Stack, raw: Node) -> bool | None:
    """Whether a rule's function holds; None where that is not decided."""
    if isinstance(raw, bool):
        return raw
    if not isinstance(raw, Call) or not isinstance(raw.argument, list):
        return None
    inner = raw.argument
    if raw.name == "Fn::And":
        return _all(_holds(stack, one) for one in inner)
    if raw.name == "Fn::Or":
        return _any(_holds(stack, one) for one in inner)
    if raw.name == "Fn::Not" and len(inner) == 1:
        return _not(_holds(stack, inner[0]))
    if len(inner) != 2:
        return None
    if raw.name == "Fn::Equals":
        return equal(stack, _value(stack, inner[0]), _value(stack, inner[1]))
    members = _members(stack, inner[0])
    if members is None:
        return None
    if raw.name == "Fn::EachMemberIn":
        allowed = _members(stack, inner[1])
        return None if allowed is None else _all(_in(stack, one, allowed) for one in members)
    wanted = _value(stack, inner[1])
    if raw.name == "Fn::Contains":
        return _in(stack, wanted, members)
    if raw.name == "Fn::EachMemberEquals":
        return _all(equal(stack, one, wanted) for one in members)
    return None


def _value(stack: Stack, raw: Node) -> Value:
    """A value in what was chosen; unknown where it depends on more."""
    try:
        return compared_value(stack, raw)
    except (Open, Unreachable):
        return Unknown(f"open {id(raw)}", "it was not chosen")


def _members(stack: Stack, raw: Node) -> Sequence[Value] | None:
    if isinstance(raw, list):
        return [_value(stack, one) for one in raw]
    found = _value(stack, raw)
    return found if isinstance(found, list) else None


def _in(stack: Stack, wanted: Value, members: Sequence[Value]) -> bool | None:
    return _any(equal(stack, one, wanted) for one in members)


def _all(found: Iterable[bool | None]) -> bool | None:
    return _not(_any(_not(one) for one in found))


def _any(found: Iterable[bool | None]) -> bool | None:
    known = set(found)
    return True if True in known else None if None in known else False


def _not(found: bool | None) -> bool | None:
    return None if found is None else not found
