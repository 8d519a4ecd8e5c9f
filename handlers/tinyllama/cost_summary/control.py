"""Items of the control table: the meter's estimate, the killer's latch, and which day is mailed.

`mailed#YYYY-MM-DD` is claimed before the mail is sent and marked after: the schedule delivers at
least once, and whoever finds the day claimed or sent leaves it. A claim ends by itself before
Lambda tries again, so a retry sends. A crash between sending and marking may send a second mail.
"""

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from tinyllama.cost_summary.figures import Latch, Meter

CLAIM_S: Final = 50
"""Longer than the function may run (`Timeout` in report.yaml), shorter than the minute after which
Lambda tries again: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""
_FREE: Final = "attribute_not_exists(id) OR (attribute_not_exists(sentAt) AND claimedAt < :old)"
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 1.0, 3.0


def client(region: str) -> Any:
    """Make a DynamoDB client that gives up soon; a retry of the whole mail comes after a minute."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"total_max_attempts": 2},
    )
    return boto3.client("dynamodb", region_name=region, config=config)


def claim(dynamodb: Any, table: str, day: date, *, now: int) -> bool:
    """Take the day's mail; False if it is sent, or taken less than `CLAIM_S` seconds ago.

    Raises:
        botocore's errors: the table does not answer.
    """
    try:
        dynamodb.put_item(
            TableName=table,
            Item={"id": {"S": _mailed(day)}, "claimedAt": {"N": str(now)}},
            ConditionExpression=_FREE,
            ExpressionAttributeValues={":old": {"N": str(now - CLAIM_S)}},
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


def mark_sent(dynamodb: Any, table: str, day: date, *, now: int) -> None:
    """Keep that the day's mail is sent."""
    item = {"id": {"S": _mailed(day)}, "claimedAt": {"N": str(now)}, "sentAt": {"N": str(now)}}
    dynamodb.put_item(TableName=table, Item=item)


def read_meter(dynamodb: Any, table: str, today: date) -> Meter | None:
    """The estimate of this month; None if there is none, or none that can be read."""
    item = _item(dynamodb, table, f"spend#{today:%Y-%m}")
    usd, sampled_at = _number(item, "usd"), _moment(item, "sampledAt")
    return None if usd is None or sampled_at is None else Meter(usd, sampled_at)


def read_latch(dynamodb: Any, table: str) -> Latch | None:
    """The killer's latch; None if it does not hold the node."""
    item = _item(dynamodb, table, "node")
    since = _moment(item, "latchedAt")
    if since is None:
        return None
    return Latch(since, str(item.get("latchedWhy", {}).get("S", "no reason kept")))


def _mailed(day: date) -> str:
    return f"mailed#{day.isoformat()}"


def _item(dynamodb: Any, table: str, item_id: str) -> dict[str, dict[str, str]]:
    answer = dynamodb.get_item(TableName=table, Key={"id": {"S": item_id}}, ConsistentRead=True)
    item: dict[str, dict[str, str]] = answer.get("Item", {})
    return item


def _number(item: dict[str, dict[str, str]], name: str) -> Decimal | None:
    try:
        number = Decimal(item[name]["N"])
    except (KeyError, InvalidOperation):
        return None
    return number if number.is_finite() and number >= 0 else None


def _moment(item: dict[str, dict[str, str]], name: str) -> datetime | None:
    seconds = _number(item, name)
    try:
        return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None
