"""TL_COST_1: what a deployment costs stays under the policy's ceilings."""

from collections.abc import Iterator

from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict
from tljudge.resolve.deployment import Resource


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the price of one resource, and the sums where it has the largest share."""
    from tljudge.cost.ceilings import judged  # only a policy with ceilings pays for it

    yield from judged(resource, policy)


RULE = Rule(
    id="TL_COST_1",
    title="What a deployment costs stays under its ceilings",
    why="what nobody adds up is found on the bill",
    fix="take something smaller, put it behind the on-demand condition, or raise the ceiling",
    source="https://docs.aws.amazon.com/wellarchitected/latest/cost-optimization-pillar/welcome.html",
    types=("**",),
    check=check,
    applies=lambda policy: policy.cost.has_ceilings,
)
