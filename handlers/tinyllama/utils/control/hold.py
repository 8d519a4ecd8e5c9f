"""Holds on the node, read by everybody who may start it, before EC2 is asked.

One item, `id` = `node`, of the table that the control settings name. Every attribute is optional:

latchedAt     N  since when the budget killer keeps the node off, seconds since the epoch; an
                 operator lifts it
latchedWhy    S  what it saw, for the log and the mail
resizeId      S  the last resize operation
resizeState   S  `stopping`, `changing`, `starting`; then `done` or `failed`
resizeDeadline N when it goes back to the old type, for 15 minutes more; seconds since the epoch
resize...        what else that operation keeps: see `operation.py`

A resize holds the node while it stops it and changes its type: a start in between would bring up
the old type. If the item cannot be read nobody starts the node, because a start costs money.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal

from tinyllama.utils.aws import dynamodb, sigv4
from tinyllama.utils.aws.errors import AwsError
from tinyllama.utils.settings import ControlSettings

Hold = Literal["budget", "resizing"]
ITEM_ID: Final = "node"
HELD_BY_RESIZE: Final = frozenset({"stopping", "changing"})
OVERDUE_S: Final = 1800
"""Twice the time that a resize has, after its deadline, to go back to the old type."""


class ControlUnavailable(AwsError):
    """The control table cannot be read, so it is not known whether the node may be started."""


def read_hold(
    settings: ControlSettings,
    *,
    now: float,
    credentials: Callable[[], sigv4.Credentials] = sigv4.from_environment,
) -> Hold | None:
    """Read what keeps the node from being started; None if nothing does.

    Raises:
        ControlUnavailable
    """
    return hold_of(read_item(settings, now=now, credentials=credentials), now=now)


def read_item(
    settings: ControlSettings, *, now: float, credentials: Callable[[], sigv4.Credentials]
) -> object:
    """Read the item; None if there is none yet.

    Raises:
        ControlUnavailable
    """
    try:
        return dynamodb.get_item(
            settings.table,
            ITEM_ID,
            url=settings.dynamodb_url,
            region=settings.region,
            credentials=credentials,
            now=now,
        )
    except dynamodb.DynamoDbFailed as error:
        raise ControlUnavailable(f"control table: {error}") from error


def hold_of(item: object, *, now: float) -> Hold | None:
    """The hold that an item says; no item, no hold.

    Raises:
        ControlUnavailable: it is no item of this table, or nobody goes on with its resize. Who
            waits for the node is told so, and the waker counts a failure.
    """
    if item is None:
        return None
    if not isinstance(item, Mapping):
        raise ControlUnavailable("control table: no item")
    if "latchedAt" in item:
        return "budget"
    state = item.get("resizeState")
    if state is None:
        return None
    text = state.get("S") if isinstance(state, Mapping) else None
    if not isinstance(text, str):
        raise ControlUnavailable("control table: resizeState is no string")
    if text not in HELD_BY_RESIZE:
        return None
    try:
        deadline = int(item["resizeDeadline"]["N"])
    except (KeyError, TypeError, ValueError) as error:
        raise ControlUnavailable("control table: resizeDeadline is no time") from error
    if now > deadline + OVERDUE_S:
        raise ControlUnavailable("control table: a resize does not end")
    return "resizing"
