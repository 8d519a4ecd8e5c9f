"""Operators on log groups: no expiry, undeclared, created again by a role, kept after the stack."""

from collections.abc import Callable, Iterator

from tljudge.engine.policy import SERVICE_RETENTION_DAYS
from tljudge.mutation.edits import GONE, NO_VALUE, Body, Break, Edit, Part, Path, as_body, mappings
from tljudge.mutation.obfuscations import (
    IF,
    KNOWN,
    ON,
    VALUE,
    Site,
    obfuscated,
    parameter,
    plain,
    switch,
)
from tljudge.mutation.operator import Operator
from tljudge.mutation.permissions import ROLE, statements
from tljudge.mutation.target import MutationTarget

EXPIRES, DECLARED, MADE_AGAIN, STAYS = (
    ("TL_LOGS_1",), ("TL_LOGS_2",), ("TL_LOGS_3",), ("TL_LOGS_4",)
)  # fmt: skip
GROUP, FUNCTION = "AWS::Logs::LogGroup", "AWS::Lambda::Function"
NAME, DAYS = "LogGroupName", "RetentionInDays"
ELSEWHERE = "/mutant/elsewhere"
BASIC = "AWSLambdaBasicExecutionRole"
IN_VPC = "AWSLambdaVPCAccessExecutionRole"


def _retention(bad: Part) -> Callable[[MutationTarget], Iterator[Site]]:
    def sites(target: MutationTarget) -> Iterator[Site]:
        days = target.policy.retention_days[0]
        if str(bad) in map(str, target.policy.retention_days):
            return
        for logical_id, properties in target.resources(GROUP):
            if DAYS in properties:
                yield Site(("Resources", logical_id, "Properties", DAYS), bad, days)

    return sites


def _kept(target: MutationTarget) -> Iterator[Break]:
    for site in _retention(None)(target):
        yield (Edit(site.path, GONE),)


def _open_parameter(target: MutationTarget) -> Iterator[Break]:
    """A parameter whose default is allowed, but that accepts every other number too."""
    if set(target.policy.retention_days) == set(SERVICE_RETENTION_DAYS):
        return
    for site in _retention(None)(target):
        declared = {"Type": "Number", "Default": site.good}
        yield (Edit(site.path, {"Ref": VALUE}), *parameter(target, VALUE, declared))


def _policy(value: str) -> Callable[[MutationTarget], Iterator[Break]]:
    def apply(target: MutationTarget) -> Iterator[Break]:
        for logical_id, _ in target.resources(GROUP) if target.policy.stack_vanishes else ():
            yield (Edit(("Resources", logical_id, "DeletionPolicy"), value),)

    return apply


def _retained(target: MutationTarget) -> Iterator[Site]:
    """AWS::LanguageExtensions allows an intrinsic as DeletionPolicy, so such templates only."""
    if "Transform" in target.body and target.policy.stack_vanishes:
        for logical_id, _ in target.resources(GROUP):
            yield Site(("Resources", logical_id, "DeletionPolicy"), "Retain", "Delete")


def _writers(target: MutationTarget) -> Iterator[tuple[Path, Part]]:
    """Where a function, stage, build, cache or flow log names its log group."""
    for logical_id, properties in target.resources():
        top = ("Resources", logical_id, "Properties")
        kind = target.kind(logical_id)
        if kind == GROUP:
            continue
        for path, body in mappings(properties, top):
            for key in ("LogGroup", "LogGroupName", "GroupName", "DestinationArn"):
                if key not in body or not _is_log(kind, path, key):
                    continue
                yield (*path, key), body[key]


def _is_log(kind: str, path: Path, key: str) -> bool:
    return {
        "LogGroup": path[-1] in ("LoggingConfig", "CloudWatchLogsDetails"),
        "LogGroupName": kind == "AWS::EC2::FlowLog",
        "GroupName": path[-1] == "CloudWatchLogs",
        "DestinationArn": path[-1] in ("AccessLogSettings", "AccessLogSetting"),
    }[key]


def _elsewhere(target: MutationTarget) -> Iterator[Site]:
    for path, good in _writers(target):
        bad = ELSEWHERE
        if path[-1] == "DestinationArn":
            bad = f"arn:aws:logs:eu-central-1:111122223333:log-group:{ELSEWHERE}"
        yield Site(path, bad, good)


