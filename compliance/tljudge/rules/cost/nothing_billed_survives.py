"""TL_COST_3: no billed resource stays after its stack is deleted."""

from collections.abc import Iterator

from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the survivors of a resource that bills, or whose content bills."""
    # Only a policy that forbids survivors needs these imports.
    from tljudge.cost.bill import charges
    from tljudge.cost.meter import EITHER
    from tljudge.cost.survivors import HOLDERS, MAY_STAY, UNBILLED, survivors
    from tljudge.data.prices import load

    staying = [survivor for survivor in survivors(resource) if survivor.state != UNBILLED]
    if not staying:
        return
    charged = charges(resource, policy.cost, load(policy.cost.prices))
    if not charged and resource.type not in HOLDERS:
        return
    unclear = any(charge.per == EITHER for charge in charged) and resource.type not in HOLDERS
    for survivor in staying:
        if unclear:
            yield unknown(f"{survivor.what}; whether it bills is unknown", survivor.mark)
        elif survivor.state == MAY_STAY:
            yield unknown(survivor.what, survivor.mark)
        else:
            yield fail(survivor.what, survivor.mark)


RULE = Rule(
    id="TL_COST_3",
    title="Nothing that bills survives its stack",
    why="AWS bills what stays, and no stack owns it",
    fix="delete it with its stack: Delete, DeleteOnTermination, no final snapshot or protection",
    source="https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html",
    types=("**",),
    check=check,
    applies=lambda policy: policy.cost.nothing_survives,
)
