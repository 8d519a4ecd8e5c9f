"""A slot of the worker runs one job at a time: claim, ask the model, write the journal, publish.

Each step can be the last before a crash. After a crash before the journal, the worker still holds
the job and runs it again; after the journal, it publishes the journal's answer; after
publishing, it is answered. If the model was asked three times without an answer, the worker takes
the job for the cause of the crashes and fails it.
"""

import math
import sqlite3
import threading
import time
from collections.abc import Callable

from node.activity import Recorder
from node.claims import Answer, Claim, Claims
from node.journal import Journal
from node.model import ModelError, ModelUnavailable
from node.readiness import HEALTH_S, WARM_UP_S
from node.slots import Slots
from tinyllama.utils.observability import logs
from tinyllama.utils.queue.errors import QueueUnavailable

MAX_ATTEMPTS = 3
WAIT_S = 1.0
STALL_S = 30.0
"""A step of the worker takes less: a read of the queue, an attempt to begin or to publish."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 1.0
_TWIN_WAIT_S = 0.05
"""Between two looks at another slot, which is rarely waited for at all."""


class Worker:
    """One slot: runs jobs until `stopping` is set.

    Args:
        ask: (prompt, deadline by the monotonic clock) to reply; raises ModelError.
        stopping: another thread sets it; the worker claims no job after that.
        recorder: keeps the worker's activity for the watchdog.
        slots: those of this worker, of which this becomes one; None: it is the only one.
    """

    def __init__(
        self,
        claims: Claims,
        journal: Journal,
        ask: Callable[[str, float], str],
        stopping: threading.Event,
        recorder: Recorder,
        slots: Slots | None = None,
    ) -> None:
        self._slots = slots or Slots()
        self._claims = claims
        self._journal = journal
        self._ask = ask
        self._stopping = stopping
        self._recorder = recorder
        self._next_step_s = time.monotonic() + STALL_S
        self.current_claim: Claim | None = None
        self.is_waiting = False
        """True while it waits for its turn to claim or for the bell: it holds no job, and once
        stopping claims no other."""
        self.number = self._slots.add(self)

    @property
    def is_stalled(self) -> bool:
        """True if the worker's next step is overdue: its thread hangs, and answers no job."""
        return time.monotonic() > self._next_step_s

    def run(self) -> None:
        """Claim and answer jobs; while the queue does not answer, wait and try again."""
        while not self._stopping.is_set():
            # Nothing is due from a slot that waits for its turn.
            self._next_step_s, self.is_waiting = math.inf, True
            with self._slots.turn:
                self.is_waiting = False
                claim = self._next()
                # Before another slot's turn: its claim must know of this job.
                self.current_claim = claim
            if claim is not None:
                self._recorder.begin(self.number)
                self._handle(claim)
                self._recorder.end(claim.idle_min, self.number)
                self.current_claim = None

    def _next(self) -> Claim | None:
        """Ask for a job until there is one; None once the worker stops.

        While another slot hangs it asks for none: the machine can be stopped when those that run
        have ended, and the next start has all slots again.
        """
        wait_s = _FIRST_WAIT_S
        while not self._stopping.is_set():
            self._next_step_s = time.monotonic() + STALL_S
            if self._slots.is_stalled or not self._has_model():
                self._stopping.wait(WAIT_S)
                continue
            try:
                claim = self._claims.next(self._slots.running())
                if claim is None:
                    self.is_waiting = True
                    self._claims.wait(WAIT_S)
            except QueueUnavailable as error:
                logs.write("WARNING", event="queue_unavailable", error=error.code)
                self._stopping.wait(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                continue
            finally:
                self.is_waiting = False
            wait_s = _FIRST_WAIT_S
            self._recorder.progress()
            if claim is not None:
                return claim
        return None

    def _has_model(self) -> bool:
        if self._slots.readiness.is_ready:
            return True
        self._next_step_s = time.monotonic() + HEALTH_S + WARM_UP_S + STALL_S
        # It holds no job meanwhile, and a stop need not wait for it.
        self.is_waiting = True
        try:
            return self._slots.readiness.check()
        finally:
            self.is_waiting = False

    def _handle(self, claim: Claim) -> None:
        started_s = time.monotonic()
        self._wait_for_twin(claim)
        recorded = self._recorded_answer(claim)
        if recorded is not None:
            source, answer = "journal", Answer("done", recorded)
        elif claim.begun >= MAX_ATTEMPTS:
            source, answer = "worker", Answer("failed", "worker_crashed")
        elif not self._begin(claim):
            logs.write("WARNING", event="lease_lost", id=claim.job_id)
            return
        else:
            source, answer = "model", self._run(claim)
        is_first = self._publish(claim, answer)
        logs.write(
            "INFO",
            event="job",
            id=claim.job_id,
            status=answer.status,
            error=answer.text if answer.status == "failed" else None,
            source=source,
            attempts=claim.begun + (source == "model"),
            published=is_first,
            elapsedMs=round((time.monotonic() - started_s) * 1000, 1),
        )

    def _wait_for_twin(self, claim: Claim) -> None:
        """Wait for another slot that runs a job of this id, whose answer may be this one's too.

        After the cache lost everything an owner sends a job again while it still runs.
        """
        self._next_step_s = claim.deadline_s + STALL_S
        while self._slots.runs_earlier(claim, self.number) and time.monotonic() < claim.deadline_s:
            time.sleep(_TWIN_WAIT_S)

    def _recorded_answer(self, claim: Claim) -> str | None:
        try:
            return self._journal.answer(claim.job_id, claim.body)
        except sqlite3.Error as error:
            logs.write("ERROR", event="journal", id=claim.job_id, error=type(error).__name__)
            return None

    def _begin(self, claim: Claim) -> bool:
        """Try until Redis has counted it: a job that ends its worker must not be begun uncounted.

        False if the job is lost, or its life has ended meanwhile.
        """
        wait_s = _FIRST_WAIT_S
        while time.monotonic() < claim.deadline_s:
            self._next_step_s = time.monotonic() + STALL_S
            try:
                return self._claims.begin(claim)
            except QueueUnavailable as error:
                logs.write("WARNING", event="begin", id=claim.job_id, error=error.code)
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        return False

    def _run(self, claim: Claim) -> Answer:
        self._next_step_s = claim.deadline_s + STALL_S
        try:
            reply = self._ask(claim.prompt, claim.deadline_s)
        except ModelError as error:
            if isinstance(error, ModelUnavailable):
                self._slots.readiness.lost()
            logs.write("ERROR", event="model", id=claim.job_id, error=error.code, why=str(error))
            return Answer("failed", error.code)
        try:
            self._journal.write(claim.job_id, claim.body, reply)
        except sqlite3.Error as error:
            # The answer is worth more than the record of it.
            logs.write("ERROR", event="journal", id=claim.job_id, error=type(error).__name__)
        return Answer("done", reply)

    def _publish(self, claim: Claim, answer: Answer) -> bool:
        """Try until Redis takes the answer: without Redis there is no other job to run."""
        wait_s = _FIRST_WAIT_S
        while True:
            self._next_step_s = time.monotonic() + STALL_S
            try:
                return self._claims.answer(claim, answer)
            except QueueUnavailable as error:
                logs.write("WARNING", event="publish", id=claim.job_id, error=error.code)
            # Not an Event.wait: while stopping, the worker still tries at this pace.
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
