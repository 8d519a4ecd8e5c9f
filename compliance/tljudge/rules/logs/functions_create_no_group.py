"""TL_LOGS_3: no function can create its declared log group again after it is deleted."""

from collections.abc import Iterator

from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource
from tljudge.resolve.values import NOVALUE, Unknown, for_matching, why
from tljudge.resources.log_groups import function_group, is_declared
from tljudge.resources.statements import attached, statements
from tljudge.resources.wildcards import matches

CREATE = "logs:createloggroup"
# Managed policies that allow it, in lower case.
CREATORS = frozenset(
    [
        "awslambdabasicexecutionrole",
        "awslambdavpcaccessexecutionrole",
        "awslambdasqsqueueexecutionrole",
        "awslambdadynamodbexecutionrole",
        "awslambdakinesisexecutionrole",
        "awslambdamskexecutionrole",
        "cloudwatchlogsfullaccess",
        "awslambda_fullaccess",
    ]
)


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the role of a function whose log group is declared."""
    if is_declared(resource.deployment, *function_group(resource)) is False:
        return
    role, mark = resource.get("Role"), resource.mark_of("Role")
    if role is NOVALUE:
        return
    declared = resource.deployment.at(role.origin) if isinstance(role, Unknown) else None
    if declared is None:
        yield unknown(f"the permissions of its role are unknown: {why(role)}", mark)
        return
    managed = declared.get("ManagedPolicyArns")
    arns = managed if isinstance(managed, list) else [] if managed is NOVALUE else [managed]
    for carrier in (declared, *attached(declared)):
        for statement in statements(carrier):
            if statement.why:
                yield unknown(f"the permissions of its role are unknown: {statement.why}", mark)
            elif statement.allows() and any(matches(CREATE, a) for a in statement.actions()):
                yield fail(f"{declared.id} allows logs:CreateLogGroup", mark)
    for arn in arns:
        name = for_matching(arn, "\0").rsplit("/", 1)[-1]
        if name.lower() in CREATORS:
            yield fail(f"{declared.id} allows logs:CreateLogGroup through {name}", mark)
        elif "\0" in name:
            yield unknown(f"the permissions of its role are unknown: {why(arn)}", mark)


RULE = Rule(
    id="TL_LOGS_3",
    title="No function can create its log group again",
    why="a late invocation creates the deleted group again, without expiry, outside the stack",
    fix="allow logs:CreateLogStream and logs:PutLogEvents on the declared group only",
    source="https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html",
    types=("AWS::Lambda::Function",),
    check=check,
)
