"""What the queue says: of a job, of a request, of itself."""

from dataclasses import dataclass, field
from typing import Final, Literal

WORTH_A_START_MS: Final = 120_000
"""A job that has waited for longer starts no node: a boot takes 90 s, and at 210 s the waker tells
the owner that nobody began the job."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """`repeated`: the job existed, and nothing was queued. `node_awake`: a worker is present."""

    job_id: str
    node_awake: bool
    repeated: bool


@dataclass(frozen=True, slots=True)
class JobState:
    """Where a job stands.

    `running` only while a worker holds the job and beats; a job whose worker is gone is `queued`
    again. `loading` while it waits for a worker that beats and whose model is not ready yet.
    `reply` is set with `done`, `error` (a public code) with `failed`, and `reason` where the error
    has one. `age_ms`: since the job was accepted; 0 once it is answered.
    """

    status: Literal["queued", "loading", "running", "done", "failed"]
    reply: str | None = None
    error: str | None = None
    reason: str | None = None
    node_awake: bool = field(default=False, compare=False)
    age_ms: int = field(default=0, compare=False)

    @property
    def wants_node(self) -> bool:
        """True if the job is not answered, and a node that is started for it now may answer it."""
        return self.status in ("queued", "loading", "running") and self.age_ms < WORTH_A_START_MS


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


@dataclass(frozen=True, slots=True)
class Sweep:
    """Jobs that wait (after it), jobs that workers hold, whether one beats; jobs it has failed;
    of those that wait or are held, how many are young enough to start a node for.

    A job whose lease has ended waits.
    """

    waiting: int
    in_flight: int
    node_awake: bool
    failed: int
    worth_a_start: int
