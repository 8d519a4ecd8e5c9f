"""Tells the router that a worker is present, keeps the lease of its job, reports the queue.

A thread of its own, because the worker's waits for the model. What Redis does not take now it is
told again in 2 s; the key lives 10 s.
"""

import json
import threading
import time

import redis

from node.claims import Claims
from node.worker import Worker
from tinyllama.utils.observability import logs
from tinyllama.utils.queue.job_queue import (
    HEARTBEAT,
    JobQueue,
    QueueDepth,
    QueueUnavailable,
    translated_errors,
)

BEAT_S = 2.0
LIFE_S = 10
REPORT_S = 10.0


class Heartbeat:
    """Beats until told to stop, then deletes the key, so that the next request wakes a node."""

    def __init__(
        self,
        client: redis.Redis,
        node_id: str,
        stack: str,
        claims: Claims,
        worker: Worker,
        stopping: threading.Event,
    ) -> None:
        self._client = client
        self._queue = JobQueue(client)
        self._node_id = node_id
        self._stack = stack
        self._claims = claims
        self._worker = worker
        self._stopping = stopping
        self._report_at_s = 0.0
        self._reported: tuple[int, int] | None = None

    def run(self) -> None:
        """Beat every 2 s; a queue that is away is told again at the next beat."""
        while not self._stopping.is_set():
            try:
                self._beat(time.monotonic())
            except QueueUnavailable as error:
                logs.write("warning", event="heartbeat", error=error.code)
            self._stopping.wait(BEAT_S)
        try:
            with translated_errors():
                self._client.delete(HEARTBEAT)
        except QueueUnavailable as error:
            logs.write("warning", event="heartbeat", error=error.code)

    def _beat(self, now_s: float) -> None:
        with translated_errors():
            self._client.set(HEARTBEAT, self._node_id, ex=LIFE_S)
        claim = self._worker.in_hand
        is_held = claim is None or self._claims.renew(claim)
        # Not when it has been answered meanwhile.
        if claim is not None and not is_held and claim is self._worker.in_hand:
            logs.write("warning", event="lease_lost", id=claim.job_id)
        depth = self._queue.depth()
        counted = (depth.waiting, depth.in_flight)
        if counted != self._reported or now_s >= self._report_at_s:
            self._report_at_s = now_s + REPORT_S
            self._reported = counted
            report(self._stack, depth)


def report(stack: str, depth: QueueDepth) -> None:
    """Print how much waits and for how long, one line, in embedded metric format.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    directive = {
        "Namespace": f"TinyLlama/{stack}",
        "Dimensions": [[]],
        "Metrics": [
            {"Name": "QueueDepth", "Unit": "Count"},
            {"Name": "QueueAgeSeconds", "Unit": "Seconds"},
        ],
    }
    line = {
        "_aws": {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [directive]},
        "level": "info",
        "event": "queue",
        "QueueDepth": depth.waiting,
        "QueueAgeSeconds": depth.oldest_age_ms / 1000,
        "inFlight": depth.in_flight,
    }
    print(json.dumps(line) + "\n", end="", flush=True)
