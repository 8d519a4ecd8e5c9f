"""TL_IAM_4: a role is passed to one named service, and nobody widens his own rights."""

from collections.abc import Iterator

from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource
from tljudge.resolve.values import display, for_matching, why
from tljudge.resources.statements import IDENTITY, Statement, beside, bounded_by, statements
from tljudge.resources.wildcards import matches
from tljudge.rules.iam.resources_are_named import is_broad

PASSES = "iam:passrole"
# With a role in hand, each of these runs code under it.
# https://rhinosecuritylabs.com/aws/aws-privilege-escalation-methods-mitigation/
RUNS_CODE = frozenset(
    [
        "ec2:runinstances",
        "lambda:createfunction",
        "lambda:updatefunctionconfiguration",
        "ecs:runtask",
        "ecs:registertaskdefinition",
        "cloudformation:createstack",
        "glue:createdevendpoint",
        "glue:createjob",
        "datapipeline:createpipeline",
        "sagemaker:createnotebookinstance",
        "codebuild:createproject",
        "codestar:createproject",
        "states:createstatemachine",
        "autoscaling:createlaunchconfiguration",
    ]
)
ESCALATES = frozenset(
    [
        "iam:attachrolepolicy",
        "iam:attachuserpolicy",
        "iam:attachgrouppolicy",
        "iam:putrolepolicy",
        "iam:putuserpolicy",
        "iam:putgrouppolicy",
        "iam:createpolicyversion",
        "iam:setdefaultpolicyversion",
        "iam:updateassumerolepolicy",
        "iam:addusertogroup",
        "iam:createaccesskey",
        "iam:createloginprofile",
        "iam:updateloginprofile",
        "iam:deleterolepermissionsboundary",
    ]
)


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge all statements of a principal together: what one passes, another may run."""
    allowed = [s for s in statements(resource) if not s.why and s.allows()]
    runs: list[str] = []
    if any(_covers(set(one.actions()), PASSES) for one in allowed):
        others = [s for one in beside(resource) for s in statements(one)]
        everything = [*allowed, *(s for s in others if not s.why and s.allows())]
        actions = {action for statement in everything for action in statement.actions()}
        runs = sorted(name for name in RUNS_CODE if _covers(actions, name))
    for statement in allowed:
        mine = set(statement.actions())
        mark = next((at for _, at in statement.values("Action")), statement.mark)
        if _covers(mine, PASSES):
            yield from _passing(statement, mark, runs)
        for name in sorted(ESCALATES):
            if _covers(mine, name):
                if bounded_by(statement, "iam:policyarn", "iam:permissionsboundary") is not True:
                    yield fail(f"allows {name}, by which rights widen themselves", mark)
                break


def _covers(actions: set[str], name: str) -> bool:
    return name in actions or any(matches(name, action) for action in actions)


def _passing(statement: Statement, mark: tuple[int, int], runs: list[str]) -> Iterator[Verdict]:
    for value, at in statement.values("Resource"):
        if is_broad(for_matching(value, "x")):
            yield fail(f"passes any role: {display(value)}", at)
        elif is_broad(for_matching(value, "*")):
            yield unknown(f"passes a role that is not known: {why(value)}", at)
    bound = bounded_by(statement, "iam:passedtoservice")
    if bound is None:
        yield unknown("to which service it passes a role is not known", mark)
    elif not bound:
        yield fail("passes a role to any service: no condition on iam:PassedToService", mark)
    if runs:
        yield fail(f"passes a role beside {runs[0]}, which runs code under it", mark)


RULE = Rule(
    id="TL_IAM_4",
    title="A role is passed to one named service, and nobody widens his own rights",
    why="who may pass a role and run code with it has the role's rights",
    fix="name the role, require iam:PassedToService, and keep what runs code apart",
    source="https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html",
    types=IDENTITY,
    check=check,
)
