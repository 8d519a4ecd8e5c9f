"""A connection that fails at any moment: the caller is told the truth, and nothing counts twice.

Long because each fault carries the words that docs/faults.md has of it.
"""

import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme

from tests.faults.faulty_front import FAULTS, Fault, FaultyFront
from tests.processes import RedisServer, until
from tinyllama.utils.aws.sigv4 import Credentials
from tinyllama.utils.queue import connection
from tinyllama.utils.queue.answers import JobState
from tinyllama.utils.queue.client import connect
from tinyllama.utils.queue.errors import QueueUnavailable
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.utils.settings import QueueAddress

COMMANDS_COLD = 3
"""AUTH, EVALSHA of a script that Redis does not know, EVAL."""


@pytest.fixture
def front(cache: RedisServer, authority: trustme.CA) -> Iterator[FaultyFront]:
    """The way to the test's Redis."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with FaultyFront(context, cache.port) as front:
        yield front


@pytest.fixture
def router(
    front: FaultyFront, authority_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[JobQueue]:
    """The router's queue, as it connects on AWS: TLS, a token, its own user, 50 ms a command."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file))
    address = QueueAddress("localhost", front.port, "the-cache", "router")
    credentials = Credentials("AKIAEXAMPLE", "secret", None)
    client = connect(address, lambda: credentials, "eu-central-1", timeout_s=0.2)
    with closing(client):
        yield JobQueue(client)


def accept(queue: JobQueue, job_id: str = "j1") -> bool:
    """Accept a job of ann's; True if it was known."""
    return queue.accept(job_id=job_id, sub="ann", prompt="p", idle=5, now_ms=0).repeated


def left_of(client: redis.Redis, job_id: str) -> list[str]:
    """The keys that hold something of the job; the lines and rings must agree."""
    found = [f"job:{job_id}"] if client.exists(f"job:{job_id}") else []
    found += ["waiting"] if client.zscore("waiting", f"{job_id} ann") is not None else []
    line = client.lrange("waiting:ann", 0, -1)
    found += ["line"] if job_id in line else []
    assert client.lrange("turns", 0, -1) == (["ann"] if line else [])
    return found


def requests_counted(client: redis.Redis) -> int:
    """How many requests of ann's the throttle has counted."""
    return len(str(client.get("throttle:ann") or "").split())


@dataclass(frozen=True)
class Case:
    """A fault at a round trip of a connection that is cold (nothing sent yet) or warm."""

    fault: Fault
    at: int
    is_cold: bool

    def __str__(self) -> str:
        return f"{'cold' if self.is_cold else 'warm'}, command {self.at}: {self.fault}"


CASES = [
    *(Case(fault, at, True) for fault in FAULTS for at in range(COMMANDS_COLD)),
    *(Case(fault, 0, False) for fault in FAULTS),
]


@pytest.mark.fault(
    fault="the connection stalls or is cut",
    place="any round trip of POST /infer",
    user_sees="503 `queue_unavailable`; `outcome: unknown` and the id once something was sent",
    lost="the job is whole or absent",
    recovers="the same key ends with one job",
)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_accept_that_fails_tells_what_became_of_the_job(
    case: Case, router: JobQueue, front: FaultyFront, client: redis.Redis
) -> None:
    """`none` means that Redis holds nothing of the request; `unknown` names the job. The job is
    whole or absent. Sending it again under the same id ends with one job, whatever happened."""
    if not case.is_cold:
        assert accept(router, "before") is False
        assert router.withdraw("before") is True
        client.delete("throttle:ann")
    front.arm(case.fault, case.at)
    with pytest.raises(QueueUnavailable) as refused:
        accept(router)
    assert refused.value.code in ("timeout", "refused")
    assert len(front.commands) == case.at + 1, "the fault came where it was meant to"
    # A command that arrived is carried out, also if the client is gone by then.
    is_written = case.at == (COMMANDS_COLD - 1 if case.is_cold else 0)
    is_written = is_written and not case.fault.endswith("it arrives")
    until(lambda: bool(left_of(client, "j1")) is is_written, what="Redis is done")
    assert left_of(client, "j1") == (["job:j1", "waiting", "line"] if is_written else [])
    was_opened = case.at > 0 or not case.is_cold
    assert refused.value.outcome == ("unknown" if was_opened else "none")
    assert refused.value.job_id == ("j1" if was_opened else None)
    if is_written:
        assert refused.value.outcome == "unknown"

    front.arm(None)
    assert accept(router) is is_written
    assert left_of(client, "j1") == ["job:j1", "waiting", "line"]
    assert client.lrange("waiting:ann", 0, -1) == ["j1"]
    assert requests_counted(client) == (2 if is_written else 1)


@pytest.mark.fault(
    fault="the connection stalls or is cut",
    place="a job is taken back",
    user_sees="503 `queue_unavailable`, `outcome: unknown` and the id",
    lost="the job is gone, or waits and is answered",
    recovers="GET tells",
)
@pytest.mark.parametrize("fault", FAULTS)
def test_withdraw_that_fails_tells_that_the_job_may_be_there(
    fault: Fault, router: JobQueue, front: FaultyFront, client: redis.Redis
) -> None:
    """The second round trip of a request: the job that was accepted may or may not be gone."""
    accept(router)
    accept(router, "j2")
    assert router.withdraw("j2") is True
    front.arm(fault)
    with pytest.raises(QueueUnavailable) as refused:
        router.withdraw("j1")
    assert (refused.value.outcome, refused.value.job_id) == ("unknown", "j1")
    is_gone = not fault.endswith("it arrives")
    until(lambda: bool(left_of(client, "j1")) is not is_gone, what="Redis is done")


