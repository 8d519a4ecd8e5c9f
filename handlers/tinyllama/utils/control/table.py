"""Reads and writes the operation in the control table: one at a time, each write on a condition.

Two that begin at once: DynamoDB lets one write, and the other is told. Two that go on with one
operation at once: the slower one's write is refused, and it leaves the rest to the other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tinyllama.utils.aws import dynamodb, sigv4
from tinyllama.utils.aws.errors import AwsError
from tinyllama.utils.control.hold import ITEM_ID, ControlUnavailable, read_item
from tinyllama.utils.control.operation import Operation, attributes, operation_of
from tinyllama.utils.settings import ControlSettings

MAIL_LEASE_S: Final = 60
"""How long one that mails keeps others from it; after that it has died, and the next one mails."""
_FREE: Final = "(attribute_not_exists(resizeState) OR resizeState IN (:done, :failed))"
_MAY_START: Final = "attribute_not_exists(latchedAt)"


class UnderWay(AwsError):
    """Another operation has not ended yet."""


class Latched(AwsError):
    """The budget's latch is set: nothing may start the node."""


class Overtaken(AwsError):
    """Another caller has written since the operation was read."""


@dataclass(frozen=True, slots=True)
class Control:
    """The item as read: the operation, and whether the latch is set."""

    operation: Operation | None
    is_latched: bool


@dataclass(frozen=True, slots=True)
class ControlTable:
    """The control table. Every method raises ControlUnavailable if it does not answer."""

    settings: ControlSettings
    clock: Callable[[], float]
    credentials: Callable[[], sigv4.Credentials] = sigv4.from_environment

    def read(self) -> Control:
        """Read the operation and the latch."""
        item = read_item(self.settings, now=self.clock(), credentials=self.credentials)
        return Control(operation_of(item), isinstance(item, Mapping) and "latchedAt" in item)

    def begin(self, operation: Operation) -> None:
        """Write a new operation.

        Raises:
            UnderWay
            Latched: and the operation may start the node.
        """
        may_start = operation.action != "stop"
        condition = f"{_FREE} AND {_MAY_START}" if may_start else _FREE
        values = {":done": {"S": "done"}, ":failed": {"S": "failed"}}
        gone = ("resizeMailing", "resizeMailed")
        changes = attributes(operation)
        if operation.changes_type:
            changes["resizeUndo"] = {"S": operation.previous}
        try:
            self._write(changes, condition, values, remove=gone)
        except dynamodb.ConditionFailed as error:
            if may_start and self.read().is_latched:
                raise Latched from error
            raise UnderWay from error

    def replace(self, before: Operation, after: Operation) -> None:
        """Write how far the operation is.

        Raises:
            Overtaken: it is no longer as it was read.
        """
        read = attributes(before)
        names = ("resizeId", "resizeState", "resizeReason", "resizeStartedAt", "resizeDeadline")
        terms, values = [], {}
        for name in names:
            value = read[name]
            if value is None:
                terms.append(f"attribute_not_exists({name})")
            else:
                terms.append(f"{name} = :was{name}")
                values[f":was{name}"] = value
        try:
            self._write(attributes(after), " AND ".join(terms), values)
        except dynamodb.ConditionFailed as error:
            raise Overtaken from error

    def claim_mail(self, operation: Operation, now: int) -> bool:
        """Whether this caller is the one that mails; False also if it was mailed."""
        condition = (
            "resizeId = :own AND attribute_not_exists(resizeMailed)"
            " AND (attribute_not_exists(resizeMailing) OR resizeMailing < :dead)"
        )
        values = {":own": {"S": operation.id}, ":dead": {"N": str(now - MAIL_LEASE_S)}}
        try:
            self._write({"resizeMailing": {"N": str(now)}}, condition, values)
        except dynamodb.ConditionFailed:
            return False
        return True

    def note_mail(self, operation: Operation, now: int) -> None:
        """Note that the failure was mailed. Raises Overtaken."""
        values = {":own": {"S": operation.id}}
        try:
            self._write({"resizeMailed": {"N": str(now)}}, "resizeId = :own", values)
        except dynamodb.ConditionFailed as error:
            raise Overtaken from error

    def _write(
        self,
        changes: Mapping[str, Mapping[str, str] | None],
        condition: str,
        values: Mapping[str, Mapping[str, str]],
        *,
        remove: tuple[str, ...] = (),
    ) -> None:
        sets = {name: value for name, value in changes.items() if value is not None}
        removed = [*(name for name, value in changes.items() if value is None), *remove]
        expression = "SET " + ", ".join(f"{name} = :new{name}" for name in sets)
        if removed:
            expression += " REMOVE " + ", ".join(removed)
        request = {
            "TableName": self.settings.table,
            "Key": {"id": {"S": ITEM_ID}},
            "UpdateExpression": expression,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": {
                **values,
                **{f":new{name}": value for name, value in sets.items()},
            },
        }
        try:
            dynamodb.call(
                "UpdateItem",
                request,
                url=self.settings.dynamodb_url,
                region=self.settings.region,
                credentials=self.credentials,
                now=self.clock(),
            )
        except dynamodb.ConditionFailed:
            raise
        except dynamodb.DynamoDbFailed as error:
            raise ControlUnavailable(f"control table: {error}") from error
