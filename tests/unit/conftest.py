"""What a function finds around it: its environment, and the table with the signing keys."""

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
import redis
from moto import mock_aws

from tests import loopback, tokens
from tests.ec2 import Ec2
from tinyllama.utils.aws import compute, dynamodb
from tinyllama.utils.queue.job_queue import JobQueue

if TYPE_CHECKING:
    from tests.unit.resize_calls import Control

STACK = "tinyllama-dev"
PROJECT = "tinyllama"


@pytest.fixture
def key_table() -> Iterator[loopback.Endpoint]:
    """A DynamoDB endpoint: the pool's keys, a minute old, and nothing that holds the node."""
    with loopback.endpoint(loopback.Table(item=key_item()).answer) as endpoint:
        yield endpoint


@pytest.fixture
def function_environment(
    key_table: loopback.Endpoint, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """The variables of a function behind the API, set; and no answer of an earlier test kept."""
    environment = {
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": loopback.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": loopback.SECRET_KEY,
        "AWS_SESSION_TOKEN": loopback.SESSION_TOKEN,
        "AWS_ENDPOINT_URL_DYNAMODB": key_table.url,
        "TL_STACK": STACK,
        "TL_PROJECT": PROJECT,
        "TL_ISSUER": tokens.ISSUER,
        "TL_AUDIENCE": tokens.AUDIENCE,
        "TL_KEYS_TABLE": "tinyllama-dev-signing-keys",
        "TL_CONTROL_TABLE": "tinyllama-dev-control",
        "TL_DISABLE_LAM_ROUTER": "0",
        "TL_QUEUE_HOST": "queue.example.com",
        "TL_QUEUE_PORT": "6379",
        "TL_QUEUE_CACHE": "tinyllama-dev",
        "TL_QUEUE_USER": "tinyllama-dev-router",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    # A busy machine may answer later than AWS does.
    monkeypatch.setattr(dynamodb, "TIMEOUT_S", 60.0)
    _forget()
    yield environment
    _forget()


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ec2]:
    """The EC2 that the functions speak to over HTTP; they wait for 0.25 s."""
    played = Ec2()
    monkeypatch.setattr(compute, "READ_TIMEOUT_S", 0.25)
    with loopback.endpoint(played.answer) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", endpoint.url)
        yield played


@pytest.fixture
def waking(
    function_environment: dict[str, str],
    redis_client: redis.Redis,
    ec2: Ec2,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Router and waker with their variables, an empty Redis reached without TLS, and an EC2."""
    from tinyllama.router import app as router
    from tinyllama.waker import app as waker

    for app in (router, waker):
        monkeypatch.setattr(app, "connect", lambda *_, **__: redis_client)


@pytest.fixture
def router(
    function_environment: dict[str, str],
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """The router with its variables, an empty Redis without TLS, and an EC2 without instances."""
    from tinyllama.router import app

    monkeypatch.setattr(app, "connect", lambda *_: redis_client)
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with mock_aws(config={"core": {"mock_credentials": False}}):
        yield


@pytest.fixture
def resize_control(
    function_environment: dict[str, str],
    key_table: loopback.Endpoint,
    redis_client: redis.Redis,
    ec2: Ec2,
    monkeypatch: pytest.MonkeyPatch,
) -> "Iterator[Control]":
    """Resize and its motor with their variables, an EC2, a topic, and the control table."""
    from tests.unit.resize_calls import control_table
    from tinyllama.resize import app

    monkeypatch.setattr(app, "connect", lambda *_, **__: redis_client)
    with control_table(key_table) as table:
        topic = boto3.client("sns").create_topic(Name="tinyllama-dev-alarms")["TopicArn"]
        monkeypatch.setenv("TL_ALARM_TOPIC", topic)
        yield table


@pytest.fixture
def awake(redis_client: redis.Redis) -> None:
    """A worker's heartbeat."""
    redis_client.set("node:heartbeat", "1")


@pytest.fixture
def jobs(redis_client: redis.Redis) -> JobQueue:
    """The queue, to look into and to accept jobs as another function did."""
    return JobQueue(redis_client)


def key_item(fetched_at: float | None = None, **changes: object) -> dict[str, object]:
    """The item that the signing-keys function writes."""
    at = int(time.time() - 60 if fetched_at is None else fetched_at)
    return {
        "id": {"S": "jwks"},
        "jwks": {"S": json.dumps(tokens.jwks())},
        "issuer": {"S": tokens.ISSUER},
        "fetchedAt": {"N": str(at)},
    } | changes


def _forget() -> None:
    from tinyllama.queue_health import app as queue_health
    from tinyllama.resize import app as resize
    from tinyllama.resize_motor import app as motor
    from tinyllama.router import app as router
    from tinyllama.stop import app as stop
    from tinyllama.waker import app as waker

    kept = (
        *(router.setup, router.job_queue, router.ec2),
        *(stop.setup, stop.ec2),
        *(resize.setup, resize.ec2),
        *(motor.settings, motor.table, motor.ec2),
        *(queue_health.setup, queue_health.job_queue),
        *(waker.settings, waker.job_queue, waker.ec2),
    )
    for function in kept:
        function.cache_clear()
