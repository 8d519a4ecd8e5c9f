"""Goes on with a resize: every minute, and at each change of the node's state.

EC2's events are best effort, so they only save time: the tick sees all that they would have told.
It also mails a failure, once, and takes a resize back when an operator invokes it with
`{"revert": true}`.
"""

import os
import secrets
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from tinyllama.utils.aws import compute
from tinyllama.utils.control.advance import Motor
from tinyllama.utils.control.hold import ControlUnavailable
from tinyllama.utils.control.operation import LIMIT_S, Operation
from tinyllama.utils.control.step import failing
from tinyllama.utils.control.table import ControlTable, Latched, Overtaken, UnderWay
from tinyllama.utils.observability import logs, metrics
from tinyllama.utils.observability.metrics import Metric
from tinyllama.utils.settings import ControlSettings, InvalidSetting, NodeSettings, read_topic

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

STEPS_S = 12.0
OPERATOR = "operator"
"""Who takes a resize back; everybody else is a `sub`."""
Fields = dict[str, str | float]


def handler(event: Mapping[str, Any], context: object) -> Fields:
    """Go on; log one line, raise nothing: Lambda would run it again, and the next tick does.

    Returns:
        What the line says, for an operator who invokes the function.
    """
    began = time.perf_counter()
    why: str | None = None
    at: str | None = None
    fields: Fields = {}
    try:
        fields = revert() if event.get("revert") is True else tick()
    except (ControlUnavailable, InvalidSetting, compute.NodeUnavailable) as error:
        why = str(error)
    except (Overtaken, UnderWay):
        fields = {"seen": "overtaken"}
    except Latched:
        why = "the budget's latch is set"
    except Exception as error:  # noqa: BLE001 - the one place where everything unexpected ends
        why, at = type(error).__name__, logs.place(error)
    logs.write(
        "ERROR" if at else "WARNING" if why else "INFO",
        requestId=getattr(context, "aws_request_id", None),
        route=str(event.get("detail-type", "invoked")),
        latencyMs=round((time.perf_counter() - began) * 1000, 2),
        why=why,
        at=at,
        **fields,
    )
    return fields if why is None else {**fields, "why": why}


def tick() -> Fields:
    """Take the steps of the operation under way, and mail it if it has failed.

    Raises:
        ControlUnavailable, InvalidSetting, NodeUnavailable, Overtaken
    """
    operation = table().read().operation
    if operation is None:
        return {"seen": "none"}
    if not operation.is_over:
        operation = _advanced(operation)
    if operation.state == "failed" and operation.mailed is None:
        _report(operation)
    return _described(operation)


def revert() -> Fields:
    """Take the last resize back: one under way fails; else the node's previous type is wanted
    again, also after a later start or stop, and where a resize failed and did not get it back.

    Raises:
        ControlUnavailable, InvalidSetting, NodeUnavailable, Overtaken, UnderWay, Latched
    """
    last = table().read().operation
    if last is not None and last.by == OPERATOR and not last.is_over:
        return _continued(last)  # the same said twice is no revert of the revert
    wanted = None if last is None else last.previous if last.changes_type else last.undo
    if last is None or wanted is None:
        return {"seen": "none"}
    if last.is_over:
        return _begun(last, wanted)
    if not last.changes_type:
        raise UnderWay
    back = failing(last, "reverted", int(time.time()))
    if back != last:
        table().replace(last, back)
    return _continued(back)


def _begun(last: Operation, wanted: str) -> Fields:
    """Begin the resize to the wanted type, unless the node has it."""
    node = _node()
    if node is None or node.instance_type == wanted:
        return _described(last) if last.changes_type else {"seen": "none"}
    now = int(time.time())
    back = Operation(
        id=secrets.token_hex(8),
        action="resize",
        state="stopping",
        target=wanted,
        previous=node.instance_type,
        began=now,
        deadline=now + LIMIT_S,
        by=OPERATOR,
        is_forced=True,
    )
    table().begin(back)
    metrics.emit(settings().stack, Metric.RESIZE_REQUESTS, dimensions={"Action": "resize"})
    return _continued(back)


def _continued(operation: Operation) -> Fields:
    """Go on with it; it is written, so whatever breaks here, a tick goes on, and its id is told."""
    try:
        return tick()
    except (ControlUnavailable, Overtaken, compute.NodeUnavailable) as error:
        return _described(operation) | {"left": str(error) or type(error).__name__}


@cache
def settings() -> NodeSettings:
    """Read the settings, once. Raises InvalidSetting."""
    return NodeSettings.read(os.environ)


@cache
def table() -> ControlTable:
    """The control table. Raises InvalidSetting."""
    return ControlTable(ControlSettings.read(os.environ), time.time)


@cache
def ec2() -> "EC2Client":
    """Make the EC2 client, at the first tick with an operation under way."""
    return compute.client(settings().region)


def _advanced(operation: Operation) -> Operation:
    current, node = settings(), _node()
    motor = Motor(table(), ec2(), current.project, current.stack, until=time.time() + STEPS_S)
    return motor.advance(operation, node)


def _node() -> compute.Node | None:
    current = settings()
    return compute.find_node(ec2(), project=current.project, stack=current.stack)


def _report(operation: Operation) -> None:
    """Count the failure, and mail it; if mailing fails, a tick after the lease does it."""
    if not table().claim_mail(operation, int(time.time())):
        return
    current, reason = settings(), str(operation.reason)
    topic = read_topic(os.environ)
    import boto3

    boto3.client("sns", region_name=current.region).publish(
        TopicArn=topic,
        Subject=f"{current.stack}: {operation.action} of the node failed: {reason}"[:100],
        Message=(
            f"Operation {operation.id} of stack {current.stack} failed: {reason}.\n"
            f"Asked for: {operation.action} to {operation.target}. "
            f"The node was {operation.previous} before, and should be so again.\n"
            "What each reason means: docs/operations/epic-5-compute-node.md\n"
        ),
    )
    metrics.emit(current.stack, Metric.RESIZE_FAILURES, dimensions={"Reason": reason})
    table().note_mail(operation, int(time.time()))


def _described(operation: Operation) -> Fields:
    found: Fields = {
        "operation": operation.id,
        "action": operation.action,
        "state": operation.state,
        "target": operation.target,
    }
    return found if operation.reason is None else found | {"reason": operation.reason}
