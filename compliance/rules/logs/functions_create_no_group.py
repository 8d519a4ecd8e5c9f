"""TL_LOGS_3: no function may create its declared group again after it is deleted."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from compliance.policy import Policy
from compliance.resolve import Resource
from compliance.rule import Rule, Verdict, fail, unknown
from compliance.rules.iam.statements import statements
from compliance.rules.logs.groups import function_group, is_declared
from compliance.values import NOVALUE, Unknown, rendered, why

CREATE = "logs:createloggroup"
# Managed policies that hold it.
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
    """Judge the role of a function whose group is declared."""
    if is_declared(resource.world, *function_group(resource)) is False:
        return
    role, mark = resource.get("Role"), resource.mark_of("Role")
    if role is NOVALUE:
        return
    declared = resource.world.at(role.origin) if isinstance(role, Unknown) else None
    if declared is None:
        yield unknown(f"what its role may do is not known: {why(role)}", mark)
        return
    carriers = [declared, *_attached(declared)]
    for carrier in carriers:
        for statement in statements(carrier):
            if statement.why:
                yield unknown(f"what its role may do is not known: {statement.why}", mark)
            elif statement.allows() and any(fnmatchcase(CREATE, a) for a in statement.actions()):
                yield fail(f"{declared.id} may logs:CreateLogGroup", mark)
    managed = declared.get("ManagedPolicyArns")
    for one in managed if isinstance(managed, list) else ():
        name = rendered(one, "*").rsplit("/", 1)[-1]
        if name.lower() in CREATORS:
            yield fail(f"{declared.id} may logs:CreateLogGroup through {name}", mark)


def _attached(role: Resource) -> Iterator[Resource]:
    kinds = ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy")
    for policy in role.world.all_of(*kinds):
        roles = policy.get("RoleName" if policy.type == kinds[2] else "Roles")
        for one in roles if isinstance(roles, list) else [roles]:
            if isinstance(one, Unknown) and role.world.at(one.origin) is role and policy.exists():
                yield policy


RULE = Rule(
    id="TL_LOGS_3",
    title="No function creates its group again",
    why="a late invocation makes the deleted group again, without an end and outside the stack",
    fix="allow logs:CreateLogStream and logs:PutLogEvents on the declared group only",
    source="https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html",
    types=("AWS::Lambda::Function",),
    check=check,
)
