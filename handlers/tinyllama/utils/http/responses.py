"""Serving a request: the handler's route answers it, one log line records it, nothing is raised."""

import json
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, TypedDict

from tinyllama.utils.http.errors import STATUS, ApiError, to_api_error
from tinyllama.utils.observability import logs

Event = Mapping[str, Any]
"""An HTTP API event, payload format 2.0.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""


class Response(TypedDict):
    """The object that the gateway turns into an HTTP response."""

    statusCode: int
    headers: dict[str, str]
    body: str


Route = Callable[[Event], Response]
_notes: ContextVar[dict[str, str]] = ContextVar("notes")


def note(**fields: str | None) -> None:
    """Add fields to the log line of the request that is being served: names and ids, no content."""
    _notes.get({}).update({name: text for name, text in fields.items() if text is not None})


def respond(
    status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> Response:
    """Build a JSON response that no cache keeps."""
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


def error_response(error: Exception) -> Response:
    """Build the response to an exception, as the table of errors says."""
    api_error = to_api_error(error)
    body = {"error": api_error.code, **api_error.fields}
    return respond(STATUS[api_error.code], body, api_error.headers)


def serve(event: object, context: object, routes: Mapping[str, Route]) -> Response:
    """Answer `event` by the route it names and log one line; no exception leaves this function.

    The gateway sends no event of another form; one that comes all the same is named in the log.
    """
    request: Event = event if isinstance(event, Mapping) else {}
    started = time.perf_counter()
    notes: dict[str, str] = {}
    _notes.set(notes)
    code: str | None = None
    why: str | None = None
    at: str | None = None
    key = request.get("routeKey")
    route = routes.get(key) if isinstance(key, str) else None
    try:
        if route is None:
            is_object = isinstance(event, Mapping)
            raise ApiError("not_found", why="no such route" if is_object else "no object")
        if (fault := _fault(request)) is not None:
            raise ApiError("internal", why=fault)
        response = route(request)
    except Exception as error:  # noqa: BLE001 - the one place where everything unexpected ends
        api_error = to_api_error(error)
        code, why = api_error.code, api_error.why
        at = logs.place(error) if code == "internal" else None
        response = error_response(api_error)
    status = response["statusCode"]
    logs.write(
        _level(status, code),
        requestId=_request_id(request, context),
        route=key if route is not None else None,
        status=status,
        latencyMs=round((time.perf_counter() - started) * 1000, 2),
        error=code,
        why=why,
        at=at,
        **notes,
    )
    return response


def _fault(event: Event) -> str | None:
    """Name what in `event` is not of the type on which the routes rely, or None."""
    for name in ("headers", "pathParameters"):
        value = event.get(name)
        if value is None:
            continue
        if not isinstance(value, Mapping):
            return f"the event's {name} is no object"
        if not all(isinstance(text, str) for text in value.values()):
            return f"the event's {name} holds more than text"
    if not isinstance(event.get("body"), str | bytes | None):
        return "the event's body is no text"
    return None


def _level(status: int, code: str | None) -> logs.Level:
    """A defect is an error; a service that did not answer is a warning; the rest is routine."""
    if code == "internal":
        return "ERROR"
    return "INFO" if status < 500 else "WARNING"


def _request_id(request: Event, context: object) -> str | None:
    """The gateway's id, which its access log has too; else the function's own."""
    request_context = request.get("requestContext")
    gateways = request_context.get("requestId") if isinstance(request_context, Mapping) else None
    request_id = gateways or getattr(context, "aws_request_id", None)
    return request_id if isinstance(request_id, str) else None
