"""TL_COST_2: no resource bills by the hour while the on-demand condition is off."""

from collections.abc import Iterator

from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the hourly charges of a resource in the scenarios where the on-demand part is off.

    An instance that the policy lists as stopped does not bill; its volume bills by the month.
    """
    # Only a policy with an on-demand condition needs these imports.
    from tljudge.cost.bill import charges, is_on
    from tljudge.cost.meter import ALWAYS, EITHER, GROWN, HOUR, RUNNING
    from tljudge.data.prices import HOURS_A_MONTH, load

    cost = policy.cost
    if is_on(resource.deployment, cost.on_demand):
        return
    is_stopped = any(stopped.resource == resource.id for stopped in cost.stopped)
    bills = (ALWAYS,) if is_stopped else (ALWAYS, RUNNING)
    for charge in charges(resource, cost, load(cost.prices)):
        if charge.when == GROWN:
            message = f"may grow by {charge.what} while {cost.on_demand} is off"
            yield unknown(message, resource.mark)
        elif charge.per == EITHER:
            reason = f"whether it bills by the hour is unknown: {charge.why}"
            yield unknown(reason, resource.mark)
        elif charge.per == HOUR and charge.when in bills:
            usd = "" if charge.usd is None else f", {charge.usd * HOURS_A_MONTH:.2f} USD a month"
            message = f"bills by the hour while {cost.on_demand} is off: {charge.what}{usd}"
            yield fail(message, resource.mark)


RULE = Rule(
    id="TL_COST_2",
    title="What bills by the hour is on demand",
    why="an idle hour costs as much as a used hour",
    fix="give it the on-demand condition, or list the instance in cost.stopped",
    source="https://docs.aws.amazon.com/wellarchitected/latest/cost-optimization-pillar/cost_manage_demand_resources_dynamic.html",
    types=("**",),
    check=check,
    applies=lambda policy: bool(policy.cost.on_demand),
)
