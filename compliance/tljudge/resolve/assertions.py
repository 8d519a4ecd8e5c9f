"""The `Rules` section: combinations of parameters that a template's own assertions forbid.

An assertion excludes a scenario only if the choices made so far decide that it is false. An
assertion that is not understood, or needs a further choice, excludes nothing: otherwise it could
turn FAIL into PASS.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html
"""

from collections.abc import Iterable, Iterator, Sequence

from tljudge.decode.errors import shortened
from tljudge.decode.nodes import Call, Map, Node
from tljudge.resolve.conditions import compared_value, equal
from tljudge.resolve.deployment import Deployment, Stack
from tljudge.resolve.scenarios import FixedChoices, OpenChoice, Unreachable
from tljudge.resolve.values import Unknown, Value


def forbidden(deployment: Deployment) -> str:
    """Why a template of the deployment forbids the current scenario; empty if none forbids it."""
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
    except (OpenChoice, Unreachable):
        return
    for name, rule in stack.template.rules.items():
        if not isinstance(rule, Map):
            continue
        if "RuleCondition" in rule and _holds(stack, rule["RuleCondition"]) is not True:
            continue
        assertions = rule.get("Assertions")
        for assertion in assertions if isinstance(assertions, list) else ():
            if isinstance(assertion, Map) and _holds(stack, assertion.get("Assert")) is False:
                description = assertion.get("AssertDescription")
                reason = shortened(description, 200) if isinstance(description, str) else ""
                yield f"rule {shortened(name)} forbids it{': ' if reason else ''}{reason}"


def _holds(stack: Stack, raw: Node) -> bool | None:
    """Whether a function of a rule is true; None if the choices made so far do not decide it."""
    if isinstance(raw, bool):
        return raw
    if not isinstance(raw, Call) or not isinstance(raw.argument, list):
        return None
    arguments = raw.argument
    if raw.name == "Fn::And":
        return _all(_holds(stack, part) for part in arguments)
    if raw.name == "Fn::Or":
        return _any(_holds(stack, part) for part in arguments)
    if raw.name == "Fn::Not" and len(arguments) == 1:
        return _not(_holds(stack, arguments[0]))
    if len(arguments) != 2:
        return None
    if raw.name == "Fn::Equals":
        return equal(stack, _value(stack, arguments[0]), _value(stack, arguments[1]))
    members = _members(stack, arguments[0])
    if members is None:
        return None
    if raw.name == "Fn::EachMemberIn":
        allowed = _members(stack, arguments[1])
        return None if allowed is None else _all(_in(stack, member, allowed) for member in members)
    wanted = _value(stack, arguments[1])
    if raw.name == "Fn::Contains":
        return _in(stack, wanted, members)
    if raw.name == "Fn::EachMemberEquals":
        return _all(equal(stack, member, wanted) for member in members)
    return None


def _value(stack: Stack, raw: Node) -> Value:
    """A value under the choices made so far; `Unknown` if it depends on a further choice."""
    try:
        return compared_value(stack, raw)
    except (OpenChoice, Unreachable):
        return Unknown(f"open {id(raw)}", "it depends on a further choice")


def _members(stack: Stack, raw: Node) -> Sequence[Value] | None:
    if isinstance(raw, list):
        return [_value(stack, member) for member in raw]
    value = _value(stack, raw)
    return value if isinstance(value, list) else None


def _in(stack: Stack, wanted: Value, members: Sequence[Value]) -> bool | None:
    return _any(equal(stack, member, wanted) for member in members)


def _all(results: Iterable[bool | None]) -> bool | None:
    return _not(_any(_not(result) for result in results))


def _any(results: Iterable[bool | None]) -> bool | None:
    distinct = set(results)
    return True if True in distinct else None if None in distinct else False


def _not(result: bool | None) -> bool | None:
    return None if result is None else not result
