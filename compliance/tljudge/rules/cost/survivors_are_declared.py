"""TL_COST_4: a snapshot stays after its stack only if the template declares it."""

from collections.abc import Iterator

from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail
from tljudge.resolve.deployment import Resource


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the final snapshot of a database, which AWS creates by default."""
    from tljudge.cost.survivors import survivors  # only a template with a database needs the import

    for survivor in survivors(resource):
        if survivor.silent:
            yield fail(survivor.what, survivor.mark)


RULE = Rule(
    id="TL_COST_4",
    title="Every snapshot that survives its stack is declared",
    why="AWS bills an undeclared snapshot until it is deleted",
    fix="write the DeletionPolicy: Delete, or Snapshot if the data must be kept",
    source="https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html",
    types=("AWS::RDS::DBCluster", "AWS::RDS::DBInstance"),
    check=check,
    applies=lambda policy: not policy.cost.nothing_survives,
)
