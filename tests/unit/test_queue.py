"""The queue in a real Redis: what accepting and withdrawing a job leave, answer and refuse."""

import json
import time
from typing import Any

import pytest
import redis

from node.claims import Answer, Claims
from tests.processes import expires_after
from tests.queue_time import expire, make_older
from tests.unit.queue_calls import NOW_MS, accept, claimed, contents, fill
from tinyllama.utils.queue import job_queue
from tinyllama.utils.queue.answers import Acceptance
from tinyllama.utils.queue.errors import KeyReused, QueueFull, RateLimited, TooManyWaiting
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.utils.queue.redis_keys import HEARTBEAT, WAITING, waiting_key


@pytest.fixture
def jobs(redis_client: redis.Redis) -> JobQueue:
    """A queue on the session's Redis, which is empty."""
    return JobQueue(redis_client)


def test_accept_writes_the_job_and_its_place(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """An accepted job is one key of 480 s with all fields, and stands in its owner's line; the
    owner stands in the ring of turns once, and the bell is rung once."""
    assert expires_after(redis_client, "job:j1", 480, lambda: accept(jobs))

    found = contents(redis_client)
    assert json.loads(str(found.pop("job:j1"))) == {
        "id": "j1",
        "prompt": 'hé\n"}',
        "idle": 5,
        "sub": "ann",
        "reply": "reply:j1",
        "ts": NOW_MS,
        "body": "2a373b952877edc22771bcd6e2fcc3c0",
    }
    assert found == {
        "bell": ["1"],
        "throttle:ann": 1,
        "turns": ["ann"],
        "waiting": ["j1 ann"],
        "waiting:ann": ["j1"],
    }
    transaction: Any = redis_client.pipeline()
    accepted_ms, ends_ms = (
        transaction.zscore(WAITING, "j1 ann").execute_command("PEXPIRETIME", "job:j1").execute()
    )
    assert ends_ms == accepted_ms + 480_000
    assert expires_after(redis_client, "throttle:ann", 61, lambda: accept(jobs, "j2"))


def test_accept_says_whether_a_worker_is_present(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """`node_awake` is the heartbeat's presence."""
    redis_client.set(HEARTBEAT, "i-1", ex=10)
    assert accept(jobs) == Acceptance("j1", node_awake=True, repeated=False)


def test_accept_repeat_returns_the_job_and_queues_nothing(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """A known id with the same body is `repeated`, while it waits and after it was answered;
    nobody takes it back then."""
    accept(jobs)
    before = contents(redis_client)
    assert accept(jobs) == Acceptance("j1", node_awake=False, repeated=True)
    promised = '{"promised":true,' + str(before["job:j1"])[1:]
    for times in (2, 3):
        assert contents(redis_client) == before | {"throttle:ann": times, "job:j1": promised}
        accept(jobs)
    assert 470_000 < redis_client.pttl("job:j1") <= 480_000
    assert jobs.withdraw("j1") is False

    Claims(redis_client, "i-1", life_s=300).answer(claimed(redis_client), Answer("done", "r"))
    assert accept(jobs) == Acceptance("j1", node_awake=False, repeated=True)
    assert sorted(contents(redis_client)) == ["reply:j1", "throttle:ann"]


@pytest.mark.parametrize(("prompt", "idle"), [("other", 5), ('hé\n"}', 6)])
def test_accept_known_id_with_another_body_is_refused(
    jobs: JobQueue, redis_client: redis.Redis, prompt: str, idle: int
) -> None:
    """An id says one thing only: prompt and idle both belong to it."""
    accept(jobs)
    before = contents(redis_client)
    with pytest.raises(KeyReused):
        accept(jobs, prompt=prompt, idle=idle)
    assert contents(redis_client) == before | {"throttle:ann": 2}


def test_accept_after_everything_is_gone_queues_again(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """After a cache that lost all, the same id is a new job, whatever its body was."""
    accept(jobs)
    redis_client.flushall()
    assert accept(jobs, prompt="other") == Acceptance("j1", node_awake=False, repeated=False)


def test_accept_throttles_each_owner_alone(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """The sixth request within a second is refused and leaves nothing; another owner passes."""
    frozen = JobQueue(redis_client, clock_us=lambda: 1_000_000_000)
    for number in range(5):
        accept(frozen, f"j{number}")
    before = contents(redis_client)
    with pytest.raises(RateLimited) as refused:
        accept(frozen, "j5")
    assert refused.value.retry_after_s == 1
    assert contents(redis_client) == before
    assert accept(frozen, "k0", sub="bob").repeated is False


def test_accept_passes_a_clock_that_was_set_back(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Requests from a future that no longer is do not count, and are forgotten."""
    now_us = [10_000_000_000]
    clocked = JobQueue(redis_client, clock_us=lambda: now_us[0])
    for number in range(5):
        accept(clocked, f"j{number}")
    now_us[0] -= 3_600_000_000
    accept(clocked, "j5")
    assert contents(redis_client)["throttle:ann"] == 1


def test_accept_refuses_when_the_queue_is_full(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """While `MAX_JOBS` jobs wait nothing more is queued and nothing is written."""
    fill(redis_client, job_queue.MAX_JOBS, time.time_ns() // 1_000_000)
    before = contents(redis_client)
    with pytest.raises(QueueFull) as refused:
        accept(jobs)
    assert (refused.value.code, refused.value.outcome) == ("error", "none")
    assert contents(redis_client) == before


def test_accept_refuses_too_many_jobs_of_one_user(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """At 20 waiting jobs their owner is refused, whole; others are not. Retry-After is a turn of
    all users, and never longer than the oldest of those jobs can wait."""
    fill(redis_client, 20, time.time_ns() // 1_000_000, sub="ann")
    before = contents(redis_client)
    with pytest.raises(TooManyWaiting) as refused:
        accept(jobs)
    assert refused.value.retry_after_s == 10
    assert contents(redis_client) == before
    assert accept(jobs, "k1", sub="bob").repeated is False
    with pytest.raises(TooManyWaiting) as refused:
        accept(jobs)
    assert refused.value.retry_after_s == 20
    make_older(redis_client, "w0", "ann", 299_000)
    with pytest.raises(TooManyWaiting) as refused:
        accept(jobs)
    assert refused.value.retry_after_s == 1


def test_accept_counts_no_job_that_a_worker_holds(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """The bound is on what waits: once a job is claimed its place is free."""
    fill(redis_client, 20, time.time_ns() // 1_000_000, sub="ann")
    claimed_id = str(redis_client.lindex(waiting_key("ann"), 0))
    document = {"sub": "ann", "prompt": "p", "body": "b", "idle": 5}
    redis_client.set(f"job:{claimed_id}", json.dumps(document), ex=300)
    assert claimed(redis_client).job_id == claimed_id
    assert accept(jobs).repeated is False
    with pytest.raises(TooManyWaiting):
        accept(jobs, "j2")


@pytest.mark.parametrize(("count", "sub"), [(job_queue.MAX_JOBS, ""), (20, "ann")])
def test_accept_lets_expired_jobs_make_room(
    jobs: JobQueue, redis_client: redis.Redis, count: int, sub: str
) -> None:
    """Jobs whose life has ended leave no trace, and a queue full of them is not full."""
    fill(redis_client, count, NOW_MS, sub)
    accept(jobs)
    left = contents(redis_client)
    assert sorted(left) == ["bell", "job:j1", "throttle:ann", "turns", "waiting", "waiting:ann"]
    assert (left["turns"], left["waiting"], left["waiting:ann"]) == (["ann"], ["j1 ann"], ["j1"])


def test_accept_of_an_expired_id_has_one_place(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """An id that is sent again after its job expired stands in the line once."""
    accept(jobs)
    expire(redis_client, "j1", "ann")
    assert accept(jobs).repeated is False
    left = contents(redis_client)
    assert (left["turns"], left["waiting"], left["waiting:ann"]) == (["ann"], ["j1 ann"], ["j1"])
    assert jobs.depth().waiting == 1
    # And when the queue was so full that what expired is dropped first.
    fill(redis_client, 20, NOW_MS, sub="ann")
    expire(redis_client, "j1", "ann")
    assert accept(jobs).repeated is False
    left = contents(redis_client)
    assert (left["turns"], left["waiting"], left["waiting:ann"]) == (["ann"], ["j1 ann"], ["j1"])
    assert claimed(redis_client).job_id == "j1"


def test_withdraw_leaves_nothing(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Neither the job nor its place remain; the request still counted."""
    accept(jobs, "j1")
    accept(jobs, "j2")
    assert jobs.withdraw("j1") is True
    assert sorted(contents(redis_client)) == [
        *("bell", "job:j2", "throttle:ann", "turns", "waiting", "waiting:ann")
    ]
    assert jobs.withdraw("j2") is True
    assert jobs.withdraw("j2") is False
    assert contents(redis_client) == {"throttle:ann": 2}


def test_withdraw_leaves_a_job_that_a_worker_holds(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """A claimed job is answered, so it is not taken away."""
    accept(jobs)
    claimed(redis_client)
    assert jobs.withdraw("j1") is False
    assert sorted(contents(redis_client)) == ["job:j1", "running", "throttle:ann"]
