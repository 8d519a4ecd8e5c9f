"""TL_LOGS_4: no log group stays when a stack that is to vanish is deleted."""

from collections.abc import Iterator

from tljudge.decode.nodes import Call
from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource
from tljudge.resources.log_groups import GROUP


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the DeletionPolicy, where the policy says that stacks vanish."""
    kept = resource.body.get("DeletionPolicy", "Delete")
    if not policy.stack_vanishes or kept == "Delete":
        return
    mark = resource.body.marks["DeletionPolicy"]
    value = resource.stack.value(kept)
    if isinstance(kept, Call) and not isinstance(value, str):
        yield unknown("whether it stays is not known", mark)
    elif value != "Delete":
        yield fail(f"stays after the stack: DeletionPolicy {str(value)[:40]}", mark)


RULE = Rule(
    id="TL_LOGS_4",
    title="No log group outlives its stack",
    why="what stays is billed and belongs to nobody",
    fix="set DeletionPolicy: Delete",
    source="https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html",
    types=(GROUP,),
    check=check,
)
