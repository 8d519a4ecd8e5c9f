"""TL_IAM_4: a role is passed to a named service, and no principal widens its permissions."""

from collections.abc import Iterator

from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource
from tljudge.resolve.values import display, for_matching, why
from tljudge.resources.statements import IDENTITY, Statement, bounded_by, same_principal, statements
from tljudge.resources.wildcards import matches
from tljudge.rules.iam.resources_are_named import is_broad, listed

PASSES = "iam:PassRole"
# A principal that may pass a role runs code under it by each of these actions.
# https://rhinosecuritylabs.com/aws/aws-privilege-escalation-methods-mitigation/
RUNS_CODE = (
    "autoscaling:CreateLaunchConfiguration",
    "cloudformation:CreateStack",
    "codebuild:CreateProject",
    "codestar:CreateProject",
    "datapipeline:CreatePipeline",
    "ec2:RunInstances",
    "ecs:RegisterTaskDefinition",
    "ecs:RunTask",
    "glue:CreateDevEndpoint",
    "glue:CreateJob",
    "lambda:CreateFunction",
    "lambda:UpdateFunctionConfiguration",
    "sagemaker:CreateNotebookInstance",
    "states:CreateStateMachine",
)
ESCALATES = (
    "iam:AddUserToGroup",
    "iam:AttachGroupPolicy",
    "iam:AttachRolePolicy",
    "iam:AttachUserPolicy",
    "iam:CreateAccessKey",
    "iam:CreateLoginProfile",
    "iam:CreatePolicyVersion",
    "iam:DeleteRolePermissionsBoundary",
    "iam:PutGroupPolicy",
    "iam:PutRolePolicy",
    "iam:PutUserPolicy",
    "iam:SetDefaultPolicyVersion",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateLoginProfile",
)


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge all statements of a principal together: one passes a role, another runs its code."""
    allowed = [s for s in statements(resource) if not s.why and s.allows()]
    runs: list[str] = []
    if any(_covers(set(s.actions()), PASSES) for s in allowed):
        others = [s for other in same_principal(resource) for s in statements(other)]
        everything = [*allowed, *(s for s in others if not s.why and s.allows())]
        actions = {action for statement in everything for action in statement.actions()}
        runs = [name for name in RUNS_CODE if _covers(actions, name)]
    for statement in allowed:
        mine = set(statement.actions())
        mark = next((at for _, at in statement.values("Action")), statement.mark)
        if _covers(mine, PASSES):
            yield from _passing(statement, mark, runs)
        yield from _widening(statement, mark)


def _covers(actions: set[str], name: str) -> bool:
    """Whether actions in lower case, with wildcards, include an action."""
    lower = name.lower()
    return lower in actions or any(matches(lower, action) for action in actions)


def _passing(statement: Statement, mark: tuple[int, int], runs: list[str]) -> Iterator[Verdict]:
    for value, at in statement.values("Resource"):
        if is_broad(for_matching(value, "x")):
            yield fail(f"passes any role: {display(value)}", at)
        elif is_broad(for_matching(value, "*")):
            yield unknown(f"passes an unknown role: {why(value)}", at)
    bound = bounded_by(statement, "iam:PassedToService")
    if bound is None:
        yield unknown("whether a condition names the service is unknown", mark)
    elif not bound:
        yield fail("passes a role to any service: no condition on iam:PassedToService", mark)
    if runs:
        yield fail(f"passes a role and allows {runs[0]}, which runs code under it", mark)


def _widening(statement: Statement, mark: tuple[int, int]) -> Iterator[Verdict]:
    actions = [
        value
        for value, _ in statement.values("Action")
        if any(_covers({for_matching(value, "?").lower()}, name) for name in ESCALATES)
    ]
    if actions and bounded_by(statement, "iam:PolicyARN", "iam:PermissionsBoundary") is not True:
        on = listed([value for value, _ in statement.values("Resource")]) or "all but NotResource"
        yield fail(f"allows {listed(actions)} on {on}, which can widen its own permissions", mark)


RULE = Rule(
    id="TL_IAM_4",
    title="A role is passed to a named service, and no principal widens its permissions",
    why="a principal that passes a role and runs code under it has the role's permissions",
    fix="name the role, require iam:PassedToService, and allow what runs code to another principal",
    source="https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html",
    types=IDENTITY,
    check=check,
)
