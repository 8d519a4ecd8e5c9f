"""One answer and one log line for each request, whatever happens."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.events import event
from tinyllama.utils.auth import InvalidToken, Reason
from tinyllama.utils.auth.key_store import KeysUnavailable
from tinyllama.utils.aws.compute import NodeUnavailable, WrongState
from tinyllama.utils.aws.dynamodb import DynamoDbFailed
from tinyllama.utils.http.body import BodyReason, InvalidBody
from tinyllama.utils.http.errors import STATUS, TABLE, ApiError
from tinyllama.utils.http.responses import Event, Response, error_response, respond, serve
from tinyllama.utils.queue.errors import (
    KeyReused,
    QueueDisabled,
    QueueFull,
    QueueUnavailable,
    RateLimited,
)
from tinyllama.utils.settings import InvalidSetting

SECRET = "what-the-user-sent"
HEADERS = {"content-type": "application/json", "cache-control": "no-store"}


def served(raised: BaseException | None, **changes: Any) -> Response:
    """What comes back when the route of GET /ping raises this, or answers."""

    def route(_: Event) -> Response:
        if raised is not None:
            raise raised
        return respond(200, {"status": "ok"})

    context = SimpleNamespace(aws_request_id="of-the-function")
    return serve(event("get_ping", **changes), context, {"GET /ping": route})


def logged(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one line that was logged, without its times and places."""
    (line,) = capsys.readouterr().out.splitlines()
    found: dict[str, Any] = json.loads(line)
    assert 0 <= found.pop("latencyMs") < 10_000
    return found


def test_answer_is_json_that_nobody_caches() -> None:
    """Written in ASCII, so that any text at all can be sent: also half a surrogate pair."""
    text = "\u00e9 \U0001f600 \ud800"
    response = respond(200, {"reply": text}, {"X-A": "b"})
    assert response == {
        "statusCode": 200,
        "headers": {**HEADERS, "X-A": "b"},
        "body": '{"reply":"\\u00e9 \\ud83d\\ude00 \\ud800"}',
    }
    assert json.loads(response["body"].encode()) == {"reply": text}


def test_refusal_is_answered_by_the_table() -> None:
    """Code, public fields and headers; never the reason for the log."""
    refusal = ApiError("rate_limited", why=SECRET, fields={"a": "b"}, headers={"Retry-After": "3"})
    assert error_response(refusal) == {
        "statusCode": 429,
        "headers": {**HEADERS, "Retry-After": "3"},
        "body": '{"error":"rate_limited","a":"b"}',
    }


def test_every_code_has_a_status_that_refuses() -> None:
    """No refusal looks like success."""
    assert {status for status in STATUS.values() if not 400 <= status <= 599} == set()


def test_request_is_answered_and_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """One line: level, the gateway's request id, route, status, time."""
    assert served(None) == respond(200, {"status": "ok"})
    assert logged(capsys) == {
        "level": "INFO",
        "requestId": "Rk3vPhyGliAEPmA=",
        "route": "GET /ping",
        "status": 200,
    }


def test_refusal_is_logged_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """The operator sees why, the caller does not."""
    assert served(ApiError("invalid_token", why="expired"))["body"] == '{"error":"invalid_token"}'
    assert logged(capsys) == {
        "level": "INFO",
        "requestId": "Rk3vPhyGliAEPmA=",
        "route": "GET /ping",
        "status": 401,
        "error": "invalid_token",
        "why": "expired",
    }


def test_unavailability_is_logged_as_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    """What is not the caller's fault stands out."""
    assert served(ApiError("queue_unavailable", why="timeout"))["statusCode"] == 503
    assert logged(capsys)["level"] == "WARNING"


