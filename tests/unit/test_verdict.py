"""What the watchdog decides, moment by moment."""

import pytest

from node.activity import Activity
from node.verdict import Limits, Reason, Sight, decide

LIMITS = Limits()
HOUR_S, MINUTE_S = 3600.0, 60.0


def sight(
    now_s: float,
    activity: Activity | None = None,
    jobs: tuple[int, int] | None = (0, 0),
    *,
    is_current: bool = True,
    queue_seen_s: float | None = None,
    can_ask: bool = True,
) -> Sight:
    """A moment; the queue answers now unless said otherwise."""
    return Sight(
        now_s=now_s,
        activity=activity,
        is_current=is_current and activity is not None,
        jobs=jobs,
        queue_seen_s=now_s if queue_seen_s is None else queue_seen_s,
        can_ask=can_ask,
    )


def works(now_s: float, finished_s: float | None = None, idle_min: int = 5) -> Activity:
    """A worker that waits for a job."""
    return Activity(now_s, None, finished_s, idle_min)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        # Idle: five minutes from the boot, or the last job's own minutes from its end.
        (sight(299, works(299)), None),
        (sight(300, works(300)), Reason.IDLE),
        (sight(HOUR_S, works(HOUR_S, HOUR_S - 1799, 30)), None),
        (sight(HOUR_S, works(HOUR_S, HOUR_S - 1800, 30)), Reason.IDLE),
        (sight(100, works(100, 40, 1)), Reason.IDLE),
        (sight(HOUR_S, works(HOUR_S, 60), jobs=(1, 0)), None),
        (sight(HOUR_S, works(HOUR_S, 60), jobs=(0, 1)), None),
        # No answer of the queue: the worker's own vain question tells that nothing waits.
        (sight(HOUR_S, works(HOUR_S - 59), None, queue_seen_s=HOUR_S - 60), Reason.IDLE),
        (sight(HOUR_S, works(HOUR_S - 61), None, queue_seen_s=HOUR_S - 60), None),
        # The queue is gone: five minutes without an answer to watchdog or worker.
        (sight(HOUR_S, works(HOUR_S - 299), None, queue_seen_s=0), None),
        (sight(HOUR_S, works(HOUR_S - 300), None, queue_seen_s=0), Reason.QUEUE_GONE),
        (sight(HOUR_S, works(10), None, queue_seen_s=HOUR_S - 300), Reason.QUEUE_GONE),
        (sight(300, None, None, queue_seen_s=0), Reason.QUEUE_GONE),
        # Stuck: fifteen minutes without progress, also while jobs wait.
        (sight(HOUR_S, works(HOUR_S - 899), (3, 0)), None),
        (sight(HOUR_S, works(HOUR_S - 900), (3, 0)), Reason.STUCK),
        # A worker that renews its lease works, though its disk takes no record of that.
        (sight(HOUR_S, works(HOUR_S - 900), (3, 1)), None),
        # No worker at all: whatever installs it has failed or hangs.
        (sight(899, None, (1, 0)), None),
        (sight(900, None, (1, 0)), Reason.INSTALLATION),
        # A watchdog that cannot ask the queue does not say that it is gone.
        (sight(899, None, None, queue_seen_s=0, can_ask=False), None),
        (sight(900, None, None, queue_seen_s=0, can_ask=False), Reason.INSTALLATION),
    ],
)
def test_verdict_of_a_moment(seen: Sight, reason: Reason | None) -> None:
    """Each reason a second before its time, and at its time."""
    assert decide(seen, LIMITS) is reason


@pytest.mark.parametrize("jobs", [None, (0, 0), (0, 1), (5, 1)])
@pytest.mark.parametrize("running_s", [0, 1, 359])
def test_running_job_is_never_stopped(jobs: tuple[int, int] | None, running_s: float) -> None:
    """Not by an old end of another job, an absent queue or old progress; but by the uptime."""
    now_s = 7 * HOUR_S
    activity = Activity(0, now_s - running_s, 0, 1)
    assert decide(sight(now_s, activity, jobs, queue_seen_s=0), LIMITS) is None
    assert decide(sight(8 * HOUR_S, Activity(0, 8 * HOUR_S, 0, 1)), LIMITS) is Reason.UPTIME


def test_job_of_a_dead_worker_ends_with_its_life() -> None:
    """A record of a running job that is older than any job keeps no machine awake."""
    dead = Activity(HOUR_S, HOUR_S, None)
    assert decide(sight(HOUR_S + 359, dead, (0, 1)), LIMITS) is None
    assert decide(sight(HOUR_S + 900, dead, (1, 0)), LIMITS) is Reason.STUCK
    assert decide(sight(HOUR_S + 360, dead, None, queue_seen_s=HOUR_S), LIMITS) is Reason.QUEUE_GONE


def test_record_that_cannot_be_read_stops_no_job() -> None:
    """The queue tells instead whether a worker holds a job; the uptime ends what never changes."""
    last = works(60)
    for activity in (None, last):
        held = sight(2 * HOUR_S, activity, (0, 1), is_current=False)
        assert decide(held, LIMITS) is None
        assert decide(sight(2 * HOUR_S, activity, (0, 0), is_current=False), LIMITS) is not None
        late = sight(8 * HOUR_S, activity, (0, 1), is_current=False)
        assert decide(late, LIMITS) is Reason.UPTIME


def test_limits_are_counted_in_minutes_of_their_own_length() -> None:
    """A played machine's minute is a fraction of a second."""
    limits = Limits(uptime_min=10, minute_s=0.1)
    assert decide(sight(0.99, works(0.99), (1, 0)), limits) is None
    assert decide(sight(1.0, works(1.0), (1, 0)), limits) is Reason.UPTIME