@pytest.mark.fault(
    fault="the connection stalls or is cut",
    place="a read",
    user_sees="503 `queue_unavailable`",
    lost="nothing",
    recovers="ask again",
)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda queue: queue.state("j1", "ann"), id="state"),
        pytest.param(lambda queue: queue.depth(), id="depth"),
    ],
)
def test_read_that_fails_has_written_nothing(
    fault: Fault, read: Callable[[JobQueue], object], router: JobQueue, front: FaultyFront
) -> None:
    """A read leaves nothing behind, whether or not it arrived."""
    router.begin_start()
    front.arm(fault)
    with pytest.raises(QueueUnavailable) as refused:
        read(router)
    assert (refused.value.outcome, refused.value.job_id) == ("none", None)


@pytest.mark.fault(
    fault="the cache stalls after the write",
    place="POST /infer",
    user_sees="503 `queue_unavailable`, `outcome: unknown` and the id",
    lost="nothing: the job is queued",
    recovers="GET finds the job; the same key is the same job",
)
def test_cache_that_stalls_after_the_write_has_queued_the_job(
    router: JobQueue, cache: RedisServer, client: redis.Redis
) -> None:
    """Redis itself answers late: the job is in the queue, and its owner was told where to look."""
    accept(router, "before")
    busy = "local ends = os.clock() + 0.5; while os.clock() < ends do end"
    with closing(cache.client()) as other:
        connected: Any = other.connection_pool.get_connection()
        connected.send_command("EVAL", busy, 0)
        with pytest.raises(QueueUnavailable) as refused:
            accept(router)
    seen = (refused.value.code, refused.value.outcome, refused.value.job_id)
    assert seen == ("timeout", "unknown", "j1")
    until(lambda: client.exists("job:j1") == 1, what="the end of the pause")
    assert router.state("j1", "ann") == JobState("queued")
    assert accept(router) is True


@pytest.mark.fault(
    fault="an idle connection is forgotten by the network",
    place="the next request",
    user_sees="nothing",
    lost="nothing",
    recovers="after 60 s without use it is opened anew, before the command is sent",
)
def test_idle_connection_that_the_network_forgot_is_opened_anew(
    router: JobQueue, front: FaultyFront, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 60 s without use the connection is not trusted: the request passes, on a new one, and
    counts once."""
    clock = {"s": 0.0}
    monkeypatch.setattr(connection, "_clocks", lambda: (clock["s"], clock["s"]))
    accept(router, "before")
    front.forget_connections()
    front.arm(None)
    clock["s"] += 60
    started_s = time.monotonic()
    assert accept(router) is False
    assert time.monotonic() - started_s < 2
    assert front.connections == 1
    assert [command.split(b"\r\n")[2] for command in front.commands] == [b"AUTH", b"EVALSHA"]
    assert requests_counted(client) == 2


@pytest.mark.fault(
    fault="the network forgets a connection in use",
    place="a request within 60 s",
    user_sees="503 `queue_unavailable`, `outcome: unknown` and the id",
    lost="the job is whole or absent",
    recovers="the same key is safe; no hidden second attempt",
)
def test_connection_in_use_is_not_opened_anew(
    router: JobQueue, front: FaultyFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below 60 s it is used again; that a forgotten one then fails is told, and not hidden by a
    second attempt, which could queue the job twice."""
    clock = {"s": 0.0}
    monkeypatch.setattr(connection, "_clocks", lambda: (clock["s"], clock["s"]))
    accept(router, "before")
    front.arm(None)
    clock["s"] += 59.9
    assert accept(router, "again") is False
    assert (front.connections, len(front.commands)) == (0, 1)
    front.forget_connections()
    with pytest.raises(QueueUnavailable) as refused:
        accept(router)
    assert (refused.value.code, refused.value.outcome) == ("timeout", "unknown")


@pytest.mark.parametrize("frozen", [0, 1])
def test_idle_time_counts_by_either_clock(
    frozen: int, router: JobQueue, front: FaultyFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One clock may stand still while the function is frozen."""
    clock = [0.0, 0.0]
    monkeypatch.setattr(connection, "_clocks", lambda: (clock[0], clock[1]))
    accept(router, "before")
    front.arm(None)
    clock[1 - frozen] += 60
    assert accept(router) is False
    assert front.connections == 1


@pytest.mark.fault(
    fault="an idle connection is closed by the cache",
    place="the next request",
    user_sees="nothing",
    lost="nothing",
    recovers="it is opened anew, once, before the command is sent",
)
@pytest.mark.parametrize("way", ["reset", "end"])
def test_connection_that_was_closed_is_opened_anew(
    way: str, router: JobQueue, front: FaultyFront, client: redis.Redis
) -> None:
    """FIN or RST while idle: seen before the command is sent, so that counts once."""
    accept(router, "before")
    if way == "reset":
        front.cut()
    else:
        front.end()
    until(lambda: not front.is_open, what="the end of the connection")
    time.sleep(0.05)
    front.arm(None)
    assert accept(router) is False
    assert front.connections == 1
    assert requests_counted(client) == 2
    stored = json.loads(str(client.get("job:j1")))
    assert stored["id"] == "j1"


@pytest.mark.fault(
    fault="the cache is down",
    place="before a request",
    user_sees="503 `queue_unavailable`",
    lost="nothing was written",
    recovers="the next request connects anew",
)
def test_cache_that_is_gone_leaves_nothing(
    router: JobQueue, cache: RedisServer, front: FaultyFront
) -> None:
    """Opened anew once, and no more: what cannot be opened was not sent."""
    accept(router, "before")
    cache.kill()
    until(lambda: not front.is_open, what="the end of the connection")
    front.arm(None)
    with pytest.raises(QueueUnavailable) as refused:
        accept(router)
    assert (refused.value.outcome, refused.value.job_id) == ("none", None)
    assert front.connections <= 2
