"""The access strings of the cache's users: each role works with its own, and with nothing less."""

import contextlib
import json
from collections.abc import Callable, Iterator

import pytest
import redis

from node.claims import Answer, Claims
from tests.processes import RedisServer, access_string
from tests.queue_time import change_lease, end_lease, expire, make_older
from tinyllama.utils.queue import job_queue
from tinyllama.utils.queue.errors import QueueError, QueueUnavailable
from tinyllama.utils.queue.job_queue import JobQueue

OLD_MS = 230_000


def accept(client: redis.Redis, job_id: str, sub: str = "ann") -> None:
    """Accept a job a minute after the last, so that no throttle decides."""
    clock = iter([10**15 + 61_000_000 * int(client.incr("test:clock"))])
    queue = JobQueue(client, clock_us=lambda: next(clock))
    queue.accept(job_id=job_id, sub=sub, prompt="p", idle=5, now_ms=0)


def router(client: redis.Redis, admin: redis.Redis) -> None:
    """All that the router asks: accept on an empty, a full and an expired queue, withdraw, state
    of a job that waits and of a job that runs, and the lock of the start."""
    clock = iter(range(10**15, 10**16, 61_000_000))
    queue = JobQueue(client, clock_us=lambda: next(clock))

    def send(job_id: str, sub: str = "ann") -> None:
        with contextlib.suppress(QueueError) if job_id == "refused" else contextlib.nullcontext():
            queue.accept(job_id=job_id, sub=sub, prompt="p", idle=5, now_ms=0)

    for number in range(job_queue.MAX_WAITING_PER_USER):
        send(f"j{number}")
    _refused(lambda: queue.accept(job_id="x", sub="ann", prompt="p", idle=5, now_ms=0))
    for number in range(job_queue.MAX_WAITING_PER_USER):
        expire(admin, f"j{number}", "ann")
    send("k")
    send("k")
    assert queue.withdraw("k") is False
    send("once", "bob")
    assert queue.withdraw("once") is True
    assert Claims(admin, "i-0", life_s=300).next() is not None
    send("held")
    assert Claims(admin, "i-1", life_s=300).next() is not None
    assert queue.state("held", "ann") is not None
    assert queue.withdraw("held") is False
    assert queue.begin_start() is None
    assert queue.begin_start() == ""
    queue.end_start("none")
    queue.remember_refusal("none")
    queue.end_start("")
    assert queue.note_start() is True
    assert queue.take_start() is True


def node(client: redis.Redis, admin: redis.Redis) -> None:
    """All that the worker and its heartbeat ask: wait, claim by turns, take over, begin, answer,
    drop what has expired."""
    for job_id, sub in [("a1", "ann"), ("a2", "ann"), ("b1", "bob"), ("gone", "eve")]:
        accept(admin, job_id, sub)
    expire(admin, "gone", "eve")
    worker = Claims(client, "i-1", life_s=300)
    worker.wait(0.01)
    assert admin.exists("bell") == 0
    first = worker.next()
    assert first is not None
    assert worker.begin(first) is True
    assert worker.beat("i-1", [first.job_id]) == []
    change_lease(admin, first.job_id, consumer="i-2", until=1)
    taken = worker.next()
    assert taken is not None
    while taken is not None:
        assert worker.answer(taken, Answer("done", "r")) is True
        taken = worker.next()
    accept(admin, "broken")
    admin.set("job:broken", "{")
    assert worker.next() is None
    assert JobQueue(client).depth().waiting == 0


def health(client: redis.Redis, admin: redis.Redis) -> None:
    """What GET /queue-health asks, with a job that waits and a job that is held."""
    accept(admin, "j1")
    accept(admin, "j2")
    assert Claims(admin, "i-1", life_s=300).next() is not None
    found = JobQueue(client).health()
    assert (found.depth, found.in_flight) == (1, 1)


def waker(client: redis.Redis, admin: redis.Redis) -> None:
    """What the waker asks: sweep what expired, waits too long or was left; lock the start."""
    for number in range(5):
        accept(admin, f"j{number}", f"user-{number}")
    worker = Claims(admin, "i-1", life_s=300)
    assert worker.next() is not None
    change_lease(admin, "j0", until=1, accepted=1)
    expire(admin, "j1", "user-1")
    make_older(admin, "j2", "user-2", OLD_MS)
    queue = JobQueue(client)
    found = queue.sweep(older_than_ms=OLD_MS, error="node_unavailable", reason="none")
    assert (found.failed, found.waiting) == (2, 2)
    for number in (3, 4):
        make_older(admin, f"j{number}", f"user-{number}", OLD_MS)
    assert queue.sweep(older_than_ms=OLD_MS, error="not_started").failed == 2
    assert queue.begin_start() is None
    queue.end_start("none")
    queue.remember_refusal("none")
    assert queue.last_refusal() == "none"
    queue.end_start("")
    assert queue.note_start() is True
    assert queue.take_start() is True


