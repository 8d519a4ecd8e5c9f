"""Starts, stops and resizes the node for administrators, as one operation that survives a crash.

What is wanted is written before EC2 is asked. This request takes the steps that can be taken at
once; `resize_motor` takes the others. Whatever becomes of this function, its line in the log says
who asked for what.
"""

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, TypeVar

from tinyllama.utils.auth.key_store import KeyStore
from tinyllama.utils.aws import compute
from tinyllama.utils.aws.sigv4 import from_environment
from tinyllama.utils.control.advance import Motor
from tinyllama.utils.control.hold import ControlUnavailable
from tinyllama.utils.control.operation import LIMIT_S, Operation, State
from tinyllama.utils.control.table import ControlTable, Latched, Overtaken, UnderWay
from tinyllama.utils.http import body
from tinyllama.utils.http.authentication import ADMINS, authenticate
from tinyllama.utils.http.body import ResizeRequest
from tinyllama.utils.http.errors import ApiError, to_api_error
from tinyllama.utils.http.node_in_use import refuse_while_in_use, tell_owners
from tinyllama.utils.http.responses import Event, Response, note, respond, serve
from tinyllama.utils.observability import logs, metrics
from tinyllama.utils.observability.metrics import Metric
from tinyllama.utils.queue.client import connect
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.utils.settings import ControlSettings, Settings, read_queue

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

T = TypeVar("T")

QUEUE_TIMEOUT_S = 0.5
STEPS_S = 5.0
"""After that the steps are left to the motor, so that the caller is answered before the time-out:
the last step begun may take 10 s more."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What an execution environment keeps between requests; `queue` is None while there is none."""

    settings: Settings
    keys: KeyStore
    table: ControlTable
    queue: JobQueue | None


def handler(event: Event, context: object) -> Response:
    """Answer a request; log one line, raise nothing."""
    return serve(event, context, ROUTES)


def resize(event: Event) -> Response:
    """POST /resize: authenticate, admit administrators, ask the queue, write the operation, take
    the steps that can be taken at once, answer its id and state."""
    current = setup()
    sub = _administrator(event, current)
    request = body.parse_resize(event.get("body"), event.get("isBase64Encoded") is True)
    note(action=request.action, target=request.target, force=str(request.force).lower())
    metrics.emit(
        current.settings.stack, Metric.RESIZE_REQUESTS, dimensions={"Action": request.action}
    )
    settings = current.settings
    ask = partial(
        refuse_while_in_use, current.queue, settings.stack, sub, force=request.force, also_own=True
    )
    if request.action != "start":
        ask()
    node = compute.require_node(ec2(), project=settings.project, stack=settings.stack)
    if request.action != "start":
        if node.state == "pending" and not request.force:
            # It would be stopped as soon as it runs, under a job that it takes until then.
            raise ApiError("node_starting")
        # Finding the node takes up to some seconds, in which a worker may have begun a job.
        ask(is_counted=False)
    operation = _new(request, node, sub)
    note(operation=operation.id)
    _begin(current.table, operation)
    reached = _first_steps(current, operation, node)
    if request.action == "stop" and reached.reason is None:
        tell_owners(current.queue, sub, force=request.force, route="POST /resize")
    if reached.reason is not None:
        raise ApiError("node_unavailable", fields={"reason": reached.reason, "id": reached.id})
    note(outcome=reached.state)
    return respond(202, {"id": reached.id, "state": reached.state})


def resize_state(event: Event) -> Response:
    """GET /resize/{id}: authenticate, admit administrators, read the operation, answer it."""
    current = setup()
    _administrator(event, current)
    wanted = (event.get("pathParameters") or {}).get("id", "")
    operation = _translated(lambda: current.table.read().operation)
    if operation is None or operation.id != wanted:
        raise ApiError("not_found")
    note(operation=operation.id, action=operation.action, target=operation.target)
    note(outcome=operation.state)
    known = {
        "id": operation.id,
        "action": operation.action,
        "state": operation.state,
        "target": operation.target,
        "previous": operation.previous,
        "reason": operation.reason,
    }
    return respond(200, {name: text for name, text in known.items() if text is not None})


def _audited(route: Callable[[Event], Response]) -> Callable[[Event], Response]:
    """Note what became of a call also where it is refused."""

    def audited(event: Event) -> Response:
        try:
            return route(event)
        except Exception as error:
            note(outcome=to_api_error(error).code)
            raise

    audited.__name__ = route.__name__
    return audited


ROUTES = {"POST /resize": _audited(resize), "GET /resize/{id}": _audited(resize_state)}


@cache
def setup() -> Setup:
    """Read the settings, once; the queue's client connects on first use. Raises InvalidSetting."""
    settings = Settings.read(os.environ)
    address = read_queue(os.environ)
    region = settings.keys.region
    queue = (
        None
        if address is None
        else JobQueue(connect(address, from_environment, region, timeout_s=QUEUE_TIMEOUT_S))
    )
    table = ControlTable(ControlSettings.read(os.environ), time.time)
    return Setup(settings, KeyStore(settings.keys), table, queue)


@cache
def ec2() -> "EC2Client":
    """Make the EC2 client, at the first request of an administrator."""
    return compute.client(setup().settings.keys.region)


def _administrator(event: Event, current: Setup) -> str:
    """The `sub` of the administrator who asks."""
    claims = authenticate(event, settings=current.settings, store=current.keys, now=time.time())
    note(sub=claims.sub)
    if ADMINS not in claims.groups:
        raise ApiError("forbidden")
    return claims.sub


def _new(request: ResizeRequest, node: compute.Node, sub: str) -> Operation:
    """The operation, at its beginning; ended at once if the node is of the wanted type."""
    state: State = "starting" if request.action == "start" else "stopping"
    if request.action == "resize" and request.target == node.instance_type:
        state = "done"
    now = int(time.time())
    return Operation(
        id=secrets.token_hex(8),
        action=request.action,
        state=state,
        target=request.target or node.instance_type,
        previous=node.instance_type,
        began=now,
        deadline=now + LIMIT_S,
        by=sub,
        is_forced=request.force,
    )


def _begin(table: ControlTable, operation: Operation) -> None:
    try:
        _translated(lambda: table.begin(operation))
    except UnderWay as error:
        raise ApiError("resize_under_way") from error
    except Latched as error:
        raise compute.NodeUnavailable("budget") from error


def _translated(call: Callable[[], T]) -> T:
    """A table that does not answer forbids everything, as it does to whoever starts the node."""
    try:
        return call()
    except ControlUnavailable as error:
        raise compute.NodeUnavailable("refused", str(error)) from error


def _first_steps(current: Setup, operation: Operation, node: compute.Node) -> Operation:
    """What can be done at once. The operation is written, so whatever breaks here, it goes on."""
    settings = current.settings
    motor = Motor(
        current.table, ec2(), settings.project, settings.stack, until=time.time() + STEPS_S
    )
    try:
        return motor.advance(operation, node)
    except (ControlUnavailable, Overtaken, compute.NodeUnavailable) as error:
        why = f"steps are left to the motor: {str(error) or type(error).__name__}"
        logs.write("WARNING", route="POST /resize", operation=operation.id, why=why)
        return operation
