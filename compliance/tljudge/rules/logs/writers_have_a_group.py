"""TL_LOGS_2: whatever writes logs writes to a group that is declared."""

from collections.abc import Iterator

from tljudge.decode.nodes import Mark
from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource
from tljudge.resolve.values import EMPTY, NOVALUE, Unknown, Value, display, for_matching, join, why
from tljudge.resources.log_groups import function_group, is_declared

FUNCTIONS = ("AWS::Lambda::Function", "AWS::Serverless::Function")
STAGES = {
    "AWS::ApiGateway::Stage": "AccessLogSetting",
    "AWS::ApiGatewayV2::Stage": "AccessLogSettings",
}
CACHES = ("AWS::ElastiCache::ReplicationGroup", "AWS::ElastiCache::CacheCluster")
BUILD = "AWS::CodeBuild::Project"
FLOW = "AWS::EC2::FlowLog"


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the group a function, stage, build, flow log or cache writes to."""
    for names, mark in _groups(resource):
        declared = is_declared(resource.deployment, *names)
        if declared is None:
            yield unknown(f"which group it writes to is not known: {why(names[0])}", mark)
        elif not declared:
            yield fail(f"writes to {display(names[0])}, declared nowhere", mark)


def _groups(resource: Resource) -> Iterator[tuple[tuple[Value, ...], Mark]]:
    if resource.type in FUNCTIONS:
        yield function_group(resource), resource.mark_of("LoggingConfig", "LogGroup")
    elif resource.type in STAGES:
        name = STAGES[resource.type]
        value = resource.get(name)
        if isinstance(value, dict):
            value = value.get("DestinationArn", NOVALUE)
        if value is not NOVALUE and ":firehose:" not in for_matching(value, "x"):
            yield (value,), resource.mark_of(name, "DestinationArn")
    elif resource.type == BUILD:
        yield from _build(resource)
    elif resource.type == FLOW:
        if resource.get("LogDestinationType") in (NOVALUE, "cloud-watch-logs"):
            for name in ("LogGroupName", "LogDestination"):
                if resource.get(name) is not NOVALUE:
                    yield (resource.get(name),), resource.mark_of(name)
    else:
        yield from _cache(resource)


def _build(resource: Resource) -> Iterator[tuple[tuple[Value, ...], Mark]]:
    config = resource.get("LogsConfig")
    mark = resource.mark_of("LogsConfig")
    inner = config.get("CloudWatchLogs", NOVALUE) if isinstance(config, dict) else config
    if isinstance(inner, Unknown):
        yield (inner,), mark
        return
    settings = inner if isinstance(inner, dict) else EMPTY
    if settings.get("Status") == "DISABLED":
        return
    if "GroupName" in settings:
        yield (
            (settings["GroupName"],),
            resource.mark_of("LogsConfig", "CloudWatchLogs", "GroupName"),
        )
        return
    itself = Unknown(f"{resource.stack.path}{resource.id}", "", True, True)
    names = [join(["/aws/codebuild/", itself])]
    if resource.get("Name") is not NOVALUE:
        names.insert(0, join(["/aws/codebuild/", resource.get("Name")]))
    yield tuple(names), mark


def _cache(resource: Resource) -> Iterator[tuple[tuple[Value, ...], Mark]]:
    name = "LogDeliveryConfigurations"
    configurations = resource.get(name)
    mark = resource.mark_of(name)
    if isinstance(configurations, Unknown):
        yield (configurations,), mark
    for one in configurations if isinstance(configurations, list) else ():
        if isinstance(one, Unknown):
            yield (one,), mark
        elif isinstance(one, dict) and one.get("DestinationType") != "kinesis-firehose":
            value: Value = one
            for step in ("DestinationDetails", "CloudWatchLogsDetails", "LogGroup"):
                value = value.get(step, "") if isinstance(value, dict) else value
            yield (value,), mark


RULE = Rule(
    id="TL_LOGS_2",
    title="Whatever writes logs writes to a declared group",
    why="AWS makes a missing group itself, without an end, and it outlives the stack",
    fix="declare the AWS::Logs::LogGroup under the name that is written to, with RetentionInDays",
    source="https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html",
    types=(*FUNCTIONS, *STAGES, BUILD, FLOW, *CACHES),
    check=check,
)
