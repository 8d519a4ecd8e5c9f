"""TL_LOGS_1: every log group expires after a number of days that the policy allows."""

from collections.abc import Iterator

from tljudge.decode.nodes import Map, Node
from tljudge.decode.references import calls
from tljudge.engine.policy import SERVICE_RETENTION_DAYS, Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource, Stack
from tljudge.resolve.parameters import number
from tljudge.resolve.values import NOVALUE, Text, Unknown, display, why
from tljudge.resources.log_groups import GROUP

NAME = "RetentionInDays"


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the retention, and whether a parameter admits other values."""
    value, mark = resource.get(NAME), resource.mark_of(NAME)
    allowed = "a number the service takes"
    if set(policy.retention_days) != set(SERVICE_RETENTION_DAYS):
        allowed = " or ".join(map(str, policy.retention_days))
    if value is NOVALUE:
        yield fail("never expires: it has no RetentionInDays", mark)
    elif isinstance(value, Unknown | Text):
        parameter = _unbounded_parameter(resource)
        if parameter and allowed[0] != "a":
            yield fail(f"parameter {parameter} admits other days than {allowed}", mark)
        else:
            yield unknown(f"its retention is unknown: {why(value)}", mark)
    elif number(value) not in policy.retention_days or isinstance(value, bool):
        yield fail(f"expires after {display(value, 20)} days, not after {allowed}", mark)
    elif allowed[0] != "a" and (parameter := _unbounded_parameter(resource)):
        yield fail(f"parameter {parameter} admits other days than {allowed}", mark)


def _unbounded_parameter(resource: Resource) -> str:
    """The name of a parameter that decides the retention and admits any value; else empty."""
    body = resource.body.get("Properties")
    raw = body.get(NAME) if isinstance(body, Map) else body
    return _unbounded_in(resource.stack, raw)


def _unbounded_in(stack: Stack, raw: Node) -> str:
    for call in calls(raw):
        name = call.argument if call.name == "Ref" and isinstance(call.argument, str) else ""
        declared = stack.template.parameters.get(name)
        if not isinstance(declared, Map):
            continue
        if stack.parent is not None:
            passed = stack.parent.resources[stack.parent_id].body.get("Properties")
            inner = passed.get("Parameters") if isinstance(passed, Map) else None
            if isinstance(inner, Map) and name in inner:
                return _unbounded_in(stack.parent, inner[name])
            if "Default" in declared:
                continue
        elif name in stack.deployment.given:
            continue
        least, most = declared.get("MinValue"), declared.get("MaxValue")
        if "AllowedValues" not in declared and (least is None or least != most):
            return name
    return ""


RULE = Rule(
    id="TL_LOGS_1",
    title="Every log group expires",
    why="AWS keeps and bills logs without an expiry for ever",
    fix="set RetentionInDays to a value the policy allows, and AllowedValues on its parameter",
    source="https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html",
    types=(GROUP,),
    check=check,
)
