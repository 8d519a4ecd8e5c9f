"""Waking the node: at most one start at a time, and each start counted once."""

from typing import TYPE_CHECKING

from tinyllama.utils import compute, metrics
from tinyllama.utils.metrics import Metric
from tinyllama.utils.queue import JobQueue
from tinyllama.utils.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


def wake(queue: JobQueue, ec2: "EC2Client", settings: Settings) -> None:
    """Start the node if it is stopped and nobody else is about to.

    A node that is stopping cannot be started yet: the next request does it.

    Raises:
        NodeUnavailable: there is no node, no capacity for it, or EC2 refused.
        QueueUnavailable
    """
    node = compute.find_node(ec2, project=settings.project, stack=settings.stack)
    if node is None:
        raise compute.NodeUnavailable("none")
    if node.state != "stopped" or not queue.may_start_node():
        return
    try:
        started = compute.start(ec2, node)
    except compute.WrongState:
        queue.release_start()
        return
    except compute.NodeUnavailable:
        queue.release_start()
        raise
    if started:
        metrics.emit(settings.stack, Metric.EC2_STARTS, dimensions={"Reason": "ColdBoot"})
