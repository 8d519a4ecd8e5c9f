"""The router: a prompt becomes a queued job, and its owner learns what became of it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tinyllama.router.wake import wake
from tinyllama.utils import auth
from tinyllama.utils.auth.key_store import KeyStore
from tinyllama.utils.aws import compute
from tinyllama.utils.aws.compute import NodeUnavailable
from tinyllama.utils.aws.sigv4 import from_environment
from tinyllama.utils.http import body
from tinyllama.utils.http.responses import Event, Refusal, Response, answer, serve
from tinyllama.utils.observability import metrics
from tinyllama.utils.observability.metrics import Metric
from tinyllama.utils.queue import job_id
from tinyllama.utils.queue.job_queue import (
    Acceptance,
    JobQueue,
    KeyReused,
    QueueAddress,
    QueueUnavailable,
    RateLimited,
    connect,
)
from tinyllama.utils.settings import Settings, read_queue, router_is_disabled

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

ETA_S = 90


@dataclass(frozen=True, slots=True)
class Setup:
    """What one execution environment keeps between requests."""

    settings: Settings
    is_disabled: bool
    queue: QueueAddress | None
    keys: KeyStore


def handler(event: Event, context: object) -> Response:
    """Answer one request by its route; nothing is raised, one line is logged."""
    return serve(event, context, ROUTES)


def infer(event: Event) -> Response:
    """POST /infer: authenticate, validate, throttle and enqueue in one step, wake, answer 202."""
    claims = _admitted(event)
    request = body.parse(event.get("body"), event.get("isBase64Encoded") is True)
    key = body.idempotency_key(event["headers"].get("idempotency-key"))
    job = job_id.new_id(claims.sub) if key is None else job_id.id_for_key(claims.sub, key)
    with _refused_by_queue(Metric.REDIS_ENQUEUE_FAIL):
        queue = job_queue()
        accepted = queue.accept(
            job_id=job,
            sub=claims.sub,
            prompt=request.prompt,
            idle=request.idle,
            now_ms=time.time_ns() // 1_000_000,
        )
        asleep = not accepted.node_awake and not _is_answered(queue, accepted, claims.sub)
        starting = asleep and _is_starting(queue, accepted)
    if not starting:
        return answer(202, {"status": "queued", "id": job})
    told = {"status": "starting", "eta": ETA_S, "id": job}
    return answer(202, told, {"X-GPU-ColdBoot": "true"})


def job_state(event: Event) -> Response:
    """GET /infer/{id}: authenticate, prove the owner, look the job up, answer state or reply."""
    claims = _admitted(event)
    queue = job_queue()
    job = job_id.parse((event.get("pathParameters") or {}).get("id", ""))
    if job is None or not job_id.belongs_to(job, claims.sub):
        raise Refusal("not_found")
    with _refused_by_queue():
        found = queue.state(job, claims.sub)
    if found is None:
        raise Refusal("job_gone")
    known = {"reply": found.reply, "error": found.error}
    shown = {name: text for name, text in known.items() if text is not None}
    return answer(200, {"id": job, "status": found.status, **shown})


def ping(event: Event) -> Response:
    """GET /ping: authenticate, answer; touches neither queue nor node."""
    _admitted(event)
    return answer(200, {"status": "ok"})


ROUTES = {"POST /infer": infer, "GET /infer/{id}": job_state, "GET /ping": ping}


@cache
def setup() -> Setup:
    """The settings, read once. Raises InvalidSetting."""
    settings = Settings.read(os.environ)
    return Setup(
        settings=settings,
        is_disabled=router_is_disabled(os.environ),
        queue=read_queue(os.environ),
        keys=KeyStore(settings.keys),
    )


@cache
def job_queue() -> JobQueue:
    """The queue, connected when it is first used. Raises Refusal while there is none."""
    address = setup().queue
    if address is None:
        raise Refusal("queue_unavailable", why="no queue while UseGpu=false")
    return JobQueue(connect(address, from_environment, setup().settings.keys.region))


@cache
def ec2() -> "EC2Client":
    """The EC2 client, made by the first request that finds the node asleep."""
    return compute.client(setup().settings.keys.region)


def _admitted(event: Event) -> auth.Claims:
    """The switch, then the token."""
    known = setup()
    if known.is_disabled:
        raise Refusal("router_disabled")
    return auth.authenticate(event, settings=known.settings, store=known.keys, now=time.time())


def _is_answered(queue: JobQueue, accepted: Acceptance, sub: str) -> bool:
    """True for a repeat of a job that is done: no reason to wake a node for it."""
    if not accepted.repeated:
        return False
    found = queue.state(accepted.job_id, sub)
    return found is not None and found.status in ("done", "failed")


def _is_starting(queue: JobQueue, accepted: Acceptance) -> bool:
    """Wake the node, or take the job back; False if a worker has taken it meanwhile.

    Raises:
        NodeUnavailable: nothing of the job is left in the queue.
    """
    try:
        wake(queue, ec2, setup().settings)
    except NodeUnavailable:
        if queue.withdraw(accepted.job_id):
            raise
        return False
    return True


@contextmanager
def _refused_by_queue(metric: Metric | None = None) -> Iterator[None]:
    """Turn the queue's errors into refusals; `metric` counts those where it did not answer."""
    try:
        yield
    except RateLimited as error:
        metrics.emit(setup().settings.stack, Metric.API_RATE_LIMIT_BREACHES)
        headers = {"Retry-After": str(error.retry_after_s)}
        raise Refusal("rate_limited", headers=headers) from error
    except KeyReused as error:
        raise Refusal("idempotency_key_reused") from error
    except QueueUnavailable as error:
        if metric is not None:
            metrics.emit(setup().settings.stack, metric)
        raise Refusal("queue_unavailable", why=error.code) from error
