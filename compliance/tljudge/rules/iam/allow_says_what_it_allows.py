"""TL_IAM_2: an Allow lists what it allows, never what it excludes."""

from collections.abc import Iterator

from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail
from tljudge.resolve.deployment import Resource
from tljudge.resources.statements import CARRIERS, document, mark_in, statements

INVERTED = ("NotAction", "NotResource", "NotPrincipal")


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge every statement, including those of a trust policy."""
    judged = list(statements(resource))
    if resource.type == "AWS::IAM::Role":
        name = "AssumeRolePolicyDocument"
        judged += document(resource.get(name), resource.mark_of(name))
    for statement in judged:
        if statement.allows():
            for name in INVERTED:
                if name in statement.body:
                    mark = mark_in(statement.body, name, statement.mark)
                    yield fail(f"Allow with {name}", mark)


RULE = Rule(
    id="TL_IAM_2",
    title="An Allow lists what it allows",
    why="everything that is not listed is allowed, also what AWS adds later",
    fix="list actions, resources and principals",
    source="https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notaction.html",
    types=CARRIERS,
    check=check,
)
