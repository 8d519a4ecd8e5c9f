"""Waking the node: one request looks and starts it, the others go by what it saw.

Ten requests that find the node asleep would otherwise ask EC2 ten times, each after loading boto3.
"""

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from tinyllama.utils.aws import compute
from tinyllama.utils.observability import metrics
from tinyllama.utils.observability.metrics import Metric
from tinyllama.utils.queue.job_queue import JobQueue, QueueUnavailable
from tinyllama.utils.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

_STARTING = "starting"
_LOOK_AGAIN = ""


def wake(queue: JobQueue, ec2: "Callable[[], EC2Client]", settings: Settings) -> None:
    """Start the node if it is stopped and nobody else is about to.

    Raises:
        NodeUnavailable: there is no node, no capacity for it, or EC2 refused; also when that is
            what another request has just seen.
        QueueUnavailable
    """
    known = queue.begin_start()
    if known is not None:
        if known in compute.REASONS:
            raise compute.NodeUnavailable(compute.REASONS[known], why="seen by another request")
        return
    outcome = _LOOK_AGAIN
    try:
        outcome = _look(ec2(), settings)
    except compute.NodeUnavailable as error:
        outcome = error.reason
        raise
    finally:
        # The node is what it is, whether or not the others learn of it.
        with contextlib.suppress(QueueUnavailable):
            queue.end_start(outcome)


def _look(ec2: "EC2Client", settings: Settings) -> str:
    """What the others are to be told; a node that is stopping is started by the next request."""
    node = compute.find_node(ec2, project=settings.project, stack=settings.stack)
    if node is None:
        raise compute.NodeUnavailable("none")
    if node.state == "stopping":
        return _LOOK_AGAIN
    if node.state == "stopped":
        try:
            started = compute.start(ec2, node)
        except compute.WrongState:
            return _LOOK_AGAIN
        if started:
            metrics.emit(settings.stack, Metric.EC2_STARTS, dimensions={"Reason": "ColdBoot"})
    return _STARTING
