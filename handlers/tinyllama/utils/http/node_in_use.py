"""Whoever stops the node asks first who uses it, and tells those whose jobs end by that.

`queue` is None while UseGpu is false: then nobody can use the node, and nobody is asked.
"""

from tinyllama.utils.http.errors import ApiError
from tinyllama.utils.observability import logs, metrics
from tinyllama.utils.observability.metrics import Metric
from tinyllama.utils.queue.errors import QueueUnavailable, RateLimited
from tinyllama.utils.queue.job_queue import JobQueue


def refuse_while_in_use(
    queue: JobQueue | None,
    stack: str,
    sub: str,
    *,
    force: bool,
    is_counted: bool = True,
    also_own: bool = False,
) -> None:
    """Throttle the user, and refuse if a job of others waits or runs.

    Args:
        force: pass over both, and over a queue that does not answer.
        is_counted: whether the throttle counts it; false if the same request asks again.
        also_own: refuse for a job of the user's own that runs, too.

    Raises:
        RateLimited
        ApiError: `node_in_use`; `queue_unavailable`, and whatever of the throttle was written, of
            the jobs nothing was.
    """
    if queue is None:
        return
    try:
        is_free = queue.stop_request(sub, force=force, is_counted=is_counted)
        if is_free and also_own and not force:
            is_free = queue.depth().in_flight == 0
    except RateLimited:
        metrics.emit(stack, Metric.API_RATE_LIMIT_BREACHES)
        raise
    except QueueUnavailable as error:
        if force:
            return
        raise ApiError("queue_unavailable", why=error.code) from error
    if not is_free:
        raise ApiError("node_in_use")


def tell_owners(queue: JobQueue | None, sub: str, *, force: bool, route: str) -> None:
    """Fail the jobs that the stop ends. Jobs that a silent queue keeps have the node started again,
    and are answered then."""
    if queue is None:
        return
    try:
        queue.stop_jobs(sub, force=force)
    except QueueUnavailable as error:
        logs.write("WARNING", route=route, why=f"jobs are not told: {error.code}")
