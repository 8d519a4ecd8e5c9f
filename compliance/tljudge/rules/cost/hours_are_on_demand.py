"""TL_COST_2: nothing that bills by the hour exists while the on-demand condition is off."""

from collections.abc import Iterator

from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge a resource in the scenarios that have no on-demand part.

    An instance that the policy names as stopped counts as idle; its volume bills by the month.
    """
    # Only a policy that has something on demand pays for these.
    from tljudge.cost.bill import charges, is_on
    from tljudge.cost.meter import ALWAYS, EITHER, GROWN, HOUR, RUNNING
    from tljudge.data.prices import HOURS_A_MONTH, load

    cost = policy.cost
    if is_on(resource.deployment, cost.on_demand):
        return
    still = any(one.resource == resource.id for one in cost.stopped)
    bills = (ALWAYS,) if still else (ALWAYS, RUNNING)
    for charge in charges(resource, cost, load(cost.prices)):
        if charge.when == GROWN:
            message = f"it may grow by {charge.what} while {cost.on_demand} is off"
            yield unknown(message, resource.mark)
        elif charge.per == EITHER:
            reason = f"whether it bills by the hour is not known: {charge.why}"
            yield unknown(reason, resource.mark)
        elif charge.per == HOUR and charge.when in bills:
            usd = "" if charge.usd is None else f", {charge.usd * HOURS_A_MONTH:.2f} USD a month"
            message = f"bills by the hour while {cost.on_demand} is off: {charge.what}{usd}"
            yield fail(message, resource.mark)


RULE = Rule(
    id="TL_COST_2",
    title="What bills by the hour is on demand",
    why="an hour that nobody uses costs as much as one that somebody does",
    fix="give it the on-demand condition, or name in cost.stopped what is stopped, and by what",
    source="https://docs.aws.amazon.com/wellarchitected/latest/cost-optimization-pillar/cost_manage_demand_resources_dynamic.html",
    types=("**",),
    check=check,
    applies=lambda policy: bool(policy.cost.on_demand),
)
