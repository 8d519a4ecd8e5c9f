"""TL_COST_3: nothing that bills stays after its stack is deleted."""

from collections.abc import Iterator

from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge what stays of a resource that bills, or holds what bills."""
    # Only a policy under which nothing may stay pays for these.
    from tljudge.cost.bill import charges
    from tljudge.cost.meter import EITHER
    from tljudge.cost.survivors import HOLDERS, MAY_STAY, UNBILLED, survivors
    from tljudge.data.prices import load

    left = [one for one in survivors(resource) if one.state != UNBILLED]
    if not left:
        return
    found = charges(resource, policy.cost, load(policy.cost.prices))
    if not found and resource.type not in HOLDERS:
        return
    unclear = any(charge.per == EITHER for charge in found) and resource.type not in HOLDERS
    for one in left:
        if unclear:
            yield unknown(f"{one.what}; whether it bills is not known", one.mark)
        elif one.state == MAY_STAY:
            yield unknown(one.what, one.mark)
        else:
            yield fail(one.what, one.mark)


RULE = Rule(
    id="TL_COST_3",
    title="Nothing that bills survives its stack",
    why="what stays is billed, and belongs to nobody",
    fix="let it go with its stack: Delete, DeleteOnTermination, no last snapshot, no protection",
    source="https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html",
    types=("**",),
    check=check,
    applies=lambda policy: policy.cost.nothing_survives,
)
