"""A Redis that is away, slow, full, a replica or that refuses: each has its public code."""

import contextlib
import signal
from collections.abc import Callable

import pytest
import redis

from tests.processes import RedisServer, free_port
from tests.unit.queue_calls import accept, contents
from tinyllama.utils.queue.answers import Acceptance
from tinyllama.utils.queue.errors import QueueUnavailable
from tinyllama.utils.queue.job_queue import JobQueue


@pytest.fixture
def jobs(redis_client: redis.Redis) -> JobQueue:
    """A queue on the session's Redis, which is empty."""
    return JobQueue(redis_client)


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


@pytest.mark.fault(fault="the cache is down", place="before a request")
def test_redis_that_is_not_there_is_refused() -> None:
    """Nothing listens: every method says `refused`."""
    with contextlib.closing(RedisServer(port=free_port()).client()) as client:
        assert call_every_method(JobQueue(client)) == dict.fromkeys(METHODS, "refused")


@pytest.mark.fault(fault="the cache is slow", place="a command takes longer than 50 ms")
def test_redis_that_is_slow_times_out(redis_server: RedisServer, redis_client: redis.Redis) -> None:
    """A server that does not answer within the socket timeout: `timeout`, and no late answer."""
    pool = redis.ConnectionPool(
        host="127.0.0.1", port=redis_server.port, socket_timeout=0.05, protocol=2
    )
    with contextlib.closing(redis.Redis.from_pool(pool)) as client:
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


@pytest.mark.fault(
    fault="the cache is full",
    place="POST /infer",
    user_sees="503 `queue_unavailable`",
    lost="nothing was written",
    recovers="jobs that wait are answered and make room",
)
def test_redis_that_is_out_of_memory_is_an_error_and_takes_nothing(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """At maxmemory with noeviction a job is refused whole; reading goes on."""
    redis_client.config_set("maxmemory", "1")
    try:
        with pytest.raises(QueueUnavailable) as refused:
            accept(jobs)
        assert (refused.value.code, refused.value.outcome) == ("error", "none")
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
        assert (refused.value.code, refused.value.outcome) == ("error", "none")
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
