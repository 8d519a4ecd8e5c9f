"""Wakes the node as long as a job waits and no worker beats, and tells owners whose time is over.

It runs every minute while there is a queue. A request that finds the node stopping, or without
capacity, or that cannot look, leaves its job to the next tick; so nobody has to ask twice.
"""

import os
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from tinyllama.utils.aws import compute
from tinyllama.utils.aws.sigv4 import from_environment
from tinyllama.utils.control.hold import Hold, read_hold
from tinyllama.utils.observability import logs, metrics
from tinyllama.utils.observability.metrics import Metric
from tinyllama.utils.queue.client import connect
from tinyllama.utils.queue.errors import QueueUnavailable
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.utils.settings import ControlSettings, InvalidSetting, NodeSettings, read_queue
from tinyllama.utils.waking.wake import wake
from tinyllama.waker.tick import TELL_AFTER_MS, Seen, failure, is_node_wanted

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

QUEUE_TIMEOUT_S = 0.5
"""Longer than the router's: nobody waits for a tick."""
_NOBODY_IS_THAT_OLD_MS = 2**40


def handler(event: Mapping[str, Any], context: object) -> None:
    """Tick; log one line, send one metric, raise nothing: Lambda would run the tick again."""
    began = time.perf_counter()
    why: str | None = None
    at: str | None = None
    fields: dict[str, str | float] = {}
    try:
        fields = tick()
    except (QueueUnavailable, InvalidSetting) as error:
        why = str(error)
    except Exception as error:  # noqa: BLE001 - the one place where everything unexpected ends
        why, at = type(error).__name__, logs.place(error)
    # A node that cannot be had is an answer; that EC2 cannot be asked is a failure.
    is_failed = why is not None or fields.get("seen") == "refused"
    logs.write(
        "ERROR" if at else "WARNING" if is_failed else "INFO",
        requestId=getattr(context, "aws_request_id", None),
        route="schedule",
        latencyMs=round((time.perf_counter() - began) * 1000, 2),
        why=why,
        at=at,
        **fields,
    )
    stack = os.environ.get("TL_STACK", "")
    metrics.emit(stack, Metric.WAKER_FAILURES, 1 if is_failed else 0)


def tick() -> dict[str, str | float]:
    """Count the jobs, wake the node if one wants it, fail those that have waited for too long.

    Returns:
        For the log: what waits, what workers hold, how many owners were told, what was seen. The
        first ticks come before AWS has made the cache; then there is nothing to do.

    Raises:
        QueueUnavailable, InvalidSetting
    """
    queue = job_queue()
    if queue is None:
        return {"seen": "no_queue"}
    before = queue.sweep(older_than_ms=_NOBODY_IS_THAT_OLD_MS, error="not_started")
    seen: Seen = "not_looked"
    code: str | None = None
    try:
        if is_node_wanted(before):
            seen, code = _look(queue)
    finally:
        # Owners are told also if the look breaks: it may break at every tick.
        error, reason = failure(seen, queue.last_refusal() if before.waiting else None)
        after = queue.sweep(older_than_ms=TELL_AFTER_MS, error=error, reason=reason)
    found: dict[str, str | float] = {
        "waiting": after.waiting,
        "inFlight": after.in_flight,
        "failed": after.failed,
        "seen": seen,
    }
    return found if code is None else found | {"code": code}


@cache
def settings() -> NodeSettings:
    """Read the settings, once. Raises InvalidSetting."""
    return NodeSettings.read(os.environ)


@cache
def job_queue() -> JobQueue | None:
    """Make the queue's client, which connects on first use; None without a queue's address.

    Raises InvalidSetting.
    """
    address = read_queue(os.environ)
    if address is None:
        return None
    region = settings().region
    return JobQueue(connect(address, from_environment, region, timeout_s=QUEUE_TIMEOUT_S))


@cache
def ec2() -> "EC2Client":
    """Make the EC2 client, at the first tick that wants the node."""
    return compute.client(settings().region)


def _look(queue: JobQueue) -> tuple[Seen, str | None]:
    """Wake the node; what was seen, and EC2's own word for a refusal."""
    current = settings()
    try:
        return wake(queue, ec2, _read_hold, project=current.project, stack=current.stack), None
    except compute.NodeUnavailable as error:
        return error.reason, str(error)


def _read_hold() -> Hold | None:
    return read_hold(ControlSettings.read(os.environ), now=time.time())
