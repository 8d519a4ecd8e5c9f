"""Claiming jobs from the stream so that a crash at any point loses none.

A delivered entry stays pending under its consumer's name until the worker answers it. A worker
therefore first reads the entries pending under its own name, which is its instance's id and
survives a reboot; then takes over entries that another worker has left for longer than the lease;
and only then waits for new entries. When a read fails, Redis may have delivered an entry that never
arrived, so the next read begins with the worker's own entries again.
"""

import importlib.resources
import json
import time
from dataclasses import dataclass
from typing import Any, Literal

import redis

from node.activity import DEFAULT_IDLE_MIN
from tinyllama.utils.observability import logs
from tinyllama.utils.queue.errors import QueueUnavailable
from tinyllama.utils.queue.redis_errors import translated_errors
from tinyllama.utils.queue.redis_keys import GROUP, STREAM, job_key, reply_key, state_key

LEASE_S = 60
_LOOK_AT_OTHERS_S = 15


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that this worker holds. `deadline_s`: end of its life by the monotonic clock;
    `idle_min`: how long its owner wants the node to stay up after it."""

    entry: str
    job_id: str
    sub: str
    prompt: str
    body: str
    deadline_s: float
    deliveries: int
    idle_min: int = DEFAULT_IDLE_MIN


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` is the reply if the job is `done`, the public error code if it `failed`."""

    status: Literal["done", "failed"]
    text: str


class Claims:
    """One worker's side of the stream. Every method can raise `QueueUnavailable`.

    Args:
        client: its timeout must be longer than the blocking reads.
        consumer: this worker's name, the same after a restart.
        life_s: the worker does not begin a job that has been queued for longer.
    """

    def __init__(
        self, client: redis.Redis, consumer: str, *, life_s: int, lease_s: int = LEASE_S
    ) -> None:
        self._client = client
        self._consumer = consumer
        self._life_s = life_s
        self._lease_s = lease_s
        self._claim = client.register_script(_script("claim"))
        self._answer = client.register_script(_script("answer"))
        self._renew = client.register_script(_script("renew"))
        self._own_first = True
        self._others_at_s = 0.0

    def next(self, block_ms: int) -> Claim | None:
        """Claim the next job; None if no entry came in time, or the entry has no job to run."""
        try:
            with translated_errors():
                delivered = self._read(block_ms)
                return None if delivered is None else self._begin(*delivered)
        except QueueUnavailable as error:
            self._own_first = True
            if not _group_is_missing(error.__cause__):
                raise
            self._make_group()
            return None

    def answer(self, claim: Claim, answer: Answer) -> bool:
        """Store the answer for its owner and acknowledge; False if it already has an answer."""
        document: dict[str, Any] = {
            "sub": claim.sub,
            "status": answer.status,
            "reply" if answer.status == "done" else "error": answer.text,
            "ts": time.time_ns() // 1_000_000,
            "body": claim.body,
        }
        job_id = claim.job_id
        keys = [reply_key(job_id), job_key(job_id), state_key(job_id), STREAM]
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        with translated_errors():
            return bool(self._answer(keys, [GROUP, claim.entry, claim.body, text]))

    def renew(self, claim: Claim) -> bool:
        """Restart the lease; False if another worker has taken the job over."""
        with translated_errors():
            return bool(self._renew([STREAM], [GROUP, self._consumer, claim.entry]))

    def _read(self, block_ms: int) -> tuple[str, dict[str, str] | None] | None:
        if self._own_first:
            own = self._read_group("0", None)
            if own is not None:
                return own
            self._own_first = False
        now_s = time.monotonic()
        if now_s >= self._others_at_s:
            abandoned = self._take_over()
            if abandoned is not None:
                return abandoned
            self._others_at_s = now_s + _LOOK_AT_OTHERS_S
        return self._read_group(">", block_ms)

    def _read_group(
        self, after: str, block_ms: int | None
    ) -> tuple[str, dict[str, str] | None] | None:
        streams: Any = self._client.xreadgroup(
            GROUP, self._consumer, {STREAM: after}, count=1, block=block_ms
        )
        entries = streams[0][1] if streams else []
        return entries[0] if entries else None

    def _take_over(self) -> tuple[str, dict[str, str] | None] | None:
        claimed: Any = self._client.xautoclaim(
            STREAM, GROUP, self._consumer, min_idle_time=self._lease_s * 1000, count=1
        )
        entries = claimed[1]
        return entries[0] if entries else None

    def _begin(self, entry: str, fields: dict[str, str] | None) -> Claim | None:
        # An entry that Redis trimmed while it was pending comes without fields.
        job_id = (fields or {}).get("id", "")
        keys = [job_key(job_id), state_key(job_id), reply_key(job_id), STREAM]
        arguments: list[str | int] = [GROUP, self._consumer, entry, self._life_s * 1000]
        begun = self._claim(keys, arguments)
        if not begun:
            return None
        stored, left_ms, deliveries = begun
        try:
            job = json.loads(stored)
            return Claim(
                entry=entry,
                job_id=job_id,
                sub=job["sub"],
                prompt=job["prompt"],
                body=job["body"],
                deadline_s=time.monotonic() + left_ms / 1000,
                deliveries=deliveries,
                idle_min=int(job["idle"]),
            )
        except (ValueError, TypeError, KeyError):
            # Another version wrote it. Its owner is unknown, and it would end every start.
            logs.write("ERROR", event="job_unreadable", id=job_id)
            self._client.delete(job_key(job_id), state_key(job_id))
            self._claim(keys, arguments)
            return None

    def _make_group(self) -> None:
        """Create the group at the stream's beginning, as entries may have come before it."""
        try:
            with translated_errors():
                self._client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except QueueUnavailable as error:
            if "BUSYGROUP" not in str(error.__cause__):
                raise


def _group_is_missing(error: BaseException | None) -> bool:
    """True after the cache came back empty; a read that was waiting then fails with UNBLOCKED."""
    return isinstance(error, redis.ResponseError) and any(
        word in str(error) for word in ("NOGROUP", "UNBLOCKED")
    )


def _script(name: str) -> str:
    return importlib.resources.files("node").joinpath(f"{name}.lua").read_text("utf-8")
