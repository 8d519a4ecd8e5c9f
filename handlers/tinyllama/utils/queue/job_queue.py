"""The operations on the queue: an accepted job is whole in Redis, or it is not there at all.

Every operation is one round trip (`health` two), and none retries: a queue that does not answer in
time is unavailable, and the caller reports that. `redis_keys` lists what Redis holds.
"""

import hashlib
import importlib.resources
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from tinyllama.utils.queue.errors import KeyReused, QueueFull, RateLimited
from tinyllama.utils.queue.redis_errors import translated_errors
from tinyllama.utils.queue.redis_keys import (
    GROUP,
    HEARTBEAT,
    START,
    STREAM,
    job_key,
    reply_key,
    state_key,
    throttle_key,
)

if TYPE_CHECKING:
    import redis

MAX_JOBS: Final = 1000
"""Most jobs that may wait: more than a node answers within a job's life, and 7 MB at most."""
_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_START_LIFE_S: Final = 10
_OUTCOME_LIFE_S: Final = 2


@dataclass(frozen=True, slots=True)
class Acceptance:
    """`repeated`: the job existed, and nothing was queued. `node_awake`: a worker is present."""

    job_id: str
    node_awake: bool
    repeated: bool


@dataclass(frozen=True, slots=True)
class JobState:
    """`reply` is set with `done`, `error` (a public code) with `failed`."""

    status: Literal["queued", "running", "done", "failed"]
    reply: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """The time of one PING over an open connection; jobs that wait; jobs a worker holds."""

    latency_ms: float
    depth: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Jobs that wait, jobs a worker holds, and how long the oldest waiting job has waited."""

    waiting: int
    in_flight: int
    oldest_age_ms: int


class JobQueue:
    """What functions do with the queue. Every method can raise `QueueUnavailable`.

    Args:
        clock_us: the throttle's clock, microseconds; None is the server's own, the only clock that
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
        request does not.

        Args:
            idle: minutes the node is to stay up after its last job.
            now_ms: milliseconds since the epoch; stored with the job, decides nothing.

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
        keys = [throttle_key(sub), job_key(job_id), reply_key(job_id), STREAM, HEARTBEAT]
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
        """Take a job back; False if a worker holds it already, or it does not exist."""
        with translated_errors():
            return bool(self._withdraw([job_key(job_id), STREAM], [GROUP]))

    def begin_start(self) -> str | None:
        """Try to become the one request that looks for the node and starts it.

        Returns:
            None to the request that may look, and must call `end_start`; to every other request the
            outcome of that look, empty until it is over.
        """
        with translated_errors():
            outcome: Any = self._client.set(START, "", nx=True, get=True, ex=_START_LIFE_S)
        return None if outcome is None else str(outcome)

    def end_start(self, outcome: str) -> None:
        """Publish the outcome to the other requests for 2 s; if empty, the next request looks."""
        with translated_errors():
            if outcome:
                self._client.set(START, outcome, ex=_OUTCOME_LIFE_S)
            else:
                self._client.delete(START)

    def state(self, job_id: str, sub: str) -> JobState | None:
        """Read this owner's job; None if Redis has no such job, or another owner's."""
        with translated_errors():
            # One command: between two, an answer could take the job away and not be seen yet.
            reply, job, state = self._client.mget(
                reply_key(job_id), job_key(job_id), state_key(job_id)
            )
        document: dict[str, Any] = json.loads(reply or job or "{}")
        if document.get("sub") != sub:
            return None
        if reply is None:
            return JobState("queued" if state is None else "running")
        return JobState(
            document["status"], reply=document.get("reply"), error=document.get("error")
        )

    def depth(self) -> QueueDepth:
        """Count the jobs that wait and the jobs that workers hold."""
        with translated_errors():
            return QueueDepth(*self._depth([STREAM], [GROUP]))

    def health(self) -> QueueHealth:
        """Read the depth, then time one PING on the connection that the depth has opened."""
        depth = self.depth()
        started = time.perf_counter()
        with translated_errors():
            self._client.ping()
        latency_ms = (time.perf_counter() - started) * 1000
        return QueueHealth(latency_ms, depth.waiting, depth.in_flight)


def _fingerprint(prompt: str, idle: int) -> str:
    return hashlib.sha256(f"{idle}:{prompt}".encode()).hexdigest()[:32]


def _script(name: str) -> str:
    scripts = importlib.resources.files("tinyllama.utils.queue")
    return scripts.joinpath(f"{name}.lua").read_text("utf-8")
