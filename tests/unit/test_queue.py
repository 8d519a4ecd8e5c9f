"""The queue against a real Redis: what it writes, what it refuses, how it says that it cannot."""

import contextlib
import json
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
import trustme

from node.claims import Answer, Claim, Claims
from tests.processes import RedisServer, free_port, until
from tests.queue_time import change_lease, end_lease, expire, make_older
from tinyllama.utils.aws.sigv4 import Credentials
from tinyllama.utils.queue import job_queue
from tinyllama.utils.queue.client import connect
from tinyllama.utils.queue.errors import (
    KeyReused,
    QueueFull,
    QueueUnavailable,
    RateLimited,
    TooManyWaiting,
)
from tinyllama.utils.queue.job_queue import Acceptance, JobQueue, JobState, StopVerdict, Sweep
from tinyllama.utils.queue.redis_keys import HEARTBEAT, RUNNING, TURNS, WAITING, waiting_key
from tinyllama.utils.settings import QueueAddress

NOW_MS = 1_700_000_000_000
CREDENTIALS = Credentials("AKIAEXAMPLE", "secret", "session")


@pytest.fixture
def jobs(redis_client: redis.Redis) -> JobQueue:
    """A queue on the session's Redis, which is empty."""
    return JobQueue(redis_client)


def accept(
    jobs: JobQueue,
    job_id: str = "j1",
    *,
    sub: str = "ann",
    prompt: str = 'hé\n"}',
    idle: int = 5,
) -> Acceptance:
    """Accept with defaults."""
    return jobs.accept(job_id=job_id, sub=sub, prompt=prompt, idle=idle, now_ms=NOW_MS)


def contents(client: redis.Redis) -> dict[str, object]:
    """All that Redis holds, as {key: value}; of a throttle only how many requests it counts."""
    read: dict[str, Callable[[str], object]] = {
        "string": client.get,
        "zset": lambda key: client.zrange(key, 0, -1),
        "list": lambda key: client.lrange(key, 0, -1),
        "hash": client.hgetall,
    }
    keys = sorted(str(key) for key in client.scan_iter())
    found = {key: read[str(client.type(key))](key) for key in keys}
    return {k: len(str(v).split()) if k.startswith("throttle:") else v for k, v in found.items()}


def fill(client: redis.Redis, count: int, accepted_ms: int, sub: str = "") -> None:
    """Let jobs wait since `accepted_ms`: each of a user of its own, or all of `sub`."""
    with client.pipeline() as pipeline:
        for number in range(count):
            owner = sub or f"user-{number}"
            pipeline.zadd(WAITING, {f"w{number} {owner}": accepted_ms})
            pipeline.rpush(waiting_key(owner), f"w{number}")
            pipeline.lrem(TURNS, 0, owner)
            pipeline.rpush(TURNS, owner)
            pipeline.set(f"job:w{number}", json.dumps({"sub": owner, "body": ""}))
        pipeline.execute()


def claimed(client: redis.Redis, consumer: str = "i-1") -> Claim:
    """The job that a worker gets next; there must be one."""
    claim = Claims(client, consumer, life_s=300).next(0.01)
    assert claim is not None
    return claim


