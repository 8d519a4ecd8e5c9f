"""Tells an administrator, and an alarm, whether the queue answers in time."""

import os
import time
from functools import cache

from tinyllama.utils.auth import authenticate
from tinyllama.utils.auth.key_store import KeyStore
from tinyllama.utils.aws.sigv4 import from_environment
from tinyllama.utils.http.responses import Event, Refusal, Response, answer, serve
from tinyllama.utils.observability import metrics
from tinyllama.utils.observability.metrics import Metric
from tinyllama.utils.queue.job_queue import JobQueue, QueueUnavailable, connect
from tinyllama.utils.settings import InvalidSetting, Settings, read_queue

ADMINS = "admins"
SCHEDULE = "schedule"
SLOW_MS = 200.0
TIMEOUT_S = 0.5
"""Longer than the router's, so that a slow queue is measured and told from a dead one."""


def handler(event: Event, context: object) -> Response:
    """Answer one request, or measure because the minute is up; nothing is raised.

    No client can make the gateway send an event with a `source`: only EventBridge does, and only
    the one rule that the function's permission names.
    """
    if event.get("source") == "aws.events":
        return serve({"routeKey": SCHEDULE}, context, {SCHEDULE: lambda _: measured()})
    return serve(event, context, ROUTES)


def queue_health(event: Event) -> Response:
    """GET /queue-health: authenticate, admit administrators, measure, send metrics, answer."""
    settings, keys = setup()
    claims = authenticate(event, settings=settings, store=keys, now=time.time())
    if ADMINS not in claims.groups:
        raise Refusal("forbidden")
    return measured()


def measured() -> Response:
    """Look at the queue, send the metrics that the alarm watches, say what was seen."""
    settings, _ = setup()
    code, found = "ok", None
    try:
        found = job_queue().health()
    except QueueUnavailable as error:
        code = error.code
    if found is not None:
        metrics.emit(settings.stack, Metric.QUEUE_DEPTH, found.depth)
        if found.latency_ms >= SLOW_MS:
            code = "slow"
    metrics.emit(settings.stack, Metric.QUEUE_HEALTH_FAILURES, 0 if code == "ok" else 1)
    if found is None or code != "ok":
        raise Refusal(code, fields={"redis": "fail"})
    return answer(
        200,
        {
            "redis": "ok",
            "latencyMs": round(found.latency_ms, 3),
            "depth": found.depth,
            "inFlight": found.in_flight,
        },
    )


ROUTES = {"GET /queue-health": queue_health}


@cache
def setup() -> tuple[Settings, KeyStore]:
    """The settings, read once. Raises InvalidSetting."""
    settings = Settings.read(os.environ)
    return settings, KeyStore(settings.keys)


@cache
def job_queue() -> JobQueue:
    """The queue, connected when it is first used. Raises InvalidSetting."""
    address = read_queue(os.environ)
    if address is None:
        raise InvalidSetting("TL_QUEUE_HOST is not set")
    region = setup()[0].keys.region
    return JobQueue(connect(address, from_environment, region, timeout_s=TIMEOUT_S))
