"""What the queue tells of a job, of all jobs, and of the start of the node."""

import json
import time

import pytest
import redis

from tests.processes import expires_after, until
from tests.queue_time import change_lease, end_lease, expire
from tests.unit.queue_calls import accept, claimed
from tinyllama.utils.queue.answers import JobState, QueueDepth
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.utils.queue.redis_keys import HEARTBEAT


@pytest.fixture
def jobs(redis_client: redis.Redis) -> JobQueue:
    """A queue on the session's Redis, which is empty."""
    return JobQueue(redis_client)


def test_right_to_start_is_one_callers_until_it_says_what_came_of_it(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """The others learn that somebody looks, then the outcome; an empty one lets the next look."""
    said: list[str | None] = []
    assert expires_after(redis_client, "node:start", 28, lambda: said.append(jobs.begin_start()))
    assert [*said, jobs.begin_start()] == [None, ""]
    assert expires_after(redis_client, "node:start", 2, lambda: jobs.end_start("no_capacity"))
    jobs.end_start("no_capacity")
    assert jobs.begin_start() == "no_capacity"
    jobs.end_start("")
    assert jobs.begin_start() is None


def test_start_is_noted_once_and_taken_once(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """One note however often EC2 is asked, one taker however many see the node awake."""
    said: list[bool] = []
    assert expires_after(redis_client, "node:asked", 300, lambda: said.append(jobs.note_start()))
    assert [*said, jobs.note_start()] == [True, False]
    assert [jobs.take_start(), jobs.take_start()] == [True, False]
    assert redis_client.dbsize() == 0


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({}, None),
        ({"job:j1": {"sub": "ann"}}, JobState("queued")),
        ({"job:j1": {"sub": "bob"}}, None),
        (
            {"reply:j1": {"sub": "ann", "status": "done", "reply": "hi"}},
            JobState("done", reply="hi"),
        ),
        ({"reply:j1": {"sub": "bob", "status": "done", "reply": "hi"}}, None),
        (
            {"job:j1": {"sub": "ann"}, "reply:j1": {"sub": "bob", "status": "done", "reply": "x"}},
            None,
        ),
        (
            {"reply:j1": {"sub": "ann", "status": "failed", "error": "model_timeout"}},
            JobState("failed", error="model_timeout"),
        ),
        (
            {"reply:j1": {"sub": "ann", "status": "failed", "error": "x", "reason": "none"}},
            JobState("failed", error="x", reason="none"),
        ),
    ],
)
def test_state_answers_only_the_owner(
    jobs: JobQueue,
    redis_client: redis.Redis,
    stored: dict[str, object],
    expected: JobState | None,
) -> None:
    """State and reply go to the owner stored with them; a foreign and an unknown id look alike."""
    for key, value in stored.items():
        redis_client.set(key, json.dumps(value))
    assert jobs.state("j1", "ann") == expected


def test_state_is_running_while_a_worker_holds_the_job_and_beats(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """A job is `queued` again when its worker is gone or its lease has ended, and `loading` until
    the worker has a model; `node_awake` is the heartbeat, the age counts from the acceptance."""

    def seen() -> tuple[str, bool]:
        state = jobs.state("j1", "ann")
        assert state is not None
        assert 0 <= state.age_ms < 5000
        return state.status, state.node_awake

    accept(jobs)
    assert seen() == ("queued", False)
    until(lambda: jobs.state("j1", "ann").age_ms > 5, what="the job ages")  # type: ignore[union-attr]
    redis_client.set(HEARTBEAT, "i-1")
    assert seen() == ("queued", True)
    redis_client.set(HEARTBEAT, "i-1 loading")
    assert seen() == ("loading", True)
    redis_client.set(HEARTBEAT, "i-1")
    claimed(redis_client)
    assert seen() == ("running", True)
    until(lambda: jobs.state("j1", "ann").age_ms > 10, what="the age goes on")  # type: ignore[union-attr]
    redis_client.delete(HEARTBEAT)
    assert seen() == ("queued", False)
    redis_client.set(HEARTBEAT, "i-1")
    end_lease(redis_client, "j1")
    assert seen() == ("queued", True)


def test_depth_tells_waiting_from_held(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """What waits, what is held, and since when; a job whose lease has ended waits, and one whose
    life has ended does neither."""
    assert jobs.depth() == QueueDepth(0, 0, 0)
    accept(jobs, "j1")
    accept(jobs, "j2")
    assert (jobs.depth().waiting, jobs.depth().in_flight) == (2, 0)
    claimed(redis_client)
    first = jobs.depth()
    assert (first.waiting, first.in_flight) == (1, 1)
    until(lambda: jobs.depth().oldest_age_ms > first.oldest_age_ms, what="the age grows")
    claimed(redis_client, "i-2")
    assert jobs.depth() == QueueDepth(0, 2, 0)
    end_lease(redis_client, "j1")
    abandoned = jobs.depth()
    assert (abandoned.waiting, abandoned.in_flight) == (1, 1)
    assert abandoned.oldest_age_ms > 0
    change_lease(redis_client, "j1", accepted=1)
    accept(jobs, "j3")
    expire(redis_client, "j3", "ann")
    assert jobs.depth() == QueueDepth(0, 1, 0)


def test_health_times_a_ping_and_counts(jobs: JobQueue) -> None:
    """The health has depth and jobs in flight beside the time of a PING."""
    accept(jobs)
    began_s = time.perf_counter()
    health = jobs.health()
    assert (health.depth, health.in_flight) == (1, 0)
    assert 0 < health.latency_ms < (time.perf_counter() - began_s) * 1000
