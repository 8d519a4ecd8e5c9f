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
from typing import Any

import pytest
import redis
import trustme

from tests.processes import RedisServer, access_string, expires_after, free_port, until
from tinyllama.utils.aws.sigv4 import Credentials
from tinyllama.utils.queue import job_queue
from tinyllama.utils.queue.client import connect
from tinyllama.utils.queue.errors import KeyReused, QueueFull, QueueUnavailable, RateLimited
from tinyllama.utils.queue.job_queue import Acceptance, JobQueue, JobState
from tinyllama.utils.queue.redis_keys import GROUP, HEARTBEAT, STREAM
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
        "stream": client.xrange,
    }
    keys = sorted(str(key) for key in client.scan_iter())
    found = {key: read[str(client.type(key))](key) for key in keys}
    return {k: len(str(v).split()) if k.startswith("throttle:") else v for k, v in found.items()}


def fill_with_expired(client: redis.Redis) -> None:
    """As many entries as the queue holds, all older than a job can be."""
    with client.pipeline() as pipeline:
        for number in range(job_queue.MAX_JOBS):
            pipeline.xadd(STREAM, {"id": f"w{number}"}, id=f"{NOW_MS}-{number}")
        pipeline.execute()


def test_accept_writes_job_and_entry(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """An accepted job is one key of 300 s with all fields, and one stream entry that it knows."""
    assert expires_after(redis_client, "job:j1", 300, lambda: accept(jobs))

    found = contents(redis_client)
    assert sorted(found) == ["job:j1", "jobs", "throttle:ann"]
    entries = found["jobs"]
    assert isinstance(entries, list)
    [(entry, fields)] = entries
    assert fields == {"id": "j1"}
    assert json.loads(str(found["job:j1"])) == {
        "id": "j1",
        "prompt": 'hé\n"}',
        "idle": 5,
        "sub": "ann",
        "reply": "reply:j1",
        "ts": NOW_MS,
        "body": "2a373b952877edc22771bcd6e2fcc3c0",
        "entry": entry,
    }
    assert expires_after(redis_client, "throttle:ann", 61, lambda: accept(jobs, "j2"))


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

    body = json.loads(str(redis_client.get("job:j1")))["body"]
    redis_client.delete("job:j1", "jobs")
    redis_client.set("reply:j1", json.dumps({"sub": "ann", "status": "done", "body": body}))
    assert accept(jobs) == Acceptance("j1", node_awake=False, repeated=True)
    assert redis_client.exists("job:j1", "jobs") == 0


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
    """At `MAX_JOBS` entries nothing more is queued and nothing is written."""
    with redis_client.pipeline() as pipeline:
        for number in range(job_queue.MAX_JOBS):
            pipeline.xadd(STREAM, {"id": f"w{number}"})
        pipeline.execute()
    with pytest.raises(QueueFull) as refused:
        accept(jobs)
    assert refused.value.code == "error"
    assert sorted(contents(redis_client)) == ["jobs"]


def test_accept_lets_expired_entries_make_room(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Entries older than a job's life have no job; a queue full of them is not full."""
    fill_with_expired(redis_client)
    accept(jobs)
    entries = redis_client.xrange(STREAM) or []
    assert [fields for _, fields in entries] == [{"id": "j1"}]


def test_withdraw_leaves_nothing(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Neither job nor entry remain, with and without a worker group; the request still counted."""
    accept(jobs, "j1")
    assert jobs.withdraw("j1") is True
    redis_client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    accept(jobs, "j2")
    assert jobs.withdraw("j2") is True
    assert jobs.withdraw("j2") is False
    assert contents(redis_client) == {"jobs": [], "throttle:ann": 2}


def test_withdraw_leaves_a_job_that_a_worker_holds(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """A claimed job is answered, so it is not taken away."""
    accept(jobs)
    redis_client.xgroup_create(STREAM, GROUP, id="0")
    redis_client.xreadgroup(GROUP, "i-1", {STREAM: ">"})
    assert jobs.withdraw("j1") is False
    assert sorted(contents(redis_client)) == ["job:j1", "jobs", "throttle:ann"]


def test_right_to_start_is_one_callers_until_it_says_what_came_of_it(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """The others learn that somebody looks, then the outcome; an empty one lets the next look."""
    said: list[str | None] = []
    assert expires_after(redis_client, "node:start", 10, lambda: said.append(jobs.begin_start()))
    assert [*said, jobs.begin_start()] == [None, ""]
    assert expires_after(redis_client, "node:start", 2, lambda: jobs.end_start("no_capacity"))
    jobs.end_start("no_capacity")
    assert jobs.begin_start() == "no_capacity"
    jobs.end_start("")
    assert jobs.begin_start() is None


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({}, None),
        ({"job:j1": {"sub": "ann"}}, JobState("queued")),
        ({"job:j1": {"sub": "bob"}}, None),
        ({"job:j1": {"sub": "ann"}, "state:j1": "running"}, JobState("running")),
        ({"state:j1": "running"}, None),
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


def test_depth_tells_waiting_from_held(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Without a stream, without a group and with one: what waits, what is held, and since when."""
    assert jobs.depth() == job_queue.QueueDepth(0, 0, 0)
    accept(jobs, "j1")
    accept(jobs, "j2")
    assert (jobs.depth().waiting, jobs.depth().in_flight) == (2, 0)
    redis_client.xgroup_create(STREAM, GROUP, id="0")
    redis_client.xreadgroup(GROUP, "i-1", {STREAM: ">"}, count=1)
    first = jobs.depth()
    assert (first.waiting, first.in_flight) == (1, 1)
    until(lambda: jobs.depth().oldest_age_ms > first.oldest_age_ms, what="the age grows")
    redis_client.xreadgroup(GROUP, "i-1", {STREAM: ">"})
    assert jobs.depth() == job_queue.QueueDepth(0, 2, 0)


def test_health_times_a_ping_and_counts(jobs: JobQueue) -> None:
    """The health has depth and jobs in flight beside the time of a PING."""
    accept(jobs)
    began_s = time.perf_counter()
    health = jobs.health()
    assert (health.depth, health.in_flight) == (1, 0)
    assert 0 < health.latency_ms < (time.perf_counter() - began_s) * 1000


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
        "health": outcome(jobs.health),
    }


METHODS = ("accept", "withdraw", "begin_start", "end_start", "state", "health")


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


@pytest.mark.parametrize(
    ("user", "methods", "needed"),
    [
        (
            "RouterUser",
            METHODS[:-1],
            "+time +evalsha +script|load +get +mget +set +del +xadd +xdel +xlen +xpending +xrange",
        ),
        (
            "QueueHealthUser",
            METHODS[-1:],
            "+ping +time +evalsha +script|load +xlen +xpending +xrange +xinfo|groups",
        ),
    ],
)
def test_every_method_works_with_the_template_s_commands(
    redis_server: RedisServer,
    redis_client: redis.Redis,
    user: str,
    methods: tuple[str, ...],
    needed: str,
) -> None:
    """A user's access string holds the commands it needs and no other; one less is `auth`."""
    words = f"on nopass {access_string(user)}".split()
    assert {word for word in words if word.startswith("+")} == set(needed.split())
    for missing in [None, *needed.split()]:
        given = [word for word in words if word != missing]
        redis_client.flushall()
        redis_client.script_flush()
        redis_client.execute_command(  # type: ignore[no-untyped-call]
            "ACL", "SETUSER", "fn", "reset", *given
        )
        pool = redis.ConnectionPool(
            host="127.0.0.1", port=redis_server.port, username="fn", password="x", protocol=2
        )
        with contextlib.closing(redis.Redis.from_pool(pool)) as client:
            jobs = JobQueue(client)
            redis_client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
            fill_with_expired(redis_client)
            outcomes = call_every_method(jobs)
        refused = "auth" in [outcomes[method] for method in methods]
        assert refused == (missing is not None), missing
    redis_client.acl_deluser("fn")


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
                plain.settimeout(60)
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
    listener: TlsListener,
    credentials: Callable[[], Credentials] = lambda: CREDENTIALS,
    *,
    timeout_s: float = 60,
) -> Iterator[redis.Redis]:
    """A client made by `connect`, closed afterwards like the listener.

    Its limits are no part of a test, unless it names one: a busy machine answers later than 50 ms.
    """
    address = QueueAddress("localhost", listener.port, "the-cache", "the-user")
    limits = {"timeout_s": timeout_s, "connect_timeout_s": 60}
    try:
        with contextlib.closing(connect(address, credentials, "eu-central-1", **limits)) as client:
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
    with connected(listener, timeout_s=0.05) as client:
        # Connected, and looked at as before a command; none is sent, as it could take longer.
        connection = client.connection_pool.get_connection()
        connected_socket: Any = connection._sock
        assert connected_socket.gettimeout() == 0.05
        client.connection_pool.release(connection)


def test_connect_has_the_router_s_limits_by_default() -> None:
    """50 ms for a command, half a second for each step of opening a connection."""
    address = QueueAddress("localhost", 1, "the-cache", "the-user")
    with contextlib.closing(connect(address, lambda: CREDENTIALS, "r")) as client:
        given = client.connection_pool.connection_kwargs
        assert (given["socket_timeout"], given["socket_connect_timeout"]) == (0.05, 0.5)


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
