"""An operation on the node's shape: what was asked for, how far it is, and its form in the table.

`hold.py` lists the item; these are the `resize...` attributes of it. One operation is kept: the
next one takes its place once it has ended.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

from tinyllama.utils.control.hold import ControlUnavailable

Action = Literal["start", "stop", "resize"]
State = Literal["stopping", "changing", "starting", "done", "failed"]
Reason = Literal["no_capacity", "quota", "timeout", "refused", "budget", "reverted"]
NodeType = Literal["t3.small", "g4dn.xlarge"]

ENDED: Final = frozenset({"done", "failed"})
NODE_TYPES: Final[tuple[NodeType, ...]] = get_args(NodeType)
LIMIT_S: Final = 900
"""How long an operation may take; then, and as long again, the node goes back to its old type."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. Times are whole seconds since the epoch.

    `previous` is the type that the node had; `target` is the same where the type does not change.
    `reason` says why the operation fails; until it has `failed`, the node goes back to `previous`.
    `started_at` is when EC2 accepted the last start. `by` is the `sub` of who asked. `undo` is the
    type before the last resize, which a start or stop after it leaves as it is.
    """

    id: str
    action: Action
    state: State
    target: str
    previous: str
    began: int
    deadline: int
    by: str
    is_forced: bool = False
    reason: Reason | None = None
    started_at: int | None = None
    mailed: int | None = None
    undo: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has ended, well or not."""
        return self.state in ENDED

    @property
    def changes_type(self) -> bool:
        """Whether the node has another type after it."""
        return self.target != self.previous


def attributes(operation: Operation) -> dict[str, dict[str, str] | None]:
    """The attributes by name, None for what is not there; not `mailed` and `undo`."""
    started_at = operation.started_at
    return {
        "resizeId": {"S": operation.id},
        "resizeAction": {"S": operation.action},
        "resizeState": {"S": operation.state},
        "resizeTarget": {"S": operation.target},
        "resizePrevious": {"S": operation.previous},
        "resizeBegan": {"N": str(operation.began)},
        "resizeDeadline": {"N": str(operation.deadline)},
        "resizeBy": {"S": operation.by},
        "resizeForced": {"N": str(int(operation.is_forced))},
        "resizeReason": None if operation.reason is None else {"S": operation.reason},
        "resizeStartedAt": None if started_at is None else {"N": str(started_at)},
    }


def operation_of(item: object) -> Operation | None:
    """The operation that an item holds; None if there was none yet.

    Raises:
        ControlUnavailable: it is no item of this table.
    """
    if item is None:
        return None
    if not isinstance(item, Mapping):
        raise ControlUnavailable("control table: no item")
    if "resizeId" not in item:
        return None
    try:
        started_at, mailed = item.get("resizeStartedAt"), item.get("resizeMailed")
        reason, undo = item.get("resizeReason"), item.get("resizeUndo")
        return Operation(
            id=_text(item["resizeId"]),
            action=cast(Action, _one_of(item["resizeAction"], get_args(Action))),
            state=cast(State, _one_of(item["resizeState"], get_args(State))),
            target=_text(item["resizeTarget"]),
            previous=_text(item["resizePrevious"]),
            began=int(item["resizeBegan"]["N"]),
            deadline=int(item["resizeDeadline"]["N"]),
            by=_text(item["resizeBy"]),
            is_forced=item["resizeForced"]["N"] != "0",
            reason=None if reason is None else cast(Reason, _one_of(reason, get_args(Reason))),
            started_at=None if started_at is None else int(started_at["N"]),
            mailed=None if mailed is None else int(mailed["N"]),
            undo=None if undo is None else _text(undo),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ControlUnavailable("control table: no operation of this form") from error


def _text(value: Mapping[str, object]) -> str:
    text = value["S"]
    if not isinstance(text, str):
        raise TypeError
    return text


def _one_of(value: Mapping[str, object], known: tuple[str, ...]) -> str:
    text = _text(value)
    if text not in known:
        raise ValueError
    return text
