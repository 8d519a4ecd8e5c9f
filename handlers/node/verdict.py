"""The watchdog's decision: a pure function of what it sees, and of times since the boot alone.

A running job holds the machine until the job's life is over; only the limit of uptime comes before
that. Every other reason needs a time in which the machine was of no use.
"""

from dataclasses import dataclass
from enum import StrEnum

from node.activity import DEFAULT_IDLE_MIN, Activity


class Reason(StrEnum):
    """Why the machine is stopped; the value of the metric's dimension `Reason`."""

    IDLE = "idle"
    QUEUE_GONE = "queue_gone"
    STUCK = "stuck"
    INSTALLATION = "installation"
    UPTIME = "uptime"


@dataclass(frozen=True, slots=True)
class Limits:
    """Minutes of `minute_s` seconds each; a job's life in seconds."""

    idle_min: float = DEFAULT_IDLE_MIN
    """After the boot, until the first job has ended; after that each job brings its own."""
    queue_gone_min: float = 5
    stuck_min: float = 15
    uptime_min: float = 8 * 60
    job_life_s: float = 300
    minute_s: float = 60


@dataclass(frozen=True, slots=True)
class Sight:
    """What the watchdog sees at one moment; times are seconds since the boot.

    Args:
        now_s: how long the machine is up.
        activity: what the worker last left in this boot; None if it has left nothing yet.
        is_current: the watchdog could read `activity` at this moment, not only earlier.
        jobs: how many wait in the queue, and how many workers hold; None if the queue did not
            answer, or the stack has none.
        queue_seen_s: when the queue last answered the watchdog; its own start if never.
        can_ask: False if the watchdog itself lacks what it needs to ask the queue.
    """

    now_s: float
    activity: Activity | None
    is_current: bool
    jobs: tuple[int, int] | None
    queue_seen_s: float
    can_ask: bool = True


def decide(sight: Sight, limits: Limits) -> Reason | None:
    """Return why the machine must stop now, or None if it stays up."""
    minute_s = limits.minute_s
    progress_s = sight.activity.progress_s if sight.activity is not None else 0.0
    if sight.now_s >= limits.uptime_min * minute_s:
        return Reason.UPTIME
    if _job_runs(sight, limits):
        return None
    # The worker's word counts too; a watchdog that cannot ask does not say the queue is gone.
    queue_seen_s = max(sight.queue_seen_s, progress_s)
    if sight.can_ask and sight.now_s - queue_seen_s >= limits.queue_gone_min * minute_s:
        return Reason.QUEUE_GONE
    if sight.now_s - progress_s >= limits.stuck_min * minute_s:
        return Reason.INSTALLATION if sight.activity is None else Reason.STUCK
    if _is_idle(sight, limits) and _nothing_waits(sight, limits):
        return Reason.IDLE
    return None


def _job_runs(sight: Sight, limits: Limits) -> bool:
    """A dead worker's job ends with its life. If the worker's record cannot be read, or is old, as
    on a disk that takes no other, the queue tells whether a worker holds a job: 60 s at most."""
    since_s = sight.activity.running_since_s if sight.activity is not None else None
    if since_s is not None and sight.now_s - since_s < limits.job_life_s + limits.minute_s:
        return True
    progress_s = sight.activity.progress_s if sight.activity is not None else 0.0
    is_old = sight.now_s - progress_s >= limits.minute_s
    is_known = sight.is_current and not is_old
    return not is_known and sight.jobs is not None and sight.jobs[1] > 0


def _is_idle(sight: Sight, limits: Limits) -> bool:
    finished_s, idle_min = 0.0, limits.idle_min
    if sight.activity is not None and sight.activity.finished_s is not None:
        finished_s, idle_min = sight.activity.finished_s, sight.activity.idle_min
    return sight.now_s - finished_s >= idle_min * limits.minute_s


def _nothing_waits(sight: Sight, limits: Limits) -> bool:
    """By the queue's own count; else by a worker that has just asked it for a job in vain."""
    if sight.jobs is not None:
        return sight.jobs == (0, 0)
    if sight.activity is None or not sight.is_current:
        return False
    return sight.now_s - sight.activity.progress_s < limits.minute_s
