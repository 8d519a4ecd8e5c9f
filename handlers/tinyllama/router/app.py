"""The router: queues a user's prompt as a job, and returns the job's state and reply to them."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tinyllama.utils import auth
from tinyllama.utils.auth.key_store import KeyStore
from tinyllama.utils.aws import compute
from tinyllama.utils.aws.compute import NodeUnavailable
from tinyllama.utils.aws.sigv4 import from_environment
from tinyllama.utils.control.hold import ControlUnavailable, Hold, read_hold
from tinyllama.utils.http import body
from tinyllama.utils.http.authentication import authenticate
from tinyllama.utils.http.errors import ApiError
from tinyllama.utils.http.responses import Event, Response, respond, serve
from tinyllama.utils.observability import logs, metrics
from tinyllama.utils.observability.metrics import Metric
from tinyllama.utils.queue import job_id
from tinyllama.utils.queue.answers import Acceptance
from tinyllama.utils.queue.client import connect
from tinyllama.utils.queue.errors import (
    QueueDisabled,
    QueueFull,
    QueueUnavailable,
    RateLimited,
)
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.utils.settings import (
    ControlSettings,
    QueueAddress,
    Settings,
    read_queue,
    router_is_disabled,
)
from tinyllama.utils.waking.wake import wake

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

ETA_S = 90


@dataclass(frozen=True, slots=True)
class Setup:
    """What an execution environment keeps between requests."""

    settings: Settings
    is_disabled: bool
    queue: QueueAddress | None
    keys: KeyStore
    control: ControlSettings


def handler(event: Event, context: object) -> Response:
    """Answer a request by its route; log one line, raise nothing."""
    return serve(event, context, ROUTES)


def infer(event: Event) -> Response:
    """POST /infer: authenticate, validate, throttle and enqueue in one step, wake, answer 202."""
    claims = _authenticated(event)
    request = body.parse(event.get("body"), event.get("isBase64Encoded") is True)
    key = body.idempotency_key((event.get("headers") or {}).get("idempotency-key"))
    job = job_id.new_id(claims.sub) if key is None else job_id.id_for_key(claims.sub, key)
    queue = job_queue()
    with _counted_failures(), _told_of_the_latch():
        accepted = queue.accept(
            job_id=job,
            sub=claims.sub,
            prompt=request.prompt,
            idle=request.idle,
            now_ms=time.time_ns() // 1_000_000,
        )
    asleep = not accepted.node_awake and _wants_node(queue, accepted, claims.sub)
    if asleep and _is_starting(queue, accepted):
        content = {"status": "starting", "eta": ETA_S, "id": job}
        return respond(202, content, {"X-GPU-ColdBoot": "true"})
    return respond(202, {"status": "queued", "id": job})


def job_state(event: Event) -> Response:
    """GET /infer/{id}: authenticate, check the owner, read the job, wake the node if the job waits
    and no worker beats, answer the job's state or reply."""
    claims = _authenticated(event)
    queue = job_queue()
    job = job_id.parse((event.get("pathParameters") or {}).get("id", ""))
    if job is None or not job_id.belongs_to(job, claims.sub):
        raise ApiError("not_found")
    state = queue.state(job, claims.sub)
    if state is None:
        raise ApiError("job_gone")
    if state.wants_node and not state.node_awake:
        # What stands in the way now is told with the job, by the waker, or is over by then.
        with suppress(NodeUnavailable, QueueUnavailable):
            _wake(queue)
    outcome = {"reply": state.reply, "error": state.error, "reason": state.reason}
    present = {name: text for name, text in outcome.items() if text is not None}
    return respond(200, {"id": job, "status": state.status, **present})


def ping(event: Event) -> Response:
    """GET /ping: authenticate, answer; touches neither queue nor node."""
    _authenticated(event)
    return respond(200, {"status": "ok"})


ROUTES = {"POST /infer": infer, "GET /infer/{id}": job_state, "GET /ping": ping}


@cache
def setup() -> Setup:
    """Read the settings, once. Raises InvalidSetting."""
    settings = Settings.read(os.environ)
    return Setup(
        settings=settings,
        is_disabled=router_is_disabled(os.environ),
        queue=read_queue(os.environ),
        keys=KeyStore(settings.keys),
        control=ControlSettings.read(os.environ),
    )


@cache
def job_queue() -> JobQueue:
    """Make the queue's client, which connects on first use. Raises QueueDisabled."""
    address = setup().queue
    if address is None:
        raise QueueDisabled
    return JobQueue(connect(address, from_environment, setup().settings.keys.region))


@cache
def ec2() -> "EC2Client":
    """Make the EC2 client, at the first request while the node sleeps."""
    return compute.client(setup().settings.keys.region)


def _authenticated(event: Event) -> auth.Claims:
    """Check the router's switch, then the token."""
    current = setup()
    if current.is_disabled:
        raise ApiError("router_disabled")
    return authenticate(event, settings=current.settings, store=current.keys, now=time.time())


def _wants_node(queue: JobQueue, accepted: Acceptance, sub: str) -> bool:
    """False if the request repeats a job that is finished, or that no worker begins any more."""
    if not accepted.repeated:
        return True
    try:
        state = queue.state(accepted.job_id, sub)
    except QueueUnavailable:
        return True
    return state is None or state.wants_node


def _is_starting(queue: JobQueue, accepted: Acceptance) -> bool:
    """Wake the node, or take the job back; False if a worker has taken it meanwhile.

    A job that an earlier request was promised is not taken back: the waker tells its owner.

    Raises:
        NodeUnavailable: nothing of the job is left in the queue.
        QueueUnavailable: the job was to be taken back, and that may have happened.
    """
    try:
        _wake(queue)
    except QueueUnavailable:
        # The job is queued, so the waker goes on.
        return True
    except NodeUnavailable:
        if accepted.repeated:
            return True
        if _is_withdrawn(queue, accepted.job_id):
            raise
        return False
    except Exception as error:
        # A defect: the caller gets 500 only if nothing is left behind.
        if not accepted.repeated and _is_withdrawn(queue, accepted.job_id):
            raise
        logs.write("ERROR", event="wake", why=type(error).__name__, at=logs.place(error))
        return accepted.repeated
    return True


def _is_withdrawn(queue: JobQueue, job: str) -> bool:
    try:
        return queue.withdraw(job)
    except QueueUnavailable as error:
        if error.outcome == "unknown":
            raise
        return False


def _wake(queue: JobQueue) -> None:
    settings = setup().settings
    wake(queue, ec2, _read_hold, project=settings.project, stack=settings.stack)


def _read_hold() -> Hold | None:
    return read_hold(setup().control, now=time.time())


@contextmanager
def _told_of_the_latch() -> Iterator[None]:
    """Where the queue is gone because the month's money is spent, say that.

    Raises:
        NodeUnavailable: the budget's latch is set, and the queue took nothing.
    """
    try:
        yield
    except QueueUnavailable as error:
        if error.outcome == "none" and not isinstance(error, QueueFull):
            with suppress(ControlUnavailable):
                if _read_hold() == "budget":
                    raise NodeUnavailable("budget") from error
        raise


@contextmanager
def _counted_failures() -> Iterator[None]:
    """Send a metric for each request that the throttle refuses or that the queue cannot take."""
    try:
        yield
    except RateLimited:
        metrics.emit(setup().settings.stack, Metric.API_RATE_LIMIT_BREACHES)
        raise
    except QueueUnavailable:
        metrics.emit(setup().settings.stack, Metric.REDIS_ENQUEUE_FAIL)
        raise
