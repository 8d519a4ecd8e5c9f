"""What CloudFormation remembers of a stack and of those nested in it, also after their deletion.

A name prefix proves nothing: another stack may be called `name-2`. CloudFormation keeps a deleted
stack for 90 days, by its id, and each id that it gave to a resource, in the stack's events: also
those that an update replaced and a rollback left.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tools.deploy.calls import Call, ask

NESTED = "AWS::CloudFormation::Stack"
_STACKS = Call("cloudformation", "list_stacks", {}, "StackSummaries[]", has_list=True)
_EVENTS = Call(
    "cloudformation", "describe_stack_events", {"StackName": "{arn}"}, "StackEvents[]", True
)
_RESOURCES = Call(
    "cloudformation",
    "list_stack_resources",
    {"StackName": "{arn}"},
    "StackResourceSummaries[]",
    has_list=True,
)


@dataclass(frozen=True, slots=True)
class Ledger:
    """A stack's name; every stack that had it and those nested in them; what these made.

    Attributes:
        name: of the root stack.
        stacks: ids (ARNs) of root and nested stacks, each with its last status.
        made: physical ids by CloudFormation type.
        since: when the first of them was made; None where there was none.
    """

    name: str
    stacks: Mapping[str, str]
    made: Mapping[str, frozenset[str]]
    since: datetime | None

    @property
    def is_empty(self) -> bool:
        """Whether CloudFormation remembers no stack of this name."""
        return not self.stacks

    def owns(self, resource_type: str, resource_id: str) -> bool:
        """Whether one of the stacks made it; an ARN or URL is known by the name at its end."""
        return any(
            resource_id == own or resource_id.endswith((f"/{own}", f":{own}"))
            for own in self.made.get(resource_type, ())
        )


def read(cloudformation: Any, name: str) -> tuple[Ledger, Ledger]:
    """Read the stacks of a name, alive and deleted, with all their events; and every other stack.

    Returns:
        The ledger of the name, and one of all other stacks that are alive, whose things are theirs.

    Raises:
        IncompleteAnswer, botocore's errors: they cannot all be read.
    """
    rows = ask(cloudformation, _STACKS)
    roots = {
        row["StackId"]: row for row in rows if row["StackName"] == name and "ParentId" not in row
    }
    status = {arn: row["StackStatus"] for arn, row in roots.items()}
    made: defaultdict[str, set[str]] = defaultdict(set, {NESTED: set(roots)})
    waiting = list(roots)
    while waiting:
        arn = waiting.pop()
        for row in _rows(cloudformation, arn):
            kind, own = row["ResourceType"], row.get("PhysicalResourceId")
            if not own or own == arn:
                continue
            if kind == NESTED and own.startswith("arn:") and own not in status:
                status[own] = row["ResourceStatus"]
                waiting.append(own)
            made[kind].add(own)
    since = min((row["CreationTime"] for row in roots.values()), default=None)
    others = {
        row["StackId"]: row["StackStatus"]
        for row in rows
        if row["StackId"] not in status and row["StackStatus"] != "DELETE_COMPLETE"
    }
    theirs: defaultdict[str, set[str]] = defaultdict(set, {NESTED: set(others)})
    for arn in others:
        for row in ask(cloudformation, _RESOURCES.filled({"arn": arn})):
            if own := row.get("PhysicalResourceId"):
                theirs[row["ResourceType"]].add(own)
    return Ledger(name, status, _frozen(made), since), Ledger("", others, _frozen(theirs), None)


def _frozen(made: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    return {kind: frozenset(own) for kind, own in made.items()}


def _rows(cloudformation: Any, arn: str) -> list[dict[str, Any]]:
    """Events, the newest first, and resources: after a deletion the events alone tell all."""
    words = {"arn": arn}
    events: list[dict[str, Any]] = ask(cloudformation, _EVENTS.filled(words))
    return events + list(ask(cloudformation, _RESOURCES.filled(words)))
