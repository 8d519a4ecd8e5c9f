"""Calls of a function in a month: by its schedules, else as the policy assumes."""

import re
from collections.abc import Iterator

from tljudge.cost.meter import ALWAYS, USED
from tljudge.data.prices import HOURS_A_MONTH
from tljudge.decode.errors import shortened
from tljudge.engine.cost_policy import Usage
from tljudge.resolve.deployment import Resource
from tljudge.resolve.quantities import Quantity, UnknownQuantity
from tljudge.resolve.values import NOVALUE, Text, Unknown, Value, key_of, why

_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
_DAYS_A_MONTH = HOURS_A_MONTH / 24


def calls(function: Resource, usage: Usage, named: bool) -> Iterator[tuple[Quantity, str]]:
    """Yield calls a month, with `ALWAYS` for those of a schedule and `USED` for assumed requests.

    Args:
        function: the function that is called.
        usage: the assumed use of the function.
        named: whether the policy sets `requests_month` of this function; it then has both kinds.
    """
    scheduled = [
        times
        for timer in function.deployment.of_type("AWS::Events::Rule", "AWS::Scheduler::Schedule")
        if timer.get("State") != "DISABLED" and _reaches(timer, function)
        for times in [a_month(timer.get("ScheduleExpression"))]
        if times
    ]
    for times in scheduled:
        yield times, ALWAYS
    if not scheduled or named:
        yield usage.requests_month, USED


def _reaches(timer: Resource, function: Resource) -> bool:
    return any(_leads_to(arn, function) for arn in targets(timer))


def targets(timer: Resource) -> Iterator[Value]:
    """Yield the target ARNs of an event rule or schedule; some may be unknown."""
    scheduled = timer.type == "AWS::Scheduler::Schedule"
    named = timer.get("Target" if scheduled else "Targets")
    listed = named if isinstance(named, list) and not scheduled else [named]
    for target in listed if scheduled or named is not NOVALUE else ():
        yield target.get("Arn", "") if isinstance(target, dict) else target


def _leads_to(arn: Value, function: Resource) -> bool:
    """Whether an ARN is the function's, by reference or by the name at its end."""
    if isinstance(arn, Unknown):
        return function.deployment.at(arn.origin) is function
    name = function.get("FunctionName")
    if not isinstance(arn, str | Text) or name is NOVALUE or isinstance(name, dict | list):
        return False
    return f"{key_of(arn)}:".endswith(f":function:{key_of(name)}:")


def has_unknown_target(timer: Resource) -> bool:
    """Whether a target of an event rule or schedule is unknown."""
    return any(
        isinstance(arn, Unknown) and timer.deployment.at(arn.origin) is None
        for arn in targets(timer)
    )


def a_month(expression: Value) -> Quantity:
    """How often a schedule expression fires in a month, at most; 0 without an expression.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
    """
    if expression is NOVALUE:
        return 0.0
    if isinstance(expression, Unknown | Text) or not isinstance(expression, str):
        reason = why(expression) if isinstance(expression, Unknown | Text) else "it is not text"
        return UnknownQuantity(f"its schedule is unknown: {reason}")
    rate = re.fullmatch(r"rate\(\s*([0-9]{1,9}) (minute|hour|day)s?\s*\)", expression.strip())
    if rate and int(rate[1]):
        return HOURS_A_MONTH * 3600 / (int(rate[1]) * _SECONDS[rate[2]])
    cron = re.fullmatch(r"cron\(([^()]*)\)", expression.strip())
    fields = cron[1].split() if cron else []
    if len(fields) == 6:
        minutes, hours = _matches(fields[0], 60), _matches(fields[1], 24)
        if minutes and hours:
            return minutes * hours * _DAYS_A_MONTH
    if expression.strip().startswith("at("):
        return 1.0
    return UnknownQuantity(f"the judge cannot read the schedule {shortened(expression, 40)!r}")


def _matches(field: str, size: int) -> int:
    """The number of values that match a cron field; 0 if it is not understood."""
    values: set[int] = set()
    for part in field.split(","):
        match = re.fullmatch(r"(\*|[0-9]{1,2})(?:-([0-9]{1,2}))?(?:/([0-9]{1,2}))?", part)
        if match is None or match[3] in ("0", "00"):
            return 0
        first = 0 if match[1] == "*" else int(match[1])
        last = int(match[2]) if match[2] else size - 1 if "*" in part or match[3] else first
        values.update(range(first, min(last, size - 1) + 1, int(match[3] or 1)))
    return len(values)
