"""A plain model of the queue: lines of users, a ring of turns, jobs that are held."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tinyllama.utils.queue.answers import JobState
from tinyllama.utils.queue.errors import QueueFull, TooManyWaiting

USERS = ("ann", "bob", "eve k.", "dan")
WORKERS = ("i-1", "i-2")
SLOTS = 3
MOST, MOST_OWN = 7, 3
OLD_MS = 230_000
PASSED = ("throttle:", "reply:", "node:")


@dataclass
class Model:
    """What should be true: `lines` of waiting ids by user, `turns`, `held`, and who was told what.

    `held` maps an id to [worker, times begun, whether its lease has ended]; `old` are waiting or
    held jobs of more than `OLD_MS`; `expired` are held and have no job any more; `promised` were
    sent twice.
    """

    lines: dict[str, deque[str]] = field(default_factory=dict)
    turns: deque[str] = field(default_factory=deque)
    held: dict[str, list[Any]] = field(default_factory=dict)
    told: dict[str, JobState] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    expired: set[str] = field(default_factory=set)
    old: set[str] = field(default_factory=set)
    owner: dict[str, str] = field(default_factory=dict)
    promised: set[str] = field(default_factory=set)

    def waiting(self) -> list[str]:
        """Ids in no order."""
        return [job_id for line in self.lines.values() for job_id in line]

    def accept(self, job_id: str, sub: str) -> type[Exception] | None:
        """The refusal, or None."""
        if len(self.lines.get(sub, ())) >= MOST_OWN:
            return TooManyWaiting
        if len(self.waiting()) >= MOST:
            return QueueFull
        self.owner[job_id] = sub
        self.gone.discard(job_id)
        self.old.discard(job_id)
        self.promised.discard(job_id)
        self.lines.setdefault(sub, deque()).append(job_id)
        if sub not in self.turns:
            self.turns.append(sub)
        return None

    def leave(self, job_id: str) -> None:
        """Out of the line; its owner out of the ring with the last."""
        sub = self.owner[job_id]
        self.lines[sub].remove(job_id)
        if not self.lines[sub]:
            del self.lines[sub]
            self.turns.remove(sub)

    def claim(
        self, worker: str, running: tuple[str, ...], oldest_first: list[str]
    ) -> tuple[str, int] | None:
        """The id, and how often it was begun; none of those that this worker runs in other slots.

        `oldest_first`: what is held, in the order in which it was accepted.
        """
        free = {job_id: self.held[job_id] for job_id in oldest_first if job_id not in running}
        own = [job_id for job_id, lease in free.items() if lease[0] == worker]
        ended = [job_id for job_id, lease in free.items() if lease[2]]
        for job_id in own or ended:
            begun = self.held.pop(job_id)[1]
            if job_id in self.expired:
                self.expired.remove(job_id)
                return self.claim(worker, running, [at for at in oldest_first if at != job_id])
            self.held[job_id] = [worker, begun, False]
            return job_id, begun
        if not self.turns:
            return None
        sub = self.turns[0]
        job_id = self.lines[sub][0]
        self.leave(job_id)
        if self.turns and self.turns[0] == sub:
            self.turns.rotate(-1)
        self.held[job_id] = [worker, 0, False]
        return job_id, 0

    def end(self, job_id: str, state: JobState | None) -> None:
        """Answered, failed, or (None) withdrawn or expired."""
        if job_id in self.held:
            del self.held[job_id]
        else:
            self.leave(job_id)
        if state is None:
            self.gone.add(job_id)
        else:
            self.told[job_id] = state


@dataclass(frozen=True)
class Step:
    """One thing that happens; `who` and `which` choose among those it can happen to."""

    kind: str
    who: int
    which: int


KINDS = (
    *("accept", "accept", "accept", "repeat", "again", "claim", "claim too", "lost claim", "begin"),
    *("answer", "answer", "fail", "crash", "end lease", "expire", "expire held", "withdraw", "age"),
    *("sweep", "stop", "force"),
)


def _of(*steps: tuple[str, int]) -> list[Step]:
    return [Step(kind, who, 0) for kind, who in steps]


TELLING = (
    [Step("accept", 0, 0)] * 4,
    [Step("accept", number, 0) for number in range(8)],
    # A job is taken over: who lost it may not begin it, and the second answer counts for nothing.
    _of(("accept", 0), ("claim", 0), ("end lease", 0), ("claim", 1), ("begin", 0), ("begin", 1)),
    _of(("accept", 0), ("claim", 0), ("end lease", 0), ("claim", 1), ("answer", 0), ("fail", 1)),
    # The owner was told that the node stops; the worker answers all the same.
    _of(("accept", 0), ("claim", 0), ("force", 1), ("begin", 0), ("answer", 0), ("repeat", 0)),
    _of(("accept", 0), ("age", 0), ("lost claim", 0), ("end lease", 0), ("sweep", 0)),
    _of(("accept", 0), ("age", 0), ("claim", 0), ("sweep", 0), ("answer", 0)),
    # A worker with slots runs what it holds once, also after its lease.
    _of(("accept", 0), ("claim", 0), ("claim too", 0), ("end lease", 0), ("claim too", 0)),
)