def _own_name(target: MutationTarget, function: Body) -> Part:
    """The log group name that Lambda derives from the function name; None without such a name."""
    name = function.get("FunctionName")
    if isinstance(name, dict) and isinstance(name.get("Fn::Sub"), str):
        return {"Fn::Sub": f"/aws/lambda/{name['Fn::Sub']}"}
    return f"/aws/lambda/{name}" if isinstance(name, str) else None


def functions(target: MutationTarget) -> Iterator[tuple[str, Body, str]]:
    """Functions whose log group is in the same template.

    Yields:
        The function's logical id and properties, and the log group's logical id.
    """
    groups = {id_: properties.get(NAME) for id_, properties in target.resources(GROUP)}
    for logical_id, properties in target.resources(FUNCTION):
        wanted = _own_name(target, properties)
        group_of_function = as_body(properties.get("LoggingConfig", {})).get("LogGroup", wanted)
        for group, name in groups.items():
            if group_of_function in ({"Ref": group}, name) and name == wanted:
                yield logical_id, properties, group


def _default_logging(function: str, properties: Body) -> tuple[Edit, ...]:
    """Remove LoggingConfig, so that the function writes to the log group that Lambda derives."""
    path = ("Resources", function, "Properties", "LoggingConfig")
    return (Edit(path, GONE),) if "LoggingConfig" in properties else ()


def _renamed(target: MutationTarget) -> Iterator[Break]:
    for function, properties, group in functions(target):
        name = Edit(("Resources", group, "Properties", NAME), ELSEWHERE)
        yield (name, *_default_logging(function, properties))


def _function_renamed(target: MutationTarget) -> Iterator[Break]:
    for function, properties, _ in functions(target):
        name = Edit(("Resources", function, "Properties", "FunctionName"), "mutant")
        yield (name, *_default_logging(function, properties))


def _deleted(target: MutationTarget) -> Iterator[Break]:
    """Remove the log group, and replace each reference to it by its name or ARN."""
    for function, properties, group in functions(target):
        yield (*_removed_group(target, group), *_default_logging(function, properties))


def _removed_group(target: MutationTarget, group: str) -> tuple[Edit, ...]:
    name = as_body(target.resource(group)["Properties"])[NAME]
    text = name if isinstance(name, str) else as_body(name)["Fn::Sub"]
    arn = f"arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:{text}:*"
    replacements: tuple[tuple[Body, Part], ...] = (
        ({"Ref": group}, name),
        ({"Fn::GetAtt": [group, "Arn"]}, {"Fn::Sub": arn}),
    )
    edits = [Edit(("Resources", group), GONE)]
    for section in ("Resources", "Outputs"):
        for path, body in mappings(target.body.get(section, {}), (section,)):
            for reference, value in replacements:
                if body == reference and path[1] != group:
                    edits.append(Edit(path, value))
    return tuple(edits)


def _later(target: MutationTarget) -> Iterator[Break]:
    """Put the log group under a condition that is off by default; the function always exists."""
    for function, properties, group in functions(target):
        if "Condition" not in target.resource(group):
            gate = Edit(("Resources", group, "Condition"), ON)
            yield (gate, *_default_logging(function, properties), *switch(target))


def _another_function(target: MutationTarget) -> Iterator[Break]:
    """Add a copy of each function, without a log group."""
    for logical_id, properties in target.resources(FUNCTION):
        copy = {key: value for key, value in properties.items() if key != "LoggingConfig"}
        body: Body = {**target.resource(logical_id), "Properties": copy}
        copy["FunctionName"] = "mutant"
        yield (Edit(("Resources", f"MutantOf{logical_id}"), body),)


def _roles(target: MutationTarget) -> Iterator[str]:
    """Roles of functions in the same template."""
    roles_of_functions = [properties.get("Role") for _, properties in target.resources(FUNCTION)]
    for logical_id, _ in target.resources(ROLE):
        if {"Fn::GetAtt": [logical_id, "Arn"]} in roles_of_functions:
            yield logical_id


def _may_create(target: MutationTarget) -> Iterator[Site]:
    for grant in statements(target):
        if grant.owner in _roles(target) and "logs:PutLogEvents" in grant.actions:
            path = (*grant.path, "Action", len(grant.actions))
            yield Site(path, "logs:CreateLogGroup", "logs:CreateLogStream")


