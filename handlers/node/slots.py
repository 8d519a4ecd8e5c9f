"""The slots of one worker: each runs a job of its own, and one at a time claims.

A slot that has no job waits for its turn to claim. The one whose turn it is asks the queue and
waits for the bell, and lets the next one claim as soon as it has a job. So an idle worker asks the
queue no more often than with one slot, jobs are claimed in the order of the users' turns, and a
claim knows every job that the worker runs.
"""

import threading
from typing import TYPE_CHECKING

from node.readiness import Readiness

if TYPE_CHECKING:
    from node.worker import Worker


class Slots:
    """What the slots of a worker share.

    `turn`: held by the slot that claims. `readiness`: whether the model answers; None: it does.
    """

    def __init__(self, readiness: Readiness | None = None) -> None:
        self.readiness = readiness or Readiness(None)
        self.turn = threading.Lock()
        self._workers: list[Worker] = []

    def add(self, worker: "Worker") -> int:
        """Add a slot, before any of them runs; returns its number."""
        self._workers.append(worker)
        return len(self._workers) - 1

    @property
    def is_stalled(self) -> bool:
        """True if a slot's next step is overdue: its thread hangs."""
        return any(worker.is_stalled for worker in self._workers)

    def running(self) -> set[str]:
        """The ids of the jobs that slots run now."""
        claims = [worker.current_claim for worker in self._workers]
        return {claim.job_id for claim in claims if claim is not None}

    def runs_elsewhere(self, job_id: str, number: int) -> bool:
        """True while another slot than this one runs a job of this id."""
        others = (worker for at, worker in enumerate(self._workers) if at != number)
        claims = (worker.current_claim for worker in others)
        return any(claim is not None and claim.job_id == job_id for claim in claims)
