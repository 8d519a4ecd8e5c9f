"""Waking the node: one caller looks for it and starts it, the others use that look's outcome.

Otherwise ten requests while the node sleeps would call EC2 ten times, each after loading boto3.

A start is counted once, by whoever sees first that it worked. `note_start` comes before EC2 is
asked: an answer that got lost, or a function that ends in between, leaves the note, and the look
that finds the node awake takes it.
"""

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from tinyllama.utils.aws import compute
from tinyllama.utils.control.hold import ControlUnavailable, Hold
from tinyllama.utils.observability import metrics
from tinyllama.utils.observability.metrics import Metric
from tinyllama.utils.queue.errors import QueueUnavailable
from tinyllama.utils.queue.job_queue import JobQueue

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

Woken = Literal["starting", "stopping", "unclear", "joined"]
"""`starting`: it starts or runs. `stopping`: it cannot be started yet, somebody has to look again.
`unclear`: EC2 was asked to start it and did not say what it did. `joined`: another caller looks."""
_NO_OUTCOME = ""


def wake(
    queue: JobQueue,
    ec2: "Callable[[], EC2Client]",
    read_hold: Callable[[], Hold | None],
    *,
    project: str,
    stack: str,
) -> Woken:
    """Start the node if it is stopped, nothing holds it, and no other caller is starting it.

    Raises:
        NodeUnavailable: there is no node, no capacity for it, no money, or EC2 refused; also when
            that is the outcome that another caller has just published, or when it is not known
            whether the node may be started.
        QueueUnavailable
    """
    published = queue.begin_start()
    if published is not None:
        if published in compute.REASONS:
            reason = compute.REASONS[published]
            raise compute.NodeUnavailable(reason, why="seen by another request")
        return "joined"
    outcome = _NO_OUTCOME
    try:
        # "stopping" too: a client that polls for a minute must not ask EC2 at each request, which
        # has a limit for the whole account.
        outcome = _look(queue, ec2(), read_hold, project, stack)
        return outcome
    except compute.NodeUnavailable as error:
        outcome = error.reason
        with contextlib.suppress(QueueUnavailable):
            queue.remember_refusal(error.reason)
        raise
    finally:
        # The start has succeeded or failed, whether or not Redis takes its outcome.
        with contextlib.suppress(QueueUnavailable):
            queue.end_start(outcome)


def _look(
    queue: JobQueue,
    ec2: "EC2Client",
    read_hold: Callable[[], Hold | None],
    project: str,
    stack: str,
) -> Woken:
    """Find the node, and start it if it is stopped and nothing holds it."""
    node = compute.find_node(ec2, project=project, stack=stack)
    if node is None:
        raise compute.NodeUnavailable("none")
    match node.state:
        case "stopping":
            return "stopping"
        case "running" | "pending":
            _count_noted_start(queue, stack)
            return "starting"
    match _hold(read_hold):
        case "budget":
            raise compute.NodeUnavailable("budget")
        case "resizing":
            # It cannot be started yet, as while it stops.
            return "stopping"
    is_first = queue.note_start()
    try:
        was_stopped = compute.start(ec2, node)
    except compute.Unclear:
        return _look_after_unclear_start(queue, ec2, project, stack)
    except (compute.WrongState, compute.NodeUnavailable) as error:
        if is_first:
            _take_start(queue)
        if isinstance(error, compute.WrongState):
            return "stopping"
        raise
    if was_stopped or not is_first:
        _count_noted_start(queue, stack)
    else:
        # An operator started it a moment before.
        _take_start(queue)
    return "starting"


def _hold(read_hold: Callable[[], Hold | None]) -> Hold | None:
    try:
        return read_hold()
    except ControlUnavailable as error:
        raise compute.NodeUnavailable("refused", why=str(error)) from error


def _look_after_unclear_start(queue: JobQueue, ec2: "EC2Client", project: str, stack: str) -> Woken:
    """Ask EC2 what has become of a start that it did not answer."""
    try:
        node = compute.find_node(ec2, project=project, stack=stack)
    except compute.NodeUnavailable:
        return "unclear"
    if node is None or node.state not in ("running", "pending"):
        return "unclear"
    _count_noted_start(queue, stack)
    return "starting"


def _count_noted_start(queue: JobQueue, stack: str) -> None:
    if _take_start(queue):
        metrics.emit(stack, Metric.EC2_STARTS, dimensions={"Reason": "ColdBoot"})


def _take_start(queue: JobQueue) -> bool:
    """Take the note of a start; if the queue does not answer, the next look takes it."""
    try:
        return queue.take_start()
    except QueueUnavailable:
        return False
