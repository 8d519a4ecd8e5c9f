"""The month's spend and the latch, two items of the control table.

`spend#2026-11` holds `usd`, `sampledAt` and `runningTypes` of the meter, `warnedAt` once the mail
at 75 % was sent, and `untilUsd` after a lift. `node` holds the latch
(tinyllama.utils.control.hold), and `latchedTold` once its mail was sent. Every write names its own
attributes alone, because a resize keeps others in the same item.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tinyllama.stop_build_box.meter import month_began, month_of
from tinyllama.utils.control.hold import ITEM_ID

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

REFUSED = "ConditionalCheckFailedException"


@dataclass(frozen=True, slots=True)
class Month:
    """What the ledger says of a month.

    `sampled_s`, and `running`, the types by id of the machines that ran then, may be of the month
    before.
    """

    usd: float = 0.0
    sampled_s: float | None = None
    running: Mapping[str, str] = field(default_factory=dict)
    is_warned: bool = False
    until_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """The two items. Each method makes one call; all raise what the client raises."""

    dynamodb: "DynamoDBClient"
    table: str

    def month(self, now_s: float) -> Month:
        """Read this month; one without a sample goes on from the last one of the month before."""
        item = self._item(_spend(now_s))
        last = item if "sampledAt" in item else self._item(_spend(month_began(now_s) - 1))
        return Month(
            usd=float(item.get("usd", "0")),
            sampled_s=float(last["sampledAt"]) if "sampledAt" in last else None,
            running=dict(pair.split("=", 1) for pair in last.get("runningTypes", "").split()),
            is_warned="warnedAt" in item,
            until_usd=float(item["untilUsd"]) if "untilUsd" in item else None,
        )

    def add(
        self, before: Month, usd: float, now_s: int, running: Mapping[str, str] | None = None
    ) -> bool:
        """Add to this month; False if another run has counted since `before` was read.

        Args:
            before: the month as it was read.
            usd: what was spent since.
            now_s: of the sample.
            running: the types of the machines that run, by their ids.
        """
        is_of_month = before.sampled_s is not None and before.sampled_s >= month_began(now_s)
        values = {":usd": {"N": f"{usd:.6f}"}, ":now": {"N": str(now_s)}}
        pairs = sorted(f"{own}={kind}" for own, kind in (running or {}).items())
        values[":running"] = {"S": " ".join(pairs)}
        if is_of_month:
            values[":before"] = {"N": f"{before.sampled_s:.0f}"}
        return self._write(
            _spend(now_s),
            "SET sampledAt = :now, runningTypes = :running ADD usd :usd",
            values,
            "sampledAt = :before" if is_of_month else "attribute_not_exists(sampledAt)",
        )

    def note_warned(self, now_s: int) -> None:
        """This month's warning was sent."""
        self._write(_spend(now_s), "SET warnedAt = :now", {":now": {"N": str(now_s)}})

    def is_latched(self) -> bool:
        """Whether the budget keeps the node off."""
        answer = self.dynamodb.get_item(
            TableName=self.table, Key={"id": {"S": ITEM_ID}}, ConsistentRead=True
        )
        # Not `hold_of`: an item that a resize left garbled must not keep the killer from its work.
        return "latchedAt" in (answer.get("Item") or {})

    def latch(self, why: str, now_s: int) -> bool:
        """Keep the node off until somebody lifts it; True if this call did."""
        values = {":now": {"N": str(now_s)}, ":why": {"S": why}}
        return self._write(
            ITEM_ID,
            "SET latchedAt = :now, latchedWhy = :why",
            values,
            "attribute_not_exists(latchedAt)",
        )

    def allow(self, until_usd: float, now_s: float) -> None:
        """Let this month's spend go as far as this."""
        self._write(_spend(now_s), "SET untilUsd = :usd", {":usd": {"N": f"{until_usd:.2f}"}})

    def lift(self) -> None:
        """Let the node be started again."""
        self._write(ITEM_ID, "REMOVE latchedAt, latchedWhy, latchedTold", {})

    def told(self) -> str | None:
        """What the last mail of the latch said did not work; None if none was sent."""
        return self._item(ITEM_ID).get("latchedTold")

    def note_told(self, trouble: str) -> None:
        """The mail was sent: no repetition that fails in the same way sends it again."""
        told = {":told": {"S": trouble}}
        self._write(ITEM_ID, "SET latchedTold = :told", told, "attribute_exists(latchedAt)")

    def _item(self, item_id: str) -> dict[str, str]:
        """The numbers and strings of an item; empty if there is none."""
        answer = self.dynamodb.get_item(
            TableName=self.table, Key={"id": {"S": item_id}}, ConsistentRead=True
        )
        item = answer.get("Item", {})
        return {name: str(next(iter(value.values()))) for name, value in item.items()}

    def _write(
        self, item_id: str, update: str, values: dict[str, dict[str, str]], condition: str = ""
    ) -> bool:
        """Update an item; False if the condition does not hold."""
        from botocore.exceptions import ClientError

        optional: dict[str, Any] = {}
        if values:
            optional["ExpressionAttributeValues"] = values
        if condition:
            optional["ConditionExpression"] = condition
        try:
            self.dynamodb.update_item(
                TableName=self.table,
                Key={"id": {"S": item_id}},
                UpdateExpression=update,
                **optional,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == REFUSED:
                return False
            raise
        return True


def _spend(now_s: float) -> str:
    return f"spend#{month_of(now_s)}"
