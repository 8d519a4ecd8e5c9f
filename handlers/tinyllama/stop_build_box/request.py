"""What an event asks for: a rule's tick, the Budget's message, or an operator's own words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

Action = Literal["meter", "overdue", "rehearse", "kill", "lift", "alert"]
DIRECT: Final = ("meter", "overdue", "rehearse", "kill", "lift")
"""What the rules and an operator send as `{"action": …}`."""
MOST_USD = 20_000.0


class BadEvent(Exception):
    """An event that asks for nothing known; the message says what would be understood."""


@dataclass(frozen=True, slots=True)
class Request:
    """An action; `until_usd` is how far the month's spend may go after a lift."""

    action: Action
    until_usd: float | None = None


def parse(event: object, *, budget_topic: str) -> Request:
    """Read an event.

    Raises:
        BadEvent
    """
    if not isinstance(event, Mapping):
        raise BadEvent("the event must be an object")
    if "Records" in event:
        return _of_topic(event["Records"], budget_topic)
    action = event.get("action")
    if not isinstance(action, str) or action not in DIRECT:
        raise BadEvent(f"action must be one of {', '.join(DIRECT)}")
    if unknown := sorted(str(name) for name in event.keys() - {"action", "untilUsd"}):
        raise BadEvent(
            f"unknown member {unknown[0][:40]}; an event has action, and untilUsd to lift"
        )
    if "untilUsd" in event and action != "lift":
        raise BadEvent("untilUsd belongs to the action lift")
    return Request(cast("Action", action), _until(event.get("untilUsd")))


def _of_topic(records: object, budget_topic: str) -> Request:
    """A message of the Budget's topic. Its text has no documented form, so it is not read."""
    if not isinstance(records, list) or not records:
        raise BadEvent("Records must be a list that is not empty")
    for record in records:
        message = record.get("Sns") if isinstance(record, Mapping) else None
        if not isinstance(message, Mapping) or message.get("TopicArn") != budget_topic:
            raise BadEvent("a record is no message of the budget's topic")
    return Request("alert")


def _until(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST_USD:
        raise BadEvent(f"untilUsd must be a number above 0 and at most {MOST_USD:g}")
    return float(value)
