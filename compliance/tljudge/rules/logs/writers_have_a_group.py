"""TL_LOGS_2: every resource that writes logs writes to a declared log group."""

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
    """Judge the log group of a function, stage, build project, flow log or cache."""
    for names, mark in _groups(resource):
        declared = is_declared(resource.deployment, *names)
        if declared is None:
            yield unknown(f"its log group is unknown: {why(names[0])}", mark)
        elif not declared:
            yield fail(f"writes to {display(names[0])}, which is not declared", mark)


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
    for configuration in configurations if isinstance(configurations, list) else ():
        if isinstance(configuration, Unknown):
            yield (configuration,), mark
        elif (
            isinstance(configuration, dict)
            and configuration.get("DestinationType") != "kinesis-firehose"
        ):
            value: Value = configuration
            for step in ("DestinationDetails", "CloudWatchLogsDetails", "LogGroup"):
                value = value.get(step, "") if isinstance(value, dict) else value
            yield (value,), mark


RULE = Rule(
    id="TL_LOGS_2",
    title="Every log writer writes to a declared group",
    why="AWS creates a missing group, without an expiry, and it outlives the stack",
    fix="declare an AWS::Logs::LogGroup with the name that is written to, and RetentionInDays",
    source="https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html",
    types=(*FUNCTIONS, *STAGES, BUILD, FLOW, *CACHES),
    check=check,
)