def _standalone(target: MutationTarget) -> Iterator[Break]:
    for role in _roles(target):
        statement: Body = {
            "Effect": "Allow",
            "Action": "LOGS:createloggroup",
            "Resource": {"Fn::Sub": "arn:aws:logs:eu-central-1:${AWS::AccountId}:log-group:/x"},
        }
        body: Body = {
            "PolicyName": "mutant",
            "RoleName": {"Ref": role},
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        }
        added: Body = {"Type": "AWS::IAM::RolePolicy", "Properties": body}
        yield (Edit(("Resources", f"MutantOf{role}"), added),)


def _customer_managed(target: MutationTarget) -> Iterator[Break]:
    """A customer managed policy that names no role, and a role that names the policy."""
    statement: Body = {
        "Effect": "Allow",
        "Action": ["logs:CreateLogGroup"],
        "Resource": {"Fn::Sub": "arn:aws:logs:eu-central-1:${AWS::AccountId}:log-group:/x"},
    }
    body: Body = {"PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
    for role in _roles(target):
        path = ("Resources", role, "Properties", "ManagedPolicyArns")
        added: Body = {"Type": "AWS::IAM::ManagedPolicy", "Properties": body}
        yield (
            Edit(path, [{"Ref": f"MutantOf{role}"}]),
            Edit(("Resources", f"MutantOf{role}"), added),
        )


def _managed(name: str) -> Callable[[MutationTarget], Iterator[Site]]:
    def sites(target: MutationTarget) -> Iterator[Site]:
        arn = f"arn:aws:iam::aws:policy/service-role/{name}"
        other = "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess"
        for role in _roles(target):
            path = ("Resources", role, "Properties", "ManagedPolicyArns")
            yield Site(path, arn, other, lambda value: [value])

    return sites


OPERATORS: tuple[Operator, ...] = (
    Operator("retention-gone", "a log group never expires", EXPIRES, _kept),
    plain("retention-no-value", "a log group's retention is AWS::NoValue", EXPIRES,
          _retention(NO_VALUE)),
    plain("retention-other", "a log group expires after a year", EXPIRES, _retention(365)),
    plain("retention-short", "a log group expires after a week", EXPIRES, _retention("7")),
    plain("retention-odd", "a log group's retention is a number CloudWatch Logs rejects", EXPIRES,
          _retention(31)),
    *obfuscated("retention-no-value", "a log group never expires", EXPIRES,
               _retention(NO_VALUE), (IF,)),
    *obfuscated("retention", "a log group expires after a year", EXPIRES, _retention(365)),
    Operator("retention-open", "a parameter that accepts every number of days", EXPIRES,
             _open_parameter),
    Operator("log-group-retained", "a log group stays after its stack", STAYS, _policy("Retain")),
    Operator("log-group-retained-later", "a log group stays once it is created", STAYS,
             _policy("RetainExceptOnCreate")),
    *obfuscated("log-group-retained", "a log group stays after its stack", STAYS, _retained, (IF,)),
    plain("log-elsewhere", "a resource logs to an undeclared log group", DECLARED,
          _elsewhere),
    *obfuscated("log-elsewhere", "a resource logs to an undeclared log group", DECLARED,
               _elsewhere),
    Operator("log-group-renamed", "a function's log group is renamed", DECLARED,
             _renamed),
    Operator("log-group-unused", "a function is renamed, its log group is not", DECLARED,
             _function_renamed),
    Operator("log-group-deleted", "a function's log group is removed", DECLARED, _deleted),
    Operator("log-group-later", "a function's log group is off by default", DECLARED, _later),
    Operator("log-group-another", "one more function, without a log group", DECLARED,
             _another_function),
    plain("create-group", "a function may create its log group again", MADE_AGAIN, _may_create),
    *obfuscated("create-group", "a function may create its log group again", MADE_AGAIN,
               _may_create, KNOWN),
    Operator("create-standalone", "a standalone policy lets a function create its log group",
             MADE_AGAIN, _standalone),
    Operator("create-customer", "a customer managed policy lets a function create its log group",
             MADE_AGAIN, _customer_managed),
    plain("create-managed", "an AWS managed policy lets a function create its log group",
          MADE_AGAIN, _managed(BASIC)),
    plain("create-managed-vpc", "another AWS managed policy lets a function create its log group",
          MADE_AGAIN, _managed(IN_VPC)),
    *obfuscated("create-managed", "an AWS managed policy lets a function create its log group",
               MADE_AGAIN, _managed(BASIC), KNOWN),
)  # fmt: skip
