"""Measures whether the queue answers in time, for an administrator and for an alarm.

The function stays when the queue is turned off (ADR 0012), and then says so.
"""

import os
import time
from collections.abc import Mapping
from functools import cache

from tinyllama.utils.auth.key_store import KeyStore
from tinyllama.utils.aws.sigv4 import from_environment
from tinyllama.utils.http.authentication import ADMINS, authenticate
from tinyllama.utils.http.errors import ApiError
from tinyllama.utils.http.responses import Event, Response, respond, serve
from tinyllama.utils.observability import metrics
from tinyllama.utils.observability.metrics import Metric
from tinyllama.utils.queue.client import connect
from tinyllama.utils.queue.errors import QueueUnavailable
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.utils.settings import Settings, read_queue

SCHEDULE = "schedule"
SLOW_MS = 200.0
TIMEOUT_S = 0.5
"""Longer than the router's, so that a slow queue is measured instead of taken for a dead queue."""


def handler(event: object, context: object) -> Response:
    """Answer a request, or measure at each event of the schedule; raise nothing.

    No client can make the gateway send an event with a `source`: only EventBridge sends it, and the
    function's permission names a single rule of EventBridge.
    """
    if isinstance(event, Mapping) and event.get("source") == "aws.events":
        return serve({"routeKey": SCHEDULE}, context, {SCHEDULE: lambda _: measure()})
    return serve(event, context, ROUTES)


def queue_health(event: Event) -> Response:
    """GET /queue-health: authenticate, admit administrators, measure, send metrics, answer."""
    settings, keys = setup()
    claims = authenticate(event, settings=settings, store=keys, now=time.time())
    if ADMINS not in claims.groups:
        raise ApiError("forbidden")
    return measure()


def measure() -> Response:
    """Measure the queue, send the metrics that the alarm watches, answer the measurement.

    Without a queue nothing fails: the alarm needs a metric from before the queue exists on.
    """
    settings, _ = setup()
    queue = job_queue()
    if queue is None:
        metrics.emit(settings.stack, Metric.QUEUE_HEALTH_FAILURES, 0)
        raise ApiError("off", fields={"redis": "fail"})
    code, health = "ok", None
    try:
        health = queue.health()
    except QueueUnavailable as error:
        code = error.code
    if health is not None:
        metrics.emit(settings.stack, Metric.QUEUE_DEPTH, health.depth)
        if health.latency_ms >= SLOW_MS:
            code = "slow"
    metrics.emit(settings.stack, Metric.QUEUE_HEALTH_FAILURES, 0 if code == "ok" else 1)
    if health is None or code != "ok":
        raise ApiError(code, fields={"redis": "fail"})
    return respond(
        200,
        {
            "redis": "ok",
            "latencyMs": round(health.latency_ms, 3),
            "depth": health.depth,
            "inFlight": health.in_flight,
        },
    )


ROUTES = {"GET /queue-health": queue_health}


@cache
def setup() -> tuple[Settings, KeyStore]:
    """Read the settings, once. Raises InvalidSetting."""
    settings = Settings.read(os.environ)
    return settings, KeyStore(settings.keys)


@cache
def job_queue() -> JobQueue | None:
    """Make the queue's client, which connects on first use; None without a queue.

    Raises InvalidSetting.
    """
    address = read_queue(os.environ)
    if address is None:
        return None
    region = setup()[0].keys.region
    return JobQueue(connect(address, from_environment, region, timeout_s=TIMEOUT_S))
