"""Claiming jobs from the stream so that a crash at any point loses none.

An entry that was delivered stays pending under its consumer's name until it is answered. A worker
therefore begins with what is pending under its own name, which is its instance's and survives a
reboot; takes over what another has left for longer than its lease; and only then waits for new
entries. Whenever a read failed, an entry may have been delivered without having arrived, so the
next read begins with the worker's own again.
"""

import importlib.resources
import json
import time
from dataclasses import dataclass
from typing import Any, Literal

import redis

from tinyllama.utils.observability import logs
from tinyllama.utils.queue.job_queue import (
    GROUP,
    STREAM,
    QueueUnavailable,
    job_key,
    reply_key,
    state_key,
    translated_errors,
)

LEASE_S = 60
_LOOK_AT_OTHERS_S = 15


@dataclass(frozen=True, slots=True)
class Claim:
    """A job this worker holds. `deadline_s`: end of its life by the monotonic clock."""

    entry: str
    job_id: str
    sub: str
    prompt: str
    body: str
    deadline_s: float
    deliveries: int


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` is the reply of a `done` job, the public error code of a `failed` one."""

    status: Literal["done", "failed"]
    text: str


class Claims:
    """One worker's side of the stream. Every method can raise `QueueUnavailable`.

    Args:
        client: its timeout must be longer than the blocking reads asked of it.
        consumer: this worker's name, the same after a restart.
        life_s: a job is not begun when it has been queued for longer.
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
        """The next job to run; None if there was none, or only an entry without a job."""
        try:
            with translated_errors():
                found = self._read(block_ms)
                return None if found is None else self._begin(*found)
        except QueueUnavailable as error:
            self._own_first = True
            if not _group_is_missing(error.__cause__):
                raise
            self._make_group()
            return None

    def answer(self, claim: Claim, answer: Answer) -> bool:
        """Store the answer for its owner and acknowledge; False if there was an answer already."""
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
        """Begin the lease anew; False if another worker has taken the job over."""
        with translated_errors():
            return bool(self._renew([STREAM], [GROUP, self._consumer, claim.entry]))

    def _read(self, block_ms: int) -> tuple[str, dict[str, str] | None] | None:
        if self._own_first:
            found = self._read_group("0", None)
            if found is not None:
                return found
            self._own_first = False
        now_s = time.monotonic()
        if now_s >= self._others_at_s:
            found = self._take_over()
            if found is not None:
                return found
            self._others_at_s = now_s + _LOOK_AT_OTHERS_S
        return self._read_group(">", block_ms)

    def _read_group(
        self, after: str, block_ms: int | None
    ) -> tuple[str, dict[str, str] | None] | None:
        found: Any = self._client.xreadgroup(
            GROUP, self._consumer, {STREAM: after}, count=1, block=block_ms
        )
        entries = found[0][1] if found else []
        return entries[0] if entries else None

    def _take_over(self) -> tuple[str, dict[str, str] | None] | None:
        found: Any = self._client.xautoclaim(
            STREAM, GROUP, self._consumer, min_idle_time=self._lease_s * 1000, count=1
        )
        return found[1][0] if found[1] else None

    def _begin(self, entry: str, fields: dict[str, str] | None) -> Claim | None:
        # An entry that was trimmed away while it was pending comes without fields.
        job_id = (fields or {}).get("id", "")
        keys = [job_key(job_id), state_key(job_id), reply_key(job_id), STREAM]
        given: list[str | int] = [GROUP, self._consumer, entry, self._life_s * 1000]
        begun = self._claim(keys, given)
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
            )
        except (ValueError, TypeError, KeyError):
            # Not written by this version. It has no owner to tell, and would end every start.
            logs.write("error", event="job_unreadable", id=job_id)
            self._client.delete(job_key(job_id), state_key(job_id))
            self._claim(keys, given)
            return None

    def _make_group(self) -> None:
        """From the stream's beginning, as entries may have come before the group."""
        try:
            with translated_errors():
                self._client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except QueueUnavailable as error:
            if "BUSYGROUP" not in str(error.__cause__):
                raise


def _group_is_missing(error: BaseException | None) -> bool:
    """True after the cache came back empty; UNBLOCKED is what a read that waited is told."""
    return isinstance(error, redis.ResponseError) and any(
        word in str(error) for word in ("NOGROUP", "UNBLOCKED")
    )


def _script(name: str) -> str:
    return importlib.resources.files("node").joinpath(f"{name}.lua").read_text("utf-8")
