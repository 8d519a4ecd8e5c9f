"""TL_COST_4: what stays after its stack is deleted stays because the template says so."""

from collections.abc import Iterator

from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail
from tljudge.resolve.deployment import Resource


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge what AWS keeps by itself: a database's last snapshot."""
    from tljudge.cost.survivors import survivors  # only a template with a database pays for it

    for one in survivors(resource):
        if one.silent:
            yield fail(one.what, one.mark)


RULE = Rule(
    id="TL_COST_4",
    title="What survives its stack is declared to",
    why="a snapshot that nobody asked for is billed for as long as nobody finds it",
    fix="write the DeletionPolicy: Delete, or Snapshot where the data is worth it",
    source="https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html",
    types=("AWS::RDS::DBCluster", "AWS::RDS::DBInstance"),
    check=check,
    applies=lambda policy: not policy.cost.nothing_survives,
)
