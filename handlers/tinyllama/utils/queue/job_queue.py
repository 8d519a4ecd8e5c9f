"""The queue: an accepted job is whole in Redis, or it is not there at all.

Every function here is at most one round trip, and none tries twice: a queue that does not answer in
time is unavailable, and the caller says so. Keys, all without a prefix as a cache serves one stack:

    job:{id}         JSON object, 300 s: id, prompt, idle, sub, reply, ts, body (fingerprint), entry
    jobs             stream, one entry {"id"} a job; group `workers`; answered entries are deleted
    state:{id}       "running", written by the worker for the rest of the job's life
    reply:{id}       JSON object, 600 s: sub, status, reply or error, ts, body; written once
    throttle:{sub}   times (us) of the requests that passed: at most 5 in 1 s and 20 in 60 s; 61 s
    node:heartbeat   10 s, refreshed by the worker
    node:start       who looks for the node has it: empty for 10 s, then for 2 s what came of it

redis-py is loaded when a client is made, not with this module: a refused token does not pay for it.
"""

import hashlib
import importlib.resources
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from tinyllama.utils.aws.sigv4 import Credentials

if TYPE_CHECKING:
    import redis

STREAM: Final = "jobs"
GROUP: Final = "workers"
HEARTBEAT: Final = "node:heartbeat"
MAX_JOBS: Final = 1000
"""Most jobs that may wait: more than a node answers within a job's life, and 7 MB at most."""
_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_START: Final = "node:start"
_START_LIFE_S: Final = 10
_OUTCOME_LIFE_S: Final = 2

ErrorCode = Literal["timeout", "refused", "auth", "error"]


class QueueError(Exception):
    """The queue did not do what was asked."""


class QueueUnavailable(QueueError):
    """Redis did not answer, refused, or could not do it. `code` is public, the cause is not."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(code)
        self.code: ErrorCode = code


class QueueFull(QueueUnavailable):
    """`MAX_JOBS` jobs are in the queue already; nothing was written, the throttle did not count."""

    def __init__(self) -> None:
        super().__init__("error")


class RateLimited(QueueError):
    """The owner made 5 requests within 1 s or 20 within 60 s."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class KeyReused(QueueError):
    """The id is known, with another prompt or idle time."""


@dataclass(frozen=True, slots=True)
class QueueAddress:
    """Where the cache is, and as whom it is used."""

    host: str
    port: int
    cache: str
    user: str


@dataclass(frozen=True, slots=True)
class Acceptance:
    """`repeated`: the job was known, and nothing was queued. `node_awake`: a worker is present."""

    job_id: str
    node_awake: bool
    repeated: bool


