"""Jobs that end without a worker: those that wait for too long, and those that a stop ends."""

import json

import pytest
import redis

from node.claims import Answer, Claims
from tests.processes import until
from tests.queue_time import change_lease, end_lease, expire, make_older
from tests.unit.queue_calls import accept, claimed, contents
from tinyllama.utils.queue.answers import JobState, QueueDepth, Sweep
from tinyllama.utils.queue.errors import RateLimited
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.utils.queue.redis_keys import HEARTBEAT, RUNNING


@pytest.fixture
def jobs(redis_client: redis.Redis) -> JobQueue:
    """A queue on the session's Redis, which is empty."""
    return JobQueue(redis_client)


def test_sweep_fails_what_waits_for_too_long(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Old jobs that wait, and old jobs whose lease has ended, are failed with code and reason;
    young jobs and jobs that a worker holds are counted."""
    for number in range(4):
        accept(jobs, f"j{number}", sub=f"user-{number}")
    claimed(redis_client, "i-1")
    claimed(redis_client, "i-2")
    end_lease(redis_client, "j0")
    told = {"error": "node_unavailable", "reason": "no_capacity"}
    assert jobs.sweep(older_than_ms=210_000, **told) == Sweep(3, 1, False, 0, 4)
    make_older(redis_client, "j2", "user-2", 210_000)
    for job_id in ("j0", "j1"):
        lease = json.loads(str(redis_client.hget(RUNNING, job_id)))
        change_lease(redis_client, job_id, accepted=lease["accepted"] - 210_000)
    redis_client.set(HEARTBEAT, "i-1")
    assert jobs.sweep(older_than_ms=210_000, **told) == Sweep(1, 1, True, 2, 1)
    failed = JobState("failed", error="node_unavailable", reason="no_capacity")
    states = [jobs.state(f"j{number}", f"user-{number}") for number in range(4)]
    assert states == [failed, JobState("running"), failed, JobState("queued")]
    assert accept(jobs, "j2", sub="user-2").repeated is True
    assert jobs.sweep(older_than_ms=0, error="not_started").failed == 1
    assert jobs.state("j3", "user-3") == JobState("failed", error="not_started")


def test_sweep_forgets_what_has_expired(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """A job whose life has ended leaves no place and no lease, and its owner is told nothing."""
    accept(jobs, "j1")
    accept(jobs, "j2")
    claimed(redis_client)
    redis_client.delete("job:j1")
    end_lease(redis_client, "j1")
    expire(redis_client, "j2", "ann")
    until(lambda: jobs.sweep(older_than_ms=0, error="not_started").waiting == 0, what="an end")
    assert contents(redis_client) == {"throttle:ann": 2}


@pytest.mark.parametrize("age_ms", [240_000, 301_000, 470_000])
def test_owner_is_told_also_after_a_lost_tick(
    age_ms: int, jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """The job is there until the next tick: nobody reads that it is gone, and is told nothing."""
    accept(jobs)
    make_older(redis_client, "j1", "ann", age_ms)
    assert redis_client.pttl("job:j1") >= 470_000
    assert jobs.state("j1", "ann") == JobState("queued")
    assert jobs.sweep(older_than_ms=2**40, error="unused").failed == 0
    assert jobs.sweep(older_than_ms=210_000, error="not_started").failed == 1
    assert jobs.state("j1", "ann") == JobState("failed", error="not_started")


@pytest.mark.parametrize("by", ["waker", "worker"])
@pytest.mark.parametrize("is_begun", [True, False])
def test_owner_is_told_when_the_worker_dies_at_the_end_of_the_jobs_life(
    by: str, is_begun: bool, jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """The lease ends after the job's life does: the waker or the next worker fails the job."""
    accept(jobs)
    claim = claimed(redis_client, "i-1")
    if is_begun:
        assert Claims(redis_client, "i-1", life_s=300).begin(claim) is True
    change_lease(redis_client, "j1", accepted=claim.accepted_ms - 350_000)
    # Nothing wants the node any more, and nobody may speak for a worker that may still answer.
    nothing = Sweep(0, 0, node_awake=False, failed=0, worth_a_start=0)
    assert jobs.sweep(older_than_ms=210_000, error="not_started") == nothing
    assert jobs.state("j1", "ann") == JobState("queued")
    end_lease(redis_client, "j1")
    error = "not_started"
    if by == "waker":
        assert jobs.sweep(older_than_ms=210_000, error=error).failed == 1
    else:
        assert Claims(redis_client, "i-2", life_s=300).next() is None
        error = "worker_crashed" if is_begun else error
    assert jobs.state("j1", "ann") == JobState("failed", error=error)
    assert redis_client.exists("running", "job:j1") == 0


def test_job_that_waited_for_longer_than_it_lives_is_not_begun(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """A worker that comes too late tells the owner, and takes the next job."""
    accept(jobs, "j1")
    accept(jobs, "j2")
    make_older(redis_client, "j1", "ann", 301_000)
    assert claimed(redis_client).job_id == "j2"
    assert jobs.state("j1", "ann") == JobState("failed", error="not_started")


def test_stop_request_is_refused_while_others_use_the_node(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """A job of another user that waits or runs is in the way, one's own is not; nothing changes."""
    accept(jobs, "j1", sub="bob")
    before = contents(redis_client)
    assert jobs.stop_request("ann", force=False) is False
    assert contents(redis_client) == before | {"throttle:ann": 1}
    claimed(redis_client)
    assert jobs.stop_request("ann", force=False) is False
    end_lease(redis_client, "j1")
    assert jobs.stop_request("ann", force=False) is False
    assert jobs.stop_request("bob", force=False) is True
    assert jobs.state("j1", "bob") == JobState("queued")
    assert jobs.stop_jobs("ann", force=False) == 0
    assert jobs.stop_jobs("bob", force=False) == 1
    assert jobs.state("j1", "bob") == JobState("failed", error="node_stopped")
    assert sorted(contents(redis_client)) == ["reply:j1", "throttle:ann", "throttle:bob"]


def test_job_that_nobody_begins_any_more_keeps_no_node_running(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """After its life a job of another user only waits for that user to be told."""
    accept(jobs, "j1", sub="bob")
    make_older(redis_client, "j1", "bob", 301_000)
    assert jobs.stop_request("ann", force=False) is True
    assert jobs.sweep(older_than_ms=210_000, error="not_started").failed == 1


def test_stop_request_by_force_tells_every_owner(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Jobs in hand and jobs that wait are failed, so nothing has the node started again; the
    worker's own answer comes too late."""
    accept(jobs, "j1", sub="bob")
    accept(jobs, "j2", sub="eve")
    claim = claimed(redis_client)
    assert jobs.stop_request("ann", force=True) is True
    assert jobs.stop_jobs("ann", force=True) == 2
    stopped = JobState("failed", error="node_stopped")
    assert [jobs.state("j1", "bob"), jobs.state("j2", "eve")] == [stopped, stopped]
    worker = Claims(redis_client, "i-1", life_s=300)
    assert worker.beat("i-1", [claim.job_id]) == [claim.job_id]
    assert worker.answer(claim, Answer("done", "late")) is False
    assert jobs.depth() == QueueDepth(0, 0, 0)


def test_stop_request_is_limited_like_infer(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Both count together: the sixth request within a second is refused and changes nothing."""
    frozen = JobQueue(redis_client, clock_us=lambda: 1_000_000_000)
    for number in range(3):
        accept(frozen, f"j{number}")
    for _ in range(2):
        frozen.stop_request("ann", force=False)
    before = contents(redis_client)
    with pytest.raises(RateLimited) as refused:
        frozen.stop_request("ann", force=True)
    assert refused.value.retry_after_s == 1
    assert contents(redis_client) == before


def test_stop_tells_only_the_owners_jobs_without_force(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """A job that another user sends between the question and the stop waits on."""
    accept(jobs, "j1", sub="ann")
    accept(jobs, "j2", sub="ann")
    claimed(redis_client)
    accept(jobs, "j3", sub="bob")
    assert jobs.stop_jobs("ann", force=False) == 2
    stopped = JobState("failed", error="node_stopped")
    assert [jobs.state("j1", "ann"), jobs.state("j2", "ann")] == [stopped, stopped]
    assert jobs.state("j3", "bob") == JobState("queued")
