"""One tick: whether the node is wanted, and what the owners of old jobs are told."""

from typing import Final, Literal, NamedTuple

from tinyllama.utils.aws.compute import Reason
from tinyllama.utils.queue.job_queue import Sweep
from tinyllama.utils.waking.wake import Woken

TELL_AFTER_MS: Final = 230_000
"""A job lives for 300 s and a tick comes every 60 s: whoever is not told now is told at the next
tick, at 290 s at the latest, which leaves 10 s for a tick that is late."""
Seen = Woken | Reason | Literal["not_looked"]
"""What this tick has seen of the node: the outcome of its look, the reason why there is no node to
start, or nothing, because no start was wanted."""


class Failure(NamedTuple):
    """The public error of a job that was not begun in time, and its reason, if it has one."""

    error: Literal["node_unavailable", "not_started"]
    reason: Reason | None


def is_node_wanted(sweep: Sweep) -> bool:
    """True if a job waits, or a worker that no longer beats holds one."""
    return not sweep.node_awake and sweep.waiting + sweep.in_flight > 0


def failure(seen: Seen) -> Failure:
    """Say why the node did not begin a job: the node could not be had, or it was not ready."""
    match seen:
        case "none" | "no_capacity" | "quota" | "refused" | "budget":
            return Failure("node_unavailable", seen)
    return Failure("not_started", None)
