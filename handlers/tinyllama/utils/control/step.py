"""The next step of an operation: a pure function of the operation and of what EC2 says of the node.

Only what EC2 says counts: the operation's own state tells others whether they may start the node,
and never what was done. So a step that was taken and not recorded is seen, and one that was
recorded and not taken is taken.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

from tinyllama.utils.aws.compute import Node
from tinyllama.utils.control.operation import LIMIT_S, Operation, Reason, State

Call = Literal["stop", "change_type", "start"]
SETTLING_S: Final = 15
"""How long EC2 may describe a node as it was before a start that it accepted."""
CALLING_S: Final = 45
"""How long a caller that has written a step may still call EC2: longer than its function may run
(`Timeout` in resize.yaml)."""
_NO_CAPACITY: Final = "Server.InsufficientInstanceCapacity"
_ASKED_FOR: Final = frozenset(
    {"", "Client.UserInitiatedShutdown", "Client.InstanceInitiatedShutdown", "Server.ScheduledStop"}
)
"""Why a node stops that somebody, or the node itself, stopped: it had started.
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html"""


@dataclass(frozen=True, slots=True)
class Step:
    """The operation as it is to be written, then the call to EC2; without one there is no more to
    do now than to look again."""

    operation: Operation
    call: Call | None = None
    instance_type: str = ""


def step(operation: Operation, node: Node | None, *, now: int, is_latched: bool) -> Step:
    """Say what is next.

    Args:
        node: as EC2 describes it; None if it has gone.
        now: whole seconds since the epoch.
        is_latched: the budget's latch is set, so that nothing may start the node.
    """
    if operation.is_over:
        return Step(operation)
    if operation.reason is not None:
        return _back(operation, node, now)
    ahead = _ahead(operation, node, now, is_latched)
    if now >= operation.deadline and not ahead.operation.is_over and ahead.operation.reason is None:
        return Step(failing(operation, "timeout", now))
    return ahead


def failing(operation: Operation, reason: Reason, now: int) -> Operation:
    """The operation as it fails: a changed type goes back first, and holds the node until then."""
    if operation.reason is not None:
        return operation
    if operation.action == "resize":
        return replace(operation, state="changing", reason=reason, deadline=now + LIMIT_S)
    return replace(operation, state="failed", reason=reason)


def _ahead(operation: Operation, node: Node | None, now: int, is_latched: bool) -> Step:
    match operation.action:
        case "stop":
            return _stop(operation, node)
        case "start":
            return _start(operation, node, now, is_latched)
    if node is None or node.state in ("pending", "stopping"):
        return Step(operation)
    if node.instance_type == operation.target:
        return _start(operation, node, now, is_latched)
    return _change(operation, node, operation.target)


def _back(operation: Operation, node: Node | None, now: int) -> Step:
    """Give the node its previous type again, and leave it stopped: a job that waits starts it."""
    is_back = node is None or node.instance_type == operation.previous
    if now >= operation.deadline:
        return Step(replace(operation, state="failed"))
    if not is_back:
        return _change(operation, node, operation.previous)
    # Another caller may be about to change the type, where an operator takes the step back.
    failed_at = operation.deadline - LIMIT_S
    if operation.reason == "reverted" and now < failed_at + CALLING_S:
        return Step(operation)
    return Step(replace(operation, state="failed"))


def _change(operation: Operation, node: Node | None, instance_type: str) -> Step:
    match node and node.state:
        case "running":
            return Step(_in(operation, "stopping"), "stop")
        case "stopped":
            return Step(_in(operation, "changing"), "change_type", instance_type)
    return Step(operation)


def _stop(operation: Operation, node: Node | None) -> Step:
    match node and node.state:
        case "running":
            return Step(_in(operation, "stopping"), "stop")
        case "stopped":
            return Step(_in(operation, "done"))
    return Step(operation)


def _start(operation: Operation, node: Node | None, now: int, is_latched: bool) -> Step:
    match node and node.state:
        case "running":
            return Step(_in(operation, "done"))
        case "stopped" if is_latched:
            return Step(failing(operation, "budget", now))
        case "stopped" if node is not None:
            return _start_stopped(operation, node, now)
    return Step(operation)


def _start_stopped(operation: Operation, node: Node, now: int) -> Step:
    if operation.started_at is None:
        return Step(_in(operation, "starting"), "start")
    if now < operation.started_at + SETTLING_S:
        return Step(operation)
    if node.state_reason == _NO_CAPACITY:
        # EC2 accepted the start, and had no machine after all.
        return Step(failing(operation, "no_capacity", now))
    if node.state_reason not in _ASKED_FOR:
        return Step(failing(operation, "refused", now))
    return Step(_in(operation, "done"))


def _in(operation: Operation, state: State) -> Operation:
    return replace(operation, state=state)
