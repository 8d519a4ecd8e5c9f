"""What a function finds around it: its environment, and the table with the signing keys."""

import json
import time
from collections.abc import Iterator

import pytest

from tests import loopback, tokens
from tinyllama.utils.aws import dynamodb

STACK = "tinyllama-dev"
PROJECT = "tinyllama"


@pytest.fixture
def key_table() -> Iterator[loopback.Endpoint]:
    """A DynamoDB endpoint whose table holds the pool's keys, fetched a minute ago."""
    table = loopback.Table(item=key_item())
    with loopback.endpoint(table.answer) as endpoint:
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
    from tinyllama.router import app as router
    from tinyllama.stop import app as stop
    from tinyllama.waker import app as waker

    kept = (
        *(router.setup, router.job_queue, router.ec2),
        *(stop.setup, stop.ec2),
        *(queue_health.setup, queue_health.job_queue),
        *(waker.settings, waker.job_queue, waker.ec2),
    )
    for function in kept:
        function.cache_clear()
