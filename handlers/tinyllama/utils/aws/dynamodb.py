"""One signed call to DynamoDB over `http.client`, as the functions use a single item.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html
"""

import http.client
import json
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from tinyllama.utils.aws import sigv4
from tinyllama.utils.aws.errors import AwsError
from tinyllama.utils.decoding import strict_json

TIMEOUT_S = 1.0
MAX_ANSWER_BYTES = 512 * 1024  # an item has at most 400 KiB
_MAX_DEPTH = 16
_CONDITION_FAILED = "ConditionalCheckFailedException"

Item = Mapping[str, Mapping[str, str]]
"""An item of strings and numbers: {"id": {"S": "jwks"}, "fetchedAt": {"N": "1"}}."""


class DynamoDbFailed(AwsError):
    """The call did not succeed; the message names the failure and holds nothing of the item."""


class ConditionFailed(DynamoDbFailed):
    """The item is not as the write demands; nothing was written."""


def call(
    action: str,
    request: Mapping[str, object],
    *,
    url: str,
    region: str,
    credentials: Callable[[], sigv4.Credentials],
    now: float,
) -> Mapping[str, object]:
    """Call `action` ("GetItem", "UpdateItem") once, without a retry, within 1 s for each network
    step.

    Raises:
        DynamoDbFailed: ConditionFailed if the write's own condition refused it.
    """
    parts = urlsplit(url)
    body = json.dumps(request).encode()
    headers = sigv4.sign(
        credentials(),
        host=parts.netloc,
        headers={
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": f"DynamoDB_20120810.{action}",
        },
        body=body,
        service="dynamodb",
        region=region,
        now=now,
    )
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connect(parts.netloc, timeout=TIMEOUT_S)
    try:
        connection.request("POST", "/", body, headers)
        with connection.getresponse() as response:
            content = response.read(MAX_ANSWER_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        raise DynamoDbFailed(f"{action}: {type(error).__name__}") from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        kind = _error_type(content)
        failure = ConditionFailed if kind == _CONDITION_FAILED else DynamoDbFailed
        raise failure(f"{action}: status {response.status} {kind}".rstrip())
    return _members(content, action)


def get_item(
    table: str,
    item_id: str,
    *,
    url: str,
    region: str,
    credentials: Callable[[], sigv4.Credentials],
    now: float,
) -> object:
    """Read the item whose key `id` this is, as it is now; None if there is none.

    Raises:
        DynamoDbFailed
    """
    request = {"TableName": table, "Key": {"id": {"S": item_id}}, "ConsistentRead": True}
    answer = call("GetItem", request, url=url, region=region, credentials=credentials, now=now)
    return answer.get("Item")


def _members(content: bytes, action: str) -> Mapping[str, object]:
    if len(content) > MAX_ANSWER_BYTES:
        raise DynamoDbFailed(f"{action}: answer too large")
    try:
        members = strict_json.loads(content.decode(), max_depth=_MAX_DEPTH)
    except ValueError as error:
        raise DynamoDbFailed(f"{action}: answer not strict JSON") from error
    if not isinstance(members, dict):
        raise DynamoDbFailed(f"{action}: not an object")
    return members


def _error_type(content: bytes) -> str:
    """The error's type, such as `ResourceNotFoundException`; empty if the answer names none."""
    try:
        kind = _members(content, "error").get("__type")
    except DynamoDbFailed:
        return ""
    name = kind.rpartition("#")[2] if isinstance(kind, str) else ""
    return name if name.isalnum() and len(name) <= 64 else ""
