"""One tick: whether the node is wanted, and what the owners of old jobs are told."""

from typing import Final, Literal, NamedTuple

from tinyllama.utils.aws.compute import REASONS, Reason
from tinyllama.utils.queue.answers import Sweep
from tinyllama.utils.waking.wake import Woken

TELL_AFTER_MS: Final = 210_000
"""A job lives for 300 s and a tick comes every 60 s: whoever is not told now is told at the next
tick, at 270 s at the latest, which leaves 28 s for a look that takes as long as it may."""
Seen = Woken | Reason | Literal["not_looked"]
"""What this tick has seen of the node: the outcome of its look, the reason why there is no node to
start, or nothing, because no start was wanted."""


class Failure(NamedTuple):
    """The public error of a job that was not begun in time, and its reason, if it has one."""

    error: Literal["node_unavailable", "not_started"]
    reason: Reason | None


def is_node_wanted(sweep: Sweep) -> bool:
    """True if no worker beats, and a node that is started now may still answer a job that waits or
    that a worker holds: else it would run for nobody."""
    return not sweep.node_awake and sweep.worth_a_start > 0


def failure(seen: Seen, last_refusal: str | None) -> Failure:
    """Say why the node did not begin a job: the node could not be had, or it was not ready.

    Args:
        last_refusal: the reason of the last look that was refused, for a tick that did not look.
    """
    if seen == "not_looked" and last_refusal in REASONS:
        seen = REASONS[last_refusal]
    match seen:
        case "none" | "no_capacity" | "quota" | "refused" | "budget":
            return Failure("node_unavailable", seen)
    return Failure("not_started", None)