@dataclass(frozen=True, slots=True)
class JobState:
    """`reply` stands with `done`, `error` (a public code) with `failed`."""

    status: Literal["queued", "running", "done", "failed"]
    reply: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """One PING over an open connection; jobs that wait; jobs a worker holds."""

    latency_ms: float
    depth: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Jobs that wait, jobs a worker holds, and how long the first has waited."""

    waiting: int
    in_flight: int
    oldest_age_ms: int


def connect(
    address: QueueAddress,
    credentials: Callable[[], Credentials],
    region: str,
    *,
    timeout_s: float = 0.05,
    connect_timeout_s: float = 0.5,
) -> "redis.Redis":
    """A client that connects on first use, over TLS, with a fresh IAM token each time.

    Args:
        credentials: asked once for each connection.
        timeout_s: for each command; a blocking read needs more than it blocks.
        connect_timeout_s: for each step of opening a connection.
    """
    from tinyllama.utils.queue import connection

    token = connection.IamToken(credentials, cache=address.cache, user=address.user, region=region)
    return connection.client(
        address.host,
        address.port,
        token,
        timeout_s=timeout_s,
        connect_timeout_s=connect_timeout_s,
    )


class JobQueue:
    """What functions do with the queue. Every method can raise `QueueUnavailable`.

    Args:
        clock_us: the throttle's clock, microseconds; None is the server's own, the only one that
            all functions share.
    """

    def __init__(self, client: "redis.Redis", *, clock_us: Callable[[], int] | None = None) -> None:
        self._client = client
        self._clock_us = clock_us
        self._accept = client.register_script(_script("accept"))
        self._withdraw = client.register_script(_script("withdraw"))
        self._depth = client.register_script(_script("depth"))

    def accept(self, *, job_id: str, sub: str, prompt: str, idle: int, now_ms: int) -> Acceptance:
        """Throttle the owner, recognise a repeat, queue the job: one script, all or nothing.

        A request that passed the throttle counts, also when it repeats or reuses an id; a refused
        one does not.

        Args:
            idle: minutes the node is to stay up after its last job.
            now_ms: milliseconds since the epoch; kept with the job, decides nothing.

        Raises:
            RateLimited, KeyReused, QueueFull
        """
        body = _fingerprint(prompt, idle)
        job = {
            "id": job_id,
            "prompt": prompt,
            "idle": idle,
            "sub": sub,
            "reply": reply_key(job_id),
            "ts": now_ms,
            "body": body,
        }
        keys = [f"throttle:{sub}", job_key(job_id), reply_key(job_id), STREAM, HEARTBEAT]
        document = _JSON.encode(job)
        now_us = "" if self._clock_us is None else self._clock_us()
        with translated_errors():
            verdict, value = self._accept(keys, [job_id, body, document, MAX_JOBS, now_us])
        match verdict:
            case 0:
                raise RateLimited(value)
            case 3:
                raise KeyReused
            case 4:
                raise QueueFull
        return Acceptance(job_id, node_awake=value == 1, repeated=verdict == 2)

    def withdraw(self, job_id: str) -> bool:
        """Take a job back; False if a worker holds it already, or there is none."""
        with translated_errors():
            return bool(self._withdraw([job_key(job_id), STREAM], [GROUP]))

    def begin_start(self) -> str | None:
        """The right to look for the node and to start it, for one of many who find it asleep.

        Returns:
            None to the one who has it now and must `end_start`; to the others what came of it,
            empty while that is not known.
        """
        with translated_errors():
            found: Any = self._client.set(_START, "", nx=True, get=True, ex=_START_LIFE_S)
        return None if found is None else str(found)

    def end_start(self, outcome: str) -> None:
        """Tell the others what came of it for 2 s; an empty outcome lets the next one look."""
        with translated_errors():
            if outcome:
                self._client.set(_START, outcome, ex=_OUTCOME_LIFE_S)
            else:
                self._client.delete(_START)

    def state(self, job_id: str, sub: str) -> JobState | None:
        """How the job of this owner stands; None if Redis knows of none, or of another's."""
        with translated_errors():
            # One command: between two, an answer could take the job away and not be seen yet.
            reply, job, state = self._client.mget(
                reply_key(job_id), job_key(job_id), state_key(job_id)
            )
        found: dict[str, Any] = json.loads(reply or job or "{}")
        if found.get("sub") != sub:
            return None
        if reply is None:
            return JobState("queued" if state is None else "running")
        return JobState(found["status"], reply=found.get("reply"), error=found.get("error"))

    def depth(self) -> QueueDepth:
        """What waits and what is being worked on."""
        with translated_errors():
            return QueueDepth(*self._depth([STREAM], [GROUP]))

    def health(self) -> QueueHealth:
        """The depth, then the time of one PING on the connection that the depth has opened."""
        depth = self.depth()
        started = time.perf_counter()
        with translated_errors():
            self._client.ping()
        latency_ms = (time.perf_counter() - started) * 1000
        return QueueHealth(latency_ms, depth.waiting, depth.in_flight)


def job_key(job_id: str) -> str:
    """The key of the job itself."""
    return f"job:{job_id}"


def reply_key(job_id: str) -> str:
    """The key of the job's answer."""
    return f"reply:{job_id}"


def state_key(job_id: str) -> str:
    """The key that says a worker runs the job."""
    return f"state:{job_id}"


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn whatever redis-py raises into `QueueUnavailable`."""
    from redis import exceptions

    try:
        yield
    except exceptions.RedisError as error:
        raise QueueUnavailable(_code(error)) from error


def _code(error: Exception) -> ErrorCode:
    from redis import exceptions

    match error:
        case exceptions.TimeoutError():
            return "timeout"
        case (
            exceptions.AuthenticationError()
            | exceptions.AuthorizationError()
            | exceptions.NoPermissionError()
        ):
            return "auth"
        case exceptions.BusyLoadingError():
            return "error"
        case exceptions.ConnectionError():
            return "refused"
        case exceptions.ResponseError() if "ACL failure in script" in str(error):
            # A command that the access string leaves out: NOPERM, in a script's words.
            return "auth"
    return "error"


def _fingerprint(prompt: str, idle: int) -> str:
    return hashlib.sha256(f"{idle}:{prompt}".encode()).hexdigest()[:32]


def _script(name: str) -> str:
    return (
        importlib.resources.files("tinyllama.utils.queue")
        .joinpath(f"{name}.lua")
        .read_text("utf-8")
    )