def stop(client: redis.Redis, admin: redis.Redis) -> None:
    """What POST /stop asks: refused while others wait or run, then forced."""
    clock = iter(range(10**15, 10**16, 61_000_000))
    queue = JobQueue(client, clock_us=lambda: next(clock))
    accept(admin, "j1", "bob")
    accept(admin, "gone", "eve")
    expire(admin, "gone", "eve")
    assert queue.stop_request("ann", force=False) is False
    assert Claims(admin, "i-1", life_s=300).next() is not None
    assert queue.stop_request("ann", force=False) is False
    end_lease(admin, "j1")
    accept(admin, "j2", "bob")
    assert queue.stop_request("bob", force=False) is True
    assert queue.stop_jobs("bob", force=False) == 2


ROLES: dict[str, Callable[[redis.Redis, redis.Redis], None]] = {
    "RouterUser": router,
    "NodeUser": node,
    "QueueHealthUser": health,
    "WakerUser": waker,
    "StopUser": stop,
}


def lessened(user: str) -> Iterator[tuple[str, list[str]]]:
    """Every way to grant this user a little less: without a command, without a key pattern, with a
    pattern for reading or for writing alone."""
    words = access_string(user).split()
    for at, word in enumerate(words):
        others = [words[:at], words[at + 1 :]]
        if word.startswith(("+", "~", "%")):
            yield f"without {word}", [*others[0], *others[1]]
        if word.startswith("~"):
            for way in ("%R", "%W"):
                yield f"{way}{word} for {word}", [*others[0], f"{way}{word}", *others[1]]


CASES = [
    pytest.param(user, rules, id=f"{user} {what}")
    for user in ROLES
    for what, rules in lessened(user)
]


@pytest.fixture
def run_as(
    redis_server: RedisServer, redis_client: redis.Redis
) -> Iterator[Callable[[str, list[str]], str | None]]:
    """Runs a role with an access string on an empty Redis; the code it fails with, or None."""

    def run(user: str, rules: list[str]) -> str | None:
        # The first evaluation after this sends the script, the second its digest.
        redis_client.flushall()
        redis_client.script_flush()
        redis_client.execute_command(  # type: ignore[no-untyped-call]
            "ACL", "SETUSER", "role", "reset", "on", "nopass", *rules
        )
        pool = redis.ConnectionPool(
            port=redis_server.port, username="role", password="x", decode_responses=True, protocol=2
        )
        with contextlib.closing(redis.Redis.from_pool(pool)) as client:
            try:
                ROLES[user](client, redis_client)
            except QueueUnavailable as error:
                return error.code
        return None

    yield run
    redis_client.acl_deluser("role")


@pytest.mark.parametrize("user", ROLES)
def test_role_works_with_its_access_string(
    user: str, run_as: Callable[[str, list[str]], str | None]
) -> None:
    """All that the role asks is granted."""
    assert run_as(user, access_string(user).split()) is None


@pytest.mark.parametrize(("user", "rules"), CASES)
def test_role_has_no_grant_to_spare(
    user: str, rules: list[str], run_as: Callable[[str, list[str]], str | None]
) -> None:
    """Each command and each key pattern, with its direction, is needed for something."""
    assert run_as(user, rules) == "auth"


def test_access_strings_grant_no_class_of_commands() -> None:
    """Commands are named singly: a class would grant what no test counts."""
    granted = {word for user in ROLES for word in access_string(user).split()}
    assert {word for word in granted if "@" in word} == {"-@all"}


@pytest.mark.parametrize(
    ("user", "command"),
    [
        ("RouterUser", ["SET", "reply:j1", "forged"]),
        ("RouterUser", ["DEL", "running"]),
        ("RouterUser", ["SET", "node:heartbeat", "forged"]),
        ("NodeUser", ["GET", "reply:j1"]),
        ("NodeUser", ["GET", "throttle:ann"]),
        ("QueueHealthUser", ["GET", "job:j1"]),
        ("WakerUser", ["GET", "reply:j1"]),
        ("StopUser", ["SET", "node:heartbeat", "forged"]),
    ],
)
def test_role_may_not_touch_what_is_another_s(
    user: str, command: list[str], redis_server: RedisServer, redis_client: redis.Redis
) -> None:
    """A stolen role forges no reply, no lease and no heartbeat, and reads no other user's reply."""
    rules = access_string(user).split()
    redis_client.execute_command(  # type: ignore[no-untyped-call]
        "ACL", "SETUSER", "role", "reset", "on", "nopass", *rules
    )
    pool = redis.ConnectionPool(port=redis_server.port, username="role", password="x", protocol=2)
    with contextlib.closing(redis.Redis.from_pool(pool)) as client:
        script = f"return redis.call({json.dumps(command)[1:-1]})"
        for words in (command, ["EVAL", script, "0"]):
            with pytest.raises(redis.ResponseError, match=r"(?i)permission|ACL failure"):
                client.execute_command(*words)  # type: ignore[no-untyped-call]
    redis_client.acl_deluser("role")


def _refused(call: Callable[[], object]) -> None:
    with pytest.raises(QueueError) as refused:
        call()
    if isinstance(refused.value, QueueUnavailable):
        raise refused.value
