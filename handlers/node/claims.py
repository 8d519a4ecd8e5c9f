"""Claiming jobs so that a crash at any point loses none.

A claimed job stays in `running` under the worker's name until the worker answers it. The claim
gives a worker first what it holds and does not run: its name is its instance's id, also after a
reboot, and the same for all of its slots, so that any slot goes on with what a crash left. Then it
gives what another worker held until its lease ended, then the next turn's job. A reply that was
lost on its way costs nothing: the next claim gives the same job, and only `begin` counts.
"""

import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Literal

import redis

from tinyllama.utils.observability import logs
from tinyllama.utils.queue.redis_errors import translated_errors
from tinyllama.utils.queue.redis_keys import BELL, LOADING
from tinyllama.utils.queue.scripts import Script

LEASE_S: Final = 60
BEAT_LIFE_S: Final = 10


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that this worker holds.

    `accepted_ms` tells it from a later job under the same id. `deadline_s`: the end of its life by
    the monotonic clock. `begun`: how often a worker had asked the model before this claim.
    `idle_min`: how long its owner wants the node to stay up after it.
    """

    job_id: str
    sub: str
    prompt: str
    body: str
    accepted_ms: int
    deadline_s: float
    begun: int
    idle_min: int


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` is the reply if the job is `done`, the public error code if it `failed`."""

    status: Literal["done", "failed"]
    text: str


class Claims:
    """One worker's side of the queue. Every method can raise `QueueUnavailable`.

    Args:
        client: its timeout must be longer than the wait for the bell.
        consumer: this worker's name, the same after a restart.
        life_s: the worker does not begin a job that has been queued for longer.
    """

    def __init__(
        self, client: redis.Redis, consumer: str, *, life_s: int, lease_s: int = LEASE_S
    ) -> None:
        self._client = client
        self._consumer = consumer
        self._life_ms = life_s * 1000
        self._lease_ms = lease_s * 1000
        self._claim = _script(client, "claim")
        self._begin = _script(client, "begin")
        self._beat = _script(client, "beat")
        self._answer = _script(client, "answer")
        self._refuse = _script(client, "refuse")

    def wait(self, limit_s: float) -> None:
        """Wait for the bell, which rings when a job is accepted; no longer than `limit_s`."""
        with translated_errors(writes=True):
            self._client.blpop([BELL], timeout=limit_s)

    def next(self, running: Collection[str] = ()) -> Claim | None:
        """Claim the next job that can be run; None if none waits.

        Args:
            running: ids that this worker runs now, which it is not given again.
        """
        while True:
            with translated_errors(writes=True):
                claimed = self._claim(self._consumer, self._life_ms, self._lease_ms, *running)
            if not claimed:
                return None
            job_id, sub, stored, left_ms, begun, accepted_ms = claimed
            try:
                job = json.loads(stored)
                return Claim(
                    job_id=job_id,
                    sub=sub,
                    prompt=job["prompt"],
                    body=job["body"],
                    accepted_ms=accepted_ms,
                    deadline_s=time.monotonic() + left_ms / 1000,
                    begun=begun,
                    idle_min=int(job["idle"]),
                )
            except (ValueError, TypeError, KeyError):
                # Another version wrote it. It would end every start.
                logs.write("ERROR", event="job_unreadable", id=job_id)
                with translated_errors(writes=True):
                    self._refuse(job_id, sub)

    def begin(self, claim: Claim) -> bool:
        """Count that the model is asked now; False if this worker lost the job.

        Calling it again with the same claim counts nothing more.
        """
        with translated_errors(writes=True):
            attempt = claim.begun + 1
            return bool(self._begin(claim.job_id, self._consumer, attempt, self._lease_ms))

    def answer(self, claim: Claim, answer: Answer) -> bool:
        """Store the answer for its owner and end the job; False if it already has an answer."""
        document: dict[str, Any] = {
            "sub": claim.sub,
            "status": answer.status,
            "reply" if answer.status == "done" else "error": answer.text,
            "ts": time.time_ns() // 1_000_000,
            "body": claim.body,
        }
        job = (claim.job_id, claim.sub, claim.body, claim.accepted_ms)
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        with translated_errors(writes=True):
            return bool(self._answer(*job, answer.status, text))

    def beat(
        self, node_id: str, running: Collection[str] = (), *, loading: bool = False
    ) -> list[str]:
        """Show that the worker is present and restart the leases of the jobs that it runs.

        Args:
            loading: owners are told that the model is not ready yet.

        Returns:
            Ids of those jobs that are not this worker's any more.
        """
        life = (BEAT_LIFE_S, self._consumer, self._lease_ms)
        with translated_errors(writes=True):
            shown = node_id + LOADING if loading else node_id
            return list(self._beat(shown, *life, *running))


def _script(client: redis.Redis, name: str) -> Script:
    return Script(client, name, "jobs", package="node")
