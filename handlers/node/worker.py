"""One job at a time: claim, ask the model, write the journal, publish.

Each step can be the last before a crash. Before the journal, the job is pending and runs again;
after it, the job is pending and is published from the journal; after publishing, it is answered.
A job that was begun three times without an answer is taken for the cause and fails.
"""

import sqlite3
import threading
import time
from collections.abc import Callable

from node.claims import Answer, Claim, Claims
from node.journal import Journal
from node.model import ModelError
from tinyllama.utils.observability import logs
from tinyllama.utils.queue.job_queue import QueueUnavailable

MAX_DELIVERIES = 3
BLOCK_MS = 1000
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 1.0


class Worker:
    """Runs jobs until it is told to stop.

    Args:
        ask: (prompt, deadline by the monotonic clock) to reply; raises ModelError.
        stopping: set by another thread; no job is claimed after it.
    """

    def __init__(
        self,
        claims: Claims,
        journal: Journal,
        ask: Callable[[str, float], str],
        stopping: threading.Event,
    ) -> None:
        self._claims = claims
        self._journal = journal
        self._ask = ask
        self._stopping = stopping
        self.in_hand: Claim | None = None

    def run(self) -> None:
        """Claim and answer; a queue that is away is waited for."""
        wait_s = _FIRST_WAIT_S
        while not self._stopping.is_set():
            try:
                claim = self._claims.next(BLOCK_MS)
            except QueueUnavailable as error:
                logs.write("warning", event="queue_unavailable", error=error.code)
                self._stopping.wait(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                continue
            wait_s = _FIRST_WAIT_S
            if claim is not None:
                self.in_hand = claim
                self._handle(claim)
                self.in_hand = None

    def _handle(self, claim: Claim) -> None:
        started_s = time.monotonic()
        known = self._known(claim)
        if known is not None:
            source, answer = "journal", Answer("done", known)
        elif claim.deliveries > MAX_DELIVERIES:
            source, answer = "worker", Answer("failed", "worker_crashed")
        else:
            source, answer = "model", self._run(claim)
        is_first = self._publish(claim, answer)
        logs.write(
            "info",
            event="job",
            id=claim.job_id,
            status=answer.status,
            error=answer.text if answer.status == "failed" else None,
            source=source,
            deliveries=claim.deliveries,
            published=is_first,
            elapsedMs=round((time.monotonic() - started_s) * 1000, 1),
        )

    def _known(self, claim: Claim) -> str | None:
        try:
            return self._journal.answer(claim.job_id, claim.body)
        except sqlite3.Error as error:
            logs.write("error", event="journal", id=claim.job_id, error=type(error).__name__)
            return None

    def _run(self, claim: Claim) -> Answer:
        try:
            reply = self._ask(claim.prompt, claim.deadline_s)
        except ModelError as error:
            logs.write("error", event="model", id=claim.job_id, error=error.code, why=str(error))
            return Answer("failed", error.code)
        try:
            self._journal.write(claim.job_id, claim.body, reply)
        except sqlite3.Error as error:
            # The answer is worth more than the record of it.
            logs.write("error", event="journal", id=claim.job_id, error=type(error).__name__)
        return Answer("done", reply)

    def _publish(self, claim: Claim, answer: Answer) -> bool:
        """Until Redis has it: nothing else could be done while the queue is away."""
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                return self._claims.answer(claim, answer)
            except QueueUnavailable as error:
                logs.write("warning", event="publish", id=claim.job_id, error=error.code)
            # Not an Event.wait: while stopping, the job in hand is still tried at this pace.
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
