"""Waking the node: one request looks for it and starts it, the others use that request's outcome.

Otherwise ten requests while the node sleeps would call EC2 ten times, each after loading boto3.
"""

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from tinyllama.utils.aws import compute
from tinyllama.utils.observability import metrics
from tinyllama.utils.observability.metrics import Metric
from tinyllama.utils.queue.errors import QueueUnavailable
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.utils.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

_STARTING = "starting"
_LOOK_AGAIN = ""


def wake(queue: JobQueue, ec2: "Callable[[], EC2Client]", settings: Settings) -> None:
    """Start the node if it is stopped and no other request is starting it.

    Raises:
        NodeUnavailable: there is no node, no capacity for it, or EC2 refused; also when that is
            the outcome that another request has just published.
        QueueUnavailable
    """
    published = queue.begin_start()
    if published is not None:
        if published in compute.REASONS:
            reason = compute.REASONS[published]
            raise compute.NodeUnavailable(reason, why="seen by another request")
        return
    outcome = _LOOK_AGAIN
    try:
        outcome = _look(ec2(), settings)
    except compute.NodeUnavailable as error:
        outcome = error.reason
        raise
    finally:
        # The start has succeeded or failed, whether or not Redis takes its outcome.
        with contextlib.suppress(QueueUnavailable):
            queue.end_start(outcome)


def _look(ec2: "EC2Client", settings: Settings) -> str:
    """Start a stopped node; return the outcome to publish, empty so that the next request looks.

    A node that is stopping cannot be started yet, so the next request does it.
    """
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
