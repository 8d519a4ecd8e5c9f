"""TL_COST_1: the cost of a deployment stays under the policy's ceilings."""

from collections.abc import Iterator

from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict
from tljudge.resolve.deployment import Resource


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the charges of a resource, and the sums of which it is the most expensive part."""
    from tljudge.cost.ceilings import judged  # only a policy with ceilings needs the import

    yield from judged(resource, policy)


RULE = Rule(
    id="TL_COST_1",
    title="The cost of a deployment stays under its ceilings",
    why="a cost without a limit shows only on the bill",
    fix="use a smaller resource, give it the on-demand condition, or raise the ceiling",
    source="https://docs.aws.amazon.com/wellarchitected/latest/cost-optimization-pillar/welcome.html",
    types=("**",),
    check=check,
    applies=lambda policy: policy.cost.has_ceilings,
)
