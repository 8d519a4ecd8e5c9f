"""The slots of one worker: each runs a job of its own, and one at a time claims.

A slot that has no job waits for its turn to claim. The one whose turn it is asks the queue and
waits for the bell, and lets the next one claim as soon as it has a job. So an idle worker asks the
queue no more often than with one slot, jobs are claimed in the order of the users' turns, and a
claim knows every job that the worker runs.
"""

import threading
from typing import Protocol

from node.claims import Claim
from node.readiness import Readiness


class Slot(Protocol):
    """What the others see of a slot: the job that it runs, and whether its thread hangs."""

    current_claim: Claim | None

    @property
    def is_stalled(self) -> bool: ...


class Slots:
    """What the slots of a worker share.

    `turn`: held by the slot that claims. `readiness`: whether the model answers; None: it does.
    """

    def __init__(self, readiness: Readiness | None = None) -> None:
        self.readiness = readiness or Readiness(None)
        self.turn = threading.Lock()
        self._members: list[Slot] = []

    def add(self, slot: Slot) -> int:
        """Add a slot, before any of them runs; returns its number."""
        self._members.append(slot)
        return len(self._members) - 1

    @property
    def is_stalled(self) -> bool:
        """True if a slot's next step is overdue: its thread hangs."""
        return any(slot.is_stalled for slot in self._members)

    def running(self) -> set[str]:
        """The ids of the jobs that slots run now."""
        claims = [slot.current_claim for slot in self._members]
        return {claim.job_id for claim in claims if claim is not None}

    def runs_earlier(self, claim: Claim, number: int) -> bool:
        """True while another slot runs an earlier job of this id. Of two, one is earlier."""
        return any(
            other is not None
            and other.job_id == claim.job_id
            and (other.deadline_s, at) < (claim.deadline_s, number)
            for at, other in enumerate(slot.current_claim for slot in self._members)
        )
