"""Calls of resize and its motor, with a control table whose conditions moto judges."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import boto3
from botocore.exceptions import ClientError
from moto import mock_aws

from tests import contract, loopback
from tests.events import event
from tests.unit.conftest import key_item
from tests.unit.stop_calls import admin
from tinyllama.resize import app
from tinyllama.resize_motor import app as motor

Told = tuple[int, dict[str, Any]]
UP: Final = '{"action": "resize", "target": "g4dn.xlarge"}'
DOWN: Final = '{"action": "resize", "target": "t3.small"}'
START: Final = '{"action": "start"}'
STOP: Final = '{"action": "stop"}'


class Control(loopback.Table):
    """Both tables; the item of the control table lives in moto, which evaluates expressions."""

    def __init__(self) -> None:
        """Make moto's table; moto must be on."""
        super().__init__(item=key_item(), update=self._update)
        self._client = boto3.client(
            "dynamodb",
            region_name="eu-central-1",
            endpoint_url="https://dynamodb.eu-central-1.amazonaws.com",
        )
        self._client.create_table(
            TableName=loopback.CONTROL_TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )

    def put(self, **attributes: dict[str, str]) -> None:
        """Change attributes of the item, as somebody else does."""
        self._client.update_item(
            TableName=loopback.CONTROL_TABLE,
            Key={"id": {"S": "node"}},
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in attributes),
            ExpressionAttributeValues={f":{name}": v for name, v in attributes.items()},
        )
        self._read()

    def _update(self, sent: dict[str, Any]) -> loopback.Answer:
        try:
            self._client.update_item(**sent)
        except ClientError as error:
            return loopback.error(error.response["Error"]["Code"])
        finally:
            self._read()
        return loopback.Answer(body=b"{}")

    def _read(self) -> None:
        answer = self._client.get_item(TableName=loopback.CONTROL_TABLE, Key={"id": {"S": "node"}})
        self.control = answer.get("Item")


@contextmanager
def control_table(key_table: loopback.Endpoint) -> Iterator[Control]:
    """The table behind the functions' endpoint."""
    with mock_aws(config={"core": {"mock_credentials": False}}):
        made = Control()
        key_table.answer = made.answer
        yield made


def asked(body: str, token: str | None = None) -> Told:
    """POST /resize, held to the contract."""
    return _called("post_resize", token, body=body)


def read(operation_id: str, token: str | None = None) -> Told:
    """GET /resize/{id}, held to the contract."""
    return _called("get_resize", token, pathParameters={"id": operation_id})


def tick() -> dict[str, Any]:
    """What the rule does every minute."""
    return dict(motor.handler(event("scheduled"), None))


def _called(name: str, token: str | None, **changes: Any) -> Told:
    sent = event(name, token=token or admin(), **changes)
    response = app.handler(sent, None)
    assert contract.faults(sent["routeKey"], response) == []
    return response["statusCode"], json.loads(response["body"])