@pytest.mark.parametrize(
    "raised",
    [
        ValueError(SECRET),
        KeyError(SECRET),
        RecursionError(SECRET),
        MemoryError(),
        OSError(5, SECRET),
    ],
    ids=lambda raised: type(raised).__name__,
)
def test_anything_unexpected_is_internal(
    raised: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    """The caller learns nothing, the log the type and the place, and neither what was sent."""
    response = served(raised)
    assert (response["statusCode"], response["body"]) == (500, '{"error":"internal"}')
    found = logged(capsys)
    assert SECRET not in str(found)
    assert found.pop("at").startswith("tests/unit/test_responses.py:")
    assert found == {
        "level": "ERROR",
        "requestId": "Rk3vPhyGliAEPmA=",
        "route": "GET /ping",
        "status": 500,
        "error": "internal",
        "why": type(raised).__name__,
    }


def test_wrong_setting_is_named_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """The variable's name and what it must be; the caller sees an internal error."""
    response = served(InvalidSetting("TL_ISSUER is not set"))
    assert response["body"] == '{"error":"internal"}'
    assert logged(capsys)["why"] == "TL_ISSUER is not set"


@pytest.mark.parametrize("key", ["GET /other", "$default", None, 7, ["GET /ping"]])
def test_unknown_route_is_not_found(key: object, capsys: pytest.CaptureFixture[str]) -> None:
    """A route that is not ours is not echoed either."""
    response = served(None, routeKey=key)
    assert (response["statusCode"], response["body"]) == (404, '{"error":"not_found"}')
    assert logged(capsys) == {
        "level": "INFO",
        "requestId": "Rk3vPhyGliAEPmA=",
        "status": 404,
        "error": "not_found",
        "why": "no such route",
    }


@pytest.mark.parametrize(
    ("request_context", "request_id"),
    [
        (None, "of-the-function"),
        ({}, "of-the-function"),
        ([], "of-the-function"),
        ({"requestId": 7}, None),
    ],
)
def test_request_without_the_gateways_id_has_the_functions(
    request_context: object, request_id: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every line can be found again; an id of another type is no id, and is left out."""
    served(None, requestContext=request_context)
    assert logged(capsys).get("requestId") == request_id


@pytest.mark.parametrize(
    ("raised", "expected", "why"),
    [
        (
            InvalidBody("idle", BodyReason.OUT_OF_RANGE),
            (400, {"error": "invalid_request", "field": "idle", "reason": "out of range"}, {}),
            "out of range",
        ),
        (InvalidToken(Reason.EXPIRED), (401, {"error": "invalid_token"}, {}), "expired"),
        (KeyReused(), (422, {"error": "idempotency_key_reused"}, {}), None),
        (RateLimited(7), (429, {"error": "rate_limited"}, {"Retry-After": "7"}), None),
        (QueueUnavailable("timeout"), (503, {"error": "queue_unavailable"}, {}), "timeout"),
        (QueueFull(), (503, {"error": "queue_unavailable"}, {}), "error"),
        (
            QueueDisabled(),
            (503, {"error": "queue_unavailable"}, {}),
            "no queue while UseGpu=false",
        ),
        (
            KeysUnavailable("GetItem: TimeoutError"),
            (503, {"error": "keys_unavailable"}, {}),
            "GetItem: TimeoutError",
        ),
        (
            NodeUnavailable("refused", "UnauthorizedOperation"),
            (503, {"error": "node_unavailable", "reason": "refused"}, {}),
            "UnauthorizedOperation",
        ),
        (
            NodeUnavailable("no_capacity"),
            (503, {"error": "node_unavailable", "reason": "no_capacity"}, {}),
            "no_capacity",
        ),
        (WrongState("i-1"), (500, {"error": "internal"}, {}), "WrongState"),
        (DynamoDbFailed("PutItem"), (500, {"error": "internal"}, {}), "DynamoDbFailed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_domain_error_is_answered_by_its_row(
    raised: Exception,
    expected: tuple[int, dict[str, str], dict[str, str]],
    why: str | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Status, body, headers and the log's reason; an error without a row is a defect."""
    response = served(raised)
    status, body, headers = expected
    assert response["statusCode"] == status
    assert json.loads(response["body"]) == body
    assert response["headers"] == HEADERS | headers
    line = logged(capsys)
    assert (line["status"], line["error"], line.get("why")) == (status, body["error"], why)
    assert ("at" in line) is (status == 500)


def test_table_has_one_row_for_each_code_and_each_error() -> None:
    """A second row of a code or an error would hide the first."""
    assert [(row.code, row.status) for row in TABLE] == list(STATUS.items())
    errors = [row.error for row in TABLE if row.error is not None]
    assert errors == list(dict.fromkeys(errors))