def test_accept_writes_the_job_and_its_place(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """An accepted job is one key of 300 s with all fields, and stands in its owner's line; the
    owner stands in the ring of turns once, and the bell is rung once."""
    assert accept(jobs) == Acceptance("j1", node_awake=False, repeated=False)

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
    assert abs((redis_client.zscore(WAITING, "j1 ann") or 0) - time.time() * 1000) < 5000
    assert 299 <= redis_client.ttl("job:j1") <= 300
    assert 60 <= redis_client.ttl("throttle:ann") <= 61


def test_accept_says_whether_a_worker_is_present(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """`node_awake` is the heartbeat's presence."""
    redis_client.set(HEARTBEAT, "i-1", ex=10)
    assert accept(jobs) == Acceptance("j1", node_awake=True, repeated=False)


def test_accept_repeat_returns_the_job_and_queues_nothing(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """A known id with the same body is `repeated`, while it waits and after it was answered."""
    accept(jobs)
    before = contents(redis_client)
    assert accept(jobs) == Acceptance("j1", node_awake=False, repeated=True)
    assert contents(redis_client) == before | {"throttle:ann": 2}

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


def test_right_to_start_is_one_callers_until_it_says_what_came_of_it(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """The others learn that somebody looks, then the outcome; an empty one lets the next look."""
    assert [jobs.begin_start(), jobs.begin_start()] == [None, ""]
    assert 14 <= redis_client.ttl("node:start") <= 15
    jobs.end_start("no_capacity")
    assert jobs.begin_start() == "no_capacity"
    assert 1 <= redis_client.ttl("node:start") <= 2
    jobs.end_start("")
    assert jobs.begin_start() is None


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
    """A job is `queued` again when its worker is gone or its lease has ended; `node_awake` is the
    heartbeat, and the age counts from the acceptance all the while."""

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
    assert jobs.depth() == job_queue.QueueDepth(0, 0, 0)
    accept(jobs, "j1")
    accept(jobs, "j2")
    assert (jobs.depth().waiting, jobs.depth().in_flight) == (2, 0)
    claimed(redis_client)
    first = jobs.depth()
    assert (first.waiting, first.in_flight) == (1, 1)
    until(lambda: jobs.depth().oldest_age_ms > first.oldest_age_ms, what="the age grows")
    claimed(redis_client, "i-2")
    assert jobs.depth() == job_queue.QueueDepth(0, 2, 0)
    end_lease(redis_client, "j1")
    abandoned = jobs.depth()
    assert (abandoned.waiting, abandoned.in_flight) == (1, 1)
    assert abandoned.oldest_age_ms > 0
    change_lease(redis_client, "j1", accepted=1)
    accept(jobs, "j3")
    expire(redis_client, "j3", "ann")
    assert jobs.depth() == job_queue.QueueDepth(0, 1, 0)


def test_sweep_fails_what_waits_for_too_long(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Old jobs that wait, and old jobs whose lease has ended, are failed with code and reason;
    young jobs and jobs that a worker holds are counted."""
    for number in range(4):
        accept(jobs, f"j{number}", sub=f"user-{number}")
    claimed(redis_client, "i-1")
    claimed(redis_client, "i-2")
    end_lease(redis_client, "j0")
    told = {"error": "node_unavailable", "reason": "no_capacity"}
    assert jobs.sweep(older_than_ms=230_000, **told) == Sweep(3, 1, node_awake=False, failed=0)
    make_older(redis_client, "j2", "user-2", 230_000)
    for job_id in ("j0", "j1"):
        lease = json.loads(str(redis_client.hget(RUNNING, job_id)))
        change_lease(redis_client, job_id, accepted=lease["accepted"] - 230_000)
    redis_client.set(HEARTBEAT, "i-1")
    assert jobs.sweep(older_than_ms=230_000, **told) == Sweep(1, 1, node_awake=True, failed=2)
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


def test_stop_request_is_refused_while_others_use_the_node(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """A job of another user that waits or runs is in the way, one's own is not; nothing changes."""
    accept(jobs, "j1", sub="bob")
    before = contents(redis_client)
    assert jobs.stop_request("ann", force=False) == StopVerdict(in_use=True, failed=0)
    assert contents(redis_client) == before | {"throttle:ann": 1}
    claimed(redis_client)
    assert jobs.stop_request("ann", force=False) == StopVerdict(in_use=True, failed=0)
    end_lease(redis_client, "j1")
    assert jobs.stop_request("ann", force=False) == StopVerdict(in_use=True, failed=0)
    free = StopVerdict(in_use=False, failed=0)
    assert jobs.stop_request("bob", force=False, tell=False) == free
    assert jobs.state("j1", "bob") == JobState("queued")
    assert jobs.stop_request("bob", force=False) == StopVerdict(in_use=False, failed=1)
    assert jobs.state("j1", "bob") == JobState("failed", error="node_stopped")
    assert sorted(contents(redis_client)) == ["reply:j1", "throttle:ann", "throttle:bob"]


def test_stop_request_by_force_tells_every_owner(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Jobs in hand and jobs that wait are failed, so nothing has the node started again; the
    worker's own answer comes too late."""
    accept(jobs, "j1", sub="bob")
    accept(jobs, "j2", sub="eve")
    claim = claimed(redis_client)
    assert jobs.stop_request("ann", force=True) == StopVerdict(in_use=False, failed=2)
    stopped = JobState("failed", error="node_stopped")
    assert [jobs.state("j1", "bob"), jobs.state("j2", "eve")] == [stopped, stopped]
    worker = Claims(redis_client, "i-1", life_s=300)
    assert worker.beat("i-1", claim) is False
    assert worker.answer(claim, Answer("done", "late")) is False
    assert jobs.depth() == job_queue.QueueDepth(0, 0, 0)


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
    assert jobs.stop_jobs("ann", force=True) == 1
    assert jobs.state("j3", "bob") == stopped


def test_start_is_noted_once_and_taken_once(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """One note however often EC2 is asked, one taker however many see the node awake."""
    assert [jobs.note_start(), jobs.note_start()] == [True, False]
    assert 290 <= redis_client.ttl("node:asked") <= 300
    assert [jobs.take_start(), jobs.take_start()] == [True, False]
    assert contents(redis_client) == {}


def test_health_times_a_ping_and_counts(jobs: JobQueue) -> None:
    """The health has depth and jobs in flight beside the time of a PING."""
    accept(jobs)
    health = jobs.health()
    assert (health.depth, health.in_flight) == (1, 0)
    assert 0 < health.latency_ms < 1000


def call_every_method(jobs: JobQueue) -> dict[str, str]:
    """The error code of each method, or what it returned."""

    def outcome(call: Callable[[], object]) -> str:
        try:
            return repr(call())
        except QueueUnavailable as error:
            return error.code

    return {
        "accept": outcome(lambda: accept(jobs)),
        "withdraw": outcome(lambda: jobs.withdraw("j1")),
        "begin_start": outcome(jobs.begin_start),
        "end_start": outcome(lambda: jobs.end_start("none")),
        "state": outcome(lambda: jobs.state("j1", "ann")),
        "sweep": outcome(lambda: jobs.sweep(older_than_ms=0, error="not_started")),
        "stop_request": outcome(lambda: jobs.stop_request("ann", force=True)),
        "stop_jobs": outcome(lambda: jobs.stop_jobs("ann", force=True)),
        "note_start": outcome(jobs.note_start),
        "take_start": outcome(jobs.take_start),
        "health": outcome(jobs.health),
    }


METHODS = (
    *("accept", "withdraw", "begin_start", "end_start", "state"),
    *("sweep", "stop_request", "stop_jobs", "note_start", "take_start", "health"),
)


def test_redis_that_is_not_there_is_refused() -> None:
    """Nothing listens: every method says `refused`."""
    with contextlib.closing(RedisServer(port=free_port()).client()) as client:
        assert call_every_method(JobQueue(client)) == dict.fromkeys(METHODS, "refused")


def test_redis_that_is_slow_times_out(redis_server: RedisServer, redis_client: redis.Redis) -> None:
    """A server that does not answer within the socket timeout: `timeout`, and no late answer."""
    pool = redis.ConnectionPool(
        host="127.0.0.1", port=redis_server.port, socket_timeout=0.05, protocol=2
    )
    with contextlib.closing(redis.Redis.from_pool(pool)) as client:
        client.ping()
        assert redis_server.process is not None
        redis_server.process.send_signal(signal.SIGSTOP)
        try:
            assert call_every_method(JobQueue(client)) == dict.fromkeys(METHODS, "timeout")
        finally:
            redis_server.process.send_signal(signal.SIGCONT)


def test_redis_that_refuses_the_user_is_auth(
    redis_server: RedisServer, redis_client: redis.Redis
) -> None:
    """A wrong password and a missing permission are both `auth`."""
    redis_client.acl_setuser("bare", enabled=True, passwords=["+right"], commands=["+ping"])
    try:
        for password in ("wrong", "right"):
            pool = redis.ConnectionPool(
                host="127.0.0.1",
                port=redis_server.port,
                username="bare",
                password=password,
                protocol=2,
            )
            with contextlib.closing(redis.Redis.from_pool(pool)) as client:
                assert call_every_method(JobQueue(client)) == dict.fromkeys(METHODS, "auth")
    finally:
        redis_client.acl_deluser("bare")


def test_redis_that_is_out_of_memory_is_an_error_and_takes_nothing(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """At maxmemory with noeviction a job is refused whole; reading goes on."""
    redis_client.config_set("maxmemory", "1")
    try:
        with pytest.raises(QueueUnavailable) as refused:
            accept(jobs)
        assert refused.value.code == "error"
        assert jobs.state("j1", "ann") is None
    finally:
        redis_client.config_set("maxmemory", "0")
    assert contents(redis_client) == {}


def test_redis_that_is_a_replica_is_an_error(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """READONLY, as during a failover."""
    redis_client.replicaof("127.0.0.1", free_port())
    try:
        with pytest.raises(QueueUnavailable) as refused:
            accept(jobs)
        assert refused.value.code == "error"
    finally:
        redis_client.replicaof("NO", "ONE")


def test_scripts_are_loaded_again_after_a_restart(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """NOSCRIPT is not an error of the caller's."""
    accept(jobs, "j1")
    redis_client.script_flush()
    assert accept(jobs, "j2") == Acceptance("j2", node_awake=False, repeated=False)


def test_accept_is_one_round_trip(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Once the script is known, accepting a job is one EVALSHA and nothing else."""
    accept(jobs, "j1")
    redis_client.config_resetstat()
    accept(jobs, "j2")
    stats = redis_client.info("commandstats")
    evaluations = {name for name in stats if "eval" in name or "script" in name}
    assert evaluations == {"cmdstat_evalsha"}
    assert stats["cmdstat_evalsha"]["calls"] == 1
    assert redis_client.info("stats")["total_commands_processed"] <= 20


class TlsListener:
    """A TLS server that answers each command from a list, and keeps what it was sent."""

    def __init__(self, authority: trustme.CA, replies: list[bytes], handshake_delay_s: float = 0):
        self.received: list[bytes] = []
        self.connections = 0
        self._replies = replies
        self._delay_s = handshake_delay_s
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(self._context)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        self._listener.settimeout(0.05)
        while not self._stopping.is_set():
            with contextlib.suppress(OSError):
                plain, _ = self._listener.accept()
                plain.settimeout(5)
                self._stopping.wait(self._delay_s)
                with plain, self._context.wrap_socket(plain, server_side=True) as connection:
                    self.connections += 1
                    for reply in self._replies:
                        self.received.append(connection.recv(65_536))
                        connection.sendall(reply)

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._listener.close()


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """A certificate authority that this process trusts for the test."""
    made = trustme.CA()
    path = tmp_path / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return made


@contextlib.contextmanager
def connected(
    listener: TlsListener, credentials: Callable[[], Credentials] = lambda: CREDENTIALS
) -> Iterator[redis.Redis]:
    """A client made by `connect`, closed afterwards like the listener."""
    address = QueueAddress("localhost", listener.port, "the-cache", "the-user")
    try:
        with contextlib.closing(connect(address, credentials, "eu-central-1")) as client:
            yield client
    finally:
        listener.close()


def test_connect_sends_user_and_token_and_nothing_else(authority: trustme.CA) -> None:
    """One AUTH with the user's name and an IAM token for this cache, then the command."""
    listener = TlsListener(authority, [b"+OK\r\n", b"+PONG\r\n"])
    with connected(listener) as client:
        assert client.ping() is True
    auth, ping = listener.received
    words = auth.decode().split("\r\n")
    assert words[:5] == ["*3", "$4", "AUTH", "$8", "the-user"]
    token = words[6]
    assert token.startswith("the-cache/?Action=connect&User=the-user&X-Amz-Algorithm=")
    assert "%2Feu-central-1%2Felasticache%2Faws4_request" in token
    assert "X-Amz-Expires=900" in token
    assert "secret" not in token
    assert ping == b"*1\r\n$4\r\nPING\r\n"


def test_connect_asks_for_credentials_with_each_connection(authority: trustme.CA) -> None:
    """A connection the server has closed is replaced before use, with a token of its own."""
    asked: list[int] = []

    def credentials() -> Credentials:
        asked.append(1)
        return Credentials(f"AKIA{len(asked)}", "secret", None)

    # The listener closes after two replies: the second PING finds a dead connection in the pool.
    listener = TlsListener(authority, [b"+OK\r\n", b"+PONG\r\n"])
    with connected(listener, credentials) as client:
        assert client.ping() is True
        until(lambda: _is_dead(client), what="the closed connection is seen")
        assert client.ping() is True
    assert listener.connections == 2
    assert [f"AKIA{n}" in listener.received[2 * n - 2].decode() for n in (1, 2)] == [True, True]


def _is_dead(client: redis.Redis) -> bool:
    [connection] = client.connection_pool._available_connections
    try:
        connection._sock.settimeout(0.5)
        return bool(connection._sock.recv(1) == b"")
    except OSError:
        return True


def test_connect_gives_the_handshake_more_time_than_a_command(authority: trustme.CA) -> None:
    """A handshake of 0.2 s passes although a command may take 0.05 s only."""
    listener = TlsListener(authority, [b"+OK\r\n", b"+PONG\r\n"], handshake_delay_s=0.2)
    with connected(listener) as client:
        assert client.ping() is True
        [connection] = client.connection_pool._available_connections
        assert connection._sock.gettimeout() == 0.05


def test_connect_trusts_no_unknown_authority(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate of another authority is refused before the token is sent."""
    listener = TlsListener(trustme.CA(), [b"+OK\r\n", b"+PONG\r\n"])
    with connected(listener) as client, pytest.raises(QueueUnavailable) as refused:
        JobQueue(client).health()
    assert refused.value.code == "refused"
    assert listener.received == []


def test_connect_without_credentials_is_auth_and_keeps_no_open_socket(
    authority: trustme.CA,
) -> None:
    """Missing credentials are `auth`; the half-opened connection is not used afterwards."""
    available: list[Credentials] = []
    listener = TlsListener(authority, [b"+OK\r\n", b"+PONG\r\n"])
    with connected(listener, lambda: available[0]) as client:
        with pytest.raises(QueueUnavailable) as refused:
            JobQueue(client).health()
        assert refused.value.code == "auth"
        available.append(CREDENTIALS)
        assert client.ping() is True


@pytest.mark.parametrize(
    ("replies", "code"),
    [
        ([b"-WRONGPASS invalid username-password pair\r\n"], "auth"),
        ([b"-LOADING Redis is loading the dataset in memory\r\n"], "error"),
        ([b"+OK\r\n", b"-BUSY Redis is busy running a script\r\n"], "error"),
        ([b"+OK\r\n", b"?nonsense\r\n"], "error"),
        ([b"+OK\r\n"], "refused"),
    ],
)
def test_connect_errors_have_a_public_code(
    authority: trustme.CA, replies: list[bytes], code: str
) -> None:
    """Whatever the server says or does not say becomes one of the public codes."""
    with connected(TlsListener(authority, replies)) as client:
        with pytest.raises(QueueUnavailable) as refused:
            JobQueue(client).depth()
        assert refused.value.code == code
