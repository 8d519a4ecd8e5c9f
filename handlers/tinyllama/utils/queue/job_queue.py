"""The operations on the queue: an accepted job is whole in Redis, or it is not there at all.

Every operation is one script and one round trip (`health` two), and none retries: a queue that does
not answer in time is unavailable, and the error says whether something may have been written.
`redis_keys` lists what Redis holds.
"""

import hashlib
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal

from tinyllama.utils.queue.answers import (
    WORTH_A_START_MS,
    Acceptance,
    JobState,
    QueueDepth,
    QueueHealth,
    Sweep,
)
from tinyllama.utils.queue.errors import KeyReused, QueueFull, RateLimited, TooManyWaiting
from tinyllama.utils.queue.redis_errors import translated_errors
from tinyllama.utils.queue.redis_keys import ASKED, REFUSAL, START, reply_key
from tinyllama.utils.queue.scripts import Script

if TYPE_CHECKING:
    import redis

MAX_JOBS: Final = 1000
"""Most jobs that may wait: more than a node answers within a job's life, and 7 MB at most."""
MAX_WAITING_PER_USER: Final = 20
"""Most jobs of one user that may wait: what the throttle passes within a minute."""
_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_START_LIFE_S: Final = 28
"""The time limit of the functions that look for the node: no look takes longer."""
_REFUSAL_LIFE_S: Final = 300
_ASKED_LIFE_S: Final = 300
_OUTCOME_LIFE_S: Final = 2


