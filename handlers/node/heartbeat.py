"""The heartbeat: shows the router that a worker is present, renews its leases, reports the queue.

It has a thread of its own, because the worker's threads wait for the model. If Redis does not
answer, the next beat comes 2 s later; the key lives 10 s. A heartbeat means that the worker makes
progress in every slot: while a thread hangs there is none, and no lease is renewed.
"""

import threading
import time

import redis

from node.claims import Claims
from node.slots import Slots
from tinyllama.utils.observability import logs, metrics
from tinyllama.utils.observability.metrics import Metric
from tinyllama.utils.queue.answers import QueueDepth
from tinyllama.utils.queue.errors import QueueUnavailable
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.utils.queue.redis_errors import translated_errors
from tinyllama.utils.queue.redis_keys import HEARTBEAT

BEAT_S = 2.0
REPORT_S = 10.0


class Heartbeat:
    """Beats until `stopping` is set, then deletes the key, so the next request wakes a node."""

    def __init__(
        self,
        client: redis.Redis,
        node_id: str,
        stack: str,
        claims: Claims,
        slots: Slots,
        stopping: threading.Event,
    ) -> None:
        self._client = client
        self._queue = JobQueue(client)
        self._node_id = node_id
        self._stack = stack
        self._claims = claims
        self._slots = slots
        self._stopping = stopping
        self._report_at_s = 0.0
        self._reported: tuple[int, int] | None = None

    def run(self) -> None:
        """Beat every 2 s; if the queue does not answer, try again at the next beat."""
        while not self._stopping.is_set():
            try:
                if self._slots.is_stalled:
                    logs.write("ERROR", event="worker_stalled")
                else:
                    self._beat(time.monotonic())
            except QueueUnavailable as error:
                logs.write("WARNING", event="heartbeat", error=error.code)
            self._stopping.wait(BEAT_S)
        try:
            with translated_errors():
                self._client.delete(HEARTBEAT)
        except QueueUnavailable as error:
            logs.write("WARNING", event="heartbeat", error=error.code)

    def _beat(self, now_s: float) -> None:
        lost = self._claims.beat(
            self._node_id, self._slots.running(), loading=not self._slots.readiness.is_ready
        )
        # A slot may have answered its job meanwhile; then it has lost no lease.
        for job_id in self._slots.running().intersection(lost):
            logs.write("WARNING", event="lease_lost", id=job_id)
        depth = self._queue.depth()
        counted = (depth.waiting, depth.in_flight)
        if counted != self._reported or now_s >= self._report_at_s:
            self._report_at_s = now_s + REPORT_S
            self._reported = counted
            report(self._stack, depth)


def report(stack: str, depth: QueueDepth) -> None:
    """Print how many jobs wait and for how long, as metrics and as a log line at once."""
    level: logs.Level = "INFO"
    metrics.emit_together(
        stack,
        {
            Metric.QUEUE_DEPTH: depth.waiting,
            Metric.QUEUE_AGE_SECONDS: depth.oldest_age_ms / 1000,
        },
        fields={"level": level, "event": "queue", "inFlight": depth.in_flight},
    )
