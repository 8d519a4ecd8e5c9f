"""Fetches the user pool's signing keys and stores them where the private subnets can read them.

It runs outside the VPC: every five minutes, and as a custom resource, which CloudFormation calls
when it creates the stack and when an update changes the pool or the table. So keys are stored
before the first request. It stores a key set only if the router would admit it.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

import http.client
import json
import os
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tinyllama.utils.auth import key_store, keys
from tinyllama.utils.aws import dynamodb
from tinyllama.utils.aws.sigv4 import from_environment
from tinyllama.utils.observability import logs
from tinyllama.utils.settings import InvalidSetting, KeySettings, endpoint

Event = Mapping[str, Any]
"""A custom resource's request, or an event of the schedule."""

PHYSICAL_ID = "signing-keys"
STEP_TIMEOUT_S = 1.5
FETCH_TIMEOUT_S = 3.0
PAUSE_S = 0.5
ATTEMPT_S = 8.0
"""The longest time that an attempt and the answer to CloudFormation take together."""
_CHUNK_BYTES = 16 * 1024


class RefreshFailed(Exception):
    """The table still holds the old keys; the message says what to look at."""


def handler(event: Event, context: object) -> None:
    """Refresh the stored keys; answer CloudFormation if it sent the event.

    Raises:
        RefreshFailed: on a scheduled run, so that Lambda counts an error and tries again.
    """
    failure = None if event.get("RequestType") == "Delete" else _refresh_failure()
    while failure is not None and _remaining_s(context) > ATTEMPT_S + PAUSE_S:
        # A role that was created seconds ago has not reached every part of AWS yet.
        time.sleep(PAUSE_S)
        failure = _refresh_failure()
    logs.write(
        "INFO" if failure is None else "ERROR",
        requestId=getattr(context, "aws_request_id", None),
        route=event.get("RequestType") or "schedule",
        why=failure,
    )
    if "ResponseURL" in event:
        _answer_cloudformation(event, failure)
    elif failure is not None:
        raise RefreshFailed(failure)


def refresh(environment: Mapping[str, str], now: float) -> None:
    """Fetch, validate and store the pool's key set.

    Raises:
        RefreshFailed, InvalidSetting
    """
    settings = KeySettings.read(environment)
    jwks = fetch(jwks_url(settings.issuer, environment))
    try:
        text = jwks.decode()
        keys.Keys.from_jwks(text)
    except ValueError as error:
        why = str(error) if isinstance(error, keys.InvalidKeys) else "not UTF-8"
        raise RefreshFailed(f"the pool's key set: {why}; look at TL_ISSUER") from error
    item = key_store.to_item(text, issuer=settings.issuer, fetched_at=int(now))
    try:
        dynamodb.call(
            "PutItem",
            {"TableName": settings.keys_table, "Item": item},
            url=settings.dynamodb_url,
            region=settings.region,
            credentials=from_environment,
            now=now,
        )
    except dynamodb.DynamoDbFailed as error:
        raise RefreshFailed(f"storing: {error}; look at TL_KEYS_TABLE and the role") from error


def jwks_url(issuer: str, environment: Mapping[str, str]) -> str:
    """Return the URL where the pool publishes its keys. Raises InvalidSetting."""
    parts = urlsplit(issuer)
    default = f"{parts.scheme}://{parts.netloc}"
    base = endpoint(environment, "COGNITO_IDENTITY_PROVIDER", default=default)
    return f"{base}{parts.path}/.well-known/jwks.json"


def fetch(url: str) -> bytes:
    """GET a small document: no redirect, at most 64 KiB, about 3 s.

    Raises:
        RefreshFailed
    """
    parts = urlsplit(url)
    deadline = time.monotonic() + FETCH_TIMEOUT_S
    connection = _connection(url)
    content = b""
    try:
        connection.request("GET", parts.path, headers={"accept": "application/json"})
        with connection.getresponse() as response:
            if response.status != http.HTTPStatus.OK:
                raise RefreshFailed(
                    f"the pool's key set: status {response.status}; look at TL_ISSUER"
                )
            while chunk := response.read1(_CHUNK_BYTES):
                content += chunk
                if len(content) > keys.MAX_JWKS_BYTES:
                    raise RefreshFailed("the pool's key set: too large; look at TL_ISSUER")
                if time.monotonic() > deadline:
                    raise RefreshFailed("the pool's key set: too slow; look at the network")
    except (OSError, http.client.HTTPException) as error:
        why = type(error).__name__
        raise RefreshFailed(f"the pool's key set: {why}; look at the network") from error
    finally:
        connection.close()
    return content


def _refresh_failure() -> str | None:
    try:
        refresh(os.environ, time.time())
    except (RefreshFailed, InvalidSetting) as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - CloudFormation would wait an hour for an answer
        return f"{type(error).__name__} at {logs.place(error)}; this is a defect"
    return None


def _answer_cloudformation(event: Event, failure: str | None) -> None:
    """PUT the result to the presigned URL of the event, which allows no content type."""
    url = event["ResponseURL"]
    parts = urlsplit(url)
    answer = {
        "Status": "SUCCESS" if failure is None else "FAILED",
        "Reason": failure or "stored",
        "PhysicalResourceId": PHYSICAL_ID,
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    connection = _connection(url)
    try:
        body = json.dumps(answer).encode()
        connection.request("PUT", f"{parts.path}?{parts.query}", body, {"content-type": ""})
        with connection.getresponse() as response:
            status = response.status
    finally:
        connection.close()
    if status != http.HTTPStatus.OK:
        raise RefreshFailed(f"answering CloudFormation: status {status}")


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.netloc, timeout=STEP_TIMEOUT_S)


def _remaining_s(context: object) -> float:
    remaining_ms = getattr(context, "get_remaining_time_in_millis", None)
    return remaining_ms() / 1000 if remaining_ms is not None else 0.0