class JobQueue:
    """What functions do with the queue. Every method can raise `QueueUnavailable`.

    Args:
        clock_us: the throttle's clock, microseconds; None is the server's own, the only clock that
            all functions share.
    """

    def __init__(self, client: "redis.Redis", *, clock_us: Callable[[], int] | None = None) -> None:
        self._client = client
        self._clock_us = clock_us
        self._accept = Script(client, "accept", "throttle", "jobs")
        self._withdraw = Script(client, "withdraw", "jobs")
        self._state = Script(client, "state", "jobs")
        self._depth = Script(client, "depth", "jobs")
        self._sweep = Script(client, "sweep", "jobs")
        self._stop_request = Script(client, "stop_request", "throttle", "jobs")
        self._stop_jobs = Script(client, "stop_jobs", "jobs")
        self._begin_start = Script(client, "begin_start")
        self._note_start = Script(client, "note_start")

    def accept(self, *, job_id: str, sub: str, prompt: str, idle: int, now_ms: int) -> Acceptance:
        """Throttle the owner, recognise a repeat, queue the job: one script, all or nothing.

        A request that passed the throttle counts, also when it repeats or reuses an id; a refused
        request does not.

        Args:
            idle: minutes the node is to stay up after its last job.
            now_ms: milliseconds since the epoch; stored with the job, decides nothing.

        Raises:
            RateLimited, TooManyWaiting, KeyReused, QueueFull
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
        document = _JSON.encode(job)
        bounds = (MAX_JOBS, MAX_WAITING_PER_USER)
        with translated_errors(writes=True, job_id=job_id):
            verdict, value = self._accept(job_id, sub, body, document, *bounds, self._now_us())
        match verdict:
            case 0:
                raise RateLimited(value)
            case 3:
                raise KeyReused
            case 4:
                raise QueueFull
            case 5:
                raise TooManyWaiting(value)
        return Acceptance(job_id, node_awake=value == 1, repeated=verdict == 2)

    def withdraw(self, job_id: str) -> bool:
        """Take a job back; False if a worker holds it, a repeat was promised it, or it is gone."""
        with translated_errors(writes=True, job_id=job_id):
            return bool(self._withdraw(job_id))

    def begin_start(self) -> str | None:
        """Try to become the one request that looks for the node and starts it.

        Returns:
            None to the request that may look, and must call `end_start`; to every other request the
            outcome of that look, empty until it is over.
        """
        with translated_errors(writes=True):
            outcome = self._begin_start(_START_LIFE_S)
        return None if outcome is None else str(outcome)

    def end_start(self, outcome: str) -> None:
        """Publish the outcome to the other requests for 2 s; if empty, the next request looks."""
        with translated_errors(writes=True):
            if outcome:
                self._client.set(START, outcome, ex=_OUTCOME_LIFE_S)
            else:
                self._client.delete(START)

    def remember_refusal(self, reason: str) -> None:
        """Keep the reason why there was no node to start, for the owners who are told later."""
        with translated_errors(writes=True):
            self._client.set(REFUSAL, reason, ex=_REFUSAL_LIFE_S)

    def last_refusal(self) -> str | None:
        """Read why there was no node to start at the last look that was refused; None if the last
        refusal is five minutes old."""
        with translated_errors():
            reason = self._client.get(REFUSAL)
        return reason if isinstance(reason, str) else None

    def note_start(self) -> bool:
        """Note, before EC2 is asked to start the node, that one start is to be counted.

        Returns:
            False if an earlier start is noted: nobody has seen yet whether it worked.
        """
        with translated_errors(writes=True):
            return bool(self._note_start(_ASKED_LIFE_S))

    def take_start(self) -> bool:
        """Take the note back; true to the one caller that may count the start."""
        with translated_errors(writes=True):
            return bool(self._client.delete(ASKED))

    def state(self, job_id: str, sub: str) -> JobState | None:
        """Read this owner's job; None if Redis has no such job, or another owner's."""
        with translated_errors():
            # One script: between two commands an answer could take the job away unseen.
            reply, job, is_held, is_awake, age_ms = self._state(job_id, sub)
        document: dict[str, Any] = json.loads(reply or job or "{}")
        if document.get("sub") != sub:
            return None
        node_awake = is_awake != 0
        if reply is None:
            return JobState(
                _waiting_status(is_held, is_awake), node_awake=node_awake, age_ms=age_ms
            )
        return JobState(
            document["status"],
            reply=document.get("reply"),
            error=document.get("error"),
            reason=document.get("reason"),
            node_awake=node_awake,
        )

    def sweep(self, *, older_than_ms: int, error: str, reason: str | None = None) -> Sweep:
        """Fail each job that has waited for longer than `older_than_ms`; count the others.

        Args:
            error: the public code that the owners of those jobs are told, with `reason`.
        """
        with translated_errors(writes=True):
            waiting, in_flight, is_awake, failed, young = self._sweep(
                older_than_ms, error, reason or "", WORTH_A_START_MS
            )
        return Sweep(waiting, in_flight, is_awake == 1, failed, young)

    def stop_request(self, sub: str, *, force: bool, is_counted: bool = True) -> bool:
        """Throttle the owner; true if they may stop the node: no job of others waits or runs.

        Args:
            force: true although others use the node.
            is_counted: whether the throttle counts it; false if the same request asks again.

        Raises:
            RateLimited: requests to stop and to infer count together.
        """
        with translated_errors(writes=True):
            verdict, value = self._stop_request(sub, int(force), self._now_us(), int(is_counted))
        if verdict == 0:
            raise RateLimited(value)
        return bool(verdict == 2)

    def stop_jobs(self, sub: str, *, force: bool) -> int:
        """Fail the owner's jobs with `node_stopped`; return how many.

        Jobs that wait fail too: left waiting, they would have the node started again.

        Args:
            force: fail the jobs of others too.
        """
        with translated_errors(writes=True):
            return int(self._stop_jobs(sub, int(force), "node_stopped"))

    def depth(self) -> QueueDepth:
        """Count the jobs that wait and the jobs that workers hold."""
        with translated_errors():
            return QueueDepth(*self._depth())

    def health(self) -> QueueHealth:
        """Read the depth, then time one PING on the connection that the depth has opened."""
        depth = self.depth()
        started = time.perf_counter()
        with translated_errors():
            self._client.ping()
        latency_ms = (time.perf_counter() - started) * 1000
        return QueueHealth(latency_ms, depth.waiting, depth.in_flight)

    def _now_us(self) -> str | int:
        return "" if self._clock_us is None else self._clock_us()


def _waiting_status(is_held: int, is_awake: int) -> Literal["queued", "loading", "running"]:
    """The status of a job without an answer, by `state.lua`."""
    if is_held and is_awake:
        # The heartbeat may be 2 s old: the model was ready when the worker claimed the job.
        return "running"
    return "loading" if is_awake == 2 else "queued"


def _fingerprint(prompt: str, idle: int) -> str:
    return hashlib.sha256(f"{idle}:{prompt}".encode()).hexdigest()[:32]
