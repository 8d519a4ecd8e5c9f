"""TL_LOGS_4: no log group stays after its stack, if the policy says that stacks vanish."""

from collections.abc import Iterator

from tljudge.decode.errors import shortened
from tljudge.decode.nodes import Call
from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource
from tljudge.resources.log_groups import GROUP


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the DeletionPolicy of a log group."""
    declared = resource.body.get("DeletionPolicy", "Delete")
    if not policy.stack_vanishes or declared == "Delete":
        return
    mark = resource.body.marks["DeletionPolicy"]
    value = resource.stack.value(declared)
    if isinstance(declared, Call) and not isinstance(value, str):
        yield unknown("whether it stays is unknown", mark)
    elif value != "Delete":
        yield fail(f"stays after the stack: DeletionPolicy {shortened(str(value), 40)}", mark)


RULE = Rule(
    id="TL_LOGS_4",
    title="No log group outlives its stack",
    why="AWS bills a group that stays, and no stack owns it",
    fix="set DeletionPolicy: Delete",
    source="https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html",
    types=(GROUP,),
    check=check,
)
