"""What the API answers: one table from public code to status, one answer and one log line each.

A refusal carries its public code, and apart from it the reason for the log. The caller sees the
first, the operator both, and neither sees a token, a prompt, a reply or a header.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from tinyllama.utils.observability import logs
from tinyllama.utils.settings import InvalidSetting

Event = Mapping[str, Any]
"""An HTTP API event, payload format 2.0.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

STATUS: Mapping[str, int] = {
    "invalid_request": 400,
    "invalid_token": 401,
    "forbidden": 403,
    "not_found": 404,
    "node_starting": 409,
    "job_gone": 410,
    "idempotency_key_reused": 422,
    "rate_limited": 429,
    "internal": 500,
    "router_disabled": 503,
    "queue_unavailable": 503,
    "keys_unavailable": 503,
    "node_unavailable": 503,
    # What GET /queue-health calls an unhealthy queue.
    "timeout": 503,
    "refused": 503,
    "auth": 503,
    "slow": 503,
    "error": 503,
}


class Response(TypedDict):
    """What the gateway turns into an HTTP response."""

    statusCode: int
    headers: dict[str, str]
    body: str


class Refusal(Exception):
    """The request ends here with `code`; `why` goes to the log only."""

    def __init__(
        self,
        code: str,
        *,
        why: str | None = None,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code if why is None else f"{code}: {why}")
        self.code = code
        self.why = why
        self.fields = dict(fields or {})
        self.headers = dict(headers or {})


Route = Callable[[Event], Response]


def answer(
    status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer that no cache keeps."""
    return {
        "statusCode": status,
        "headers": {
            "content-type": "application/json",
            "cache-control": "no-store",
            **(headers or {}),
        },
        # ASCII only: a reply may hold half a surrogate pair, which no UTF-8 encoder takes.
        "body": json.dumps(body, separators=(",", ":")),
    }


def refuse(refusal: Refusal) -> Response:
    """The answer to a refusal, its status from the table."""
    body = {"error": refusal.code, **refusal.fields}
    return answer(STATUS[refusal.code], body, refusal.headers)


def serve(event: object, context: object, routes: Mapping[str, Route]) -> Response:
    """Answer `event` by the route it names and log one line; no exception leaves this function."""
    known: Event = event if isinstance(event, Mapping) else {}
    started = time.perf_counter()
    code: str | None = None
    why: str | None = None
    at: str | None = None
    key = known.get("routeKey")
    route = routes.get(key) if isinstance(key, str) else None
    try:
        if route is None:
            raise Refusal("not_found", why="no such route")
        response = route(known)
    except Refusal as refusal:
        code, why = refusal.code, refusal.why
        response = refuse(refusal)
    except Exception as error:  # noqa: BLE001 - the one place where everything unexpected ends
        code, at = "internal", logs.place(error)
        why = str(error) if isinstance(error, InvalidSetting) else type(error).__name__
        response = refuse(Refusal(code))
    status = response["statusCode"]
    logs.write(
        "ERROR" if code == "internal" else "INFO" if status < 500 else "WARNING",
        requestId=_request_id(known, context),
        route=key if route is not None else None,
        status=status,
        latencyMs=round((time.perf_counter() - started) * 1000, 2),
        error=code,
        why=why,
        at=at,
    )
    return response


def _request_id(event: Event, context: object) -> str | None:
    """The gateway's id, which its access log has too; else the function's own."""
    request = event.get("requestContext")
    found = request.get("requestId") if isinstance(request, Mapping) else None
    found = found or getattr(context, "aws_request_id", None)
    return found if isinstance(found, str) else None
