"""Errors as HTTP responses: one table of status, public code and the domain error behind it.

Folders below this one raise domain errors and know no HTTP. A handler raises `ApiError` where it
decides itself, with a code of the table. The caller receives the code, the fields and the headers;
the log receives the reason, which is the domain error's message; neither receives a token, a
prompt, a reply or a request header.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tinyllama.utils.auth.access_token import InvalidToken
from tinyllama.utils.auth.key_store import KeysUnavailable
from tinyllama.utils.aws.compute import NodeUnavailable
from tinyllama.utils.http.body import InvalidBody
from tinyllama.utils.queue.errors import (
    KeyReused,
    QueueError,
    QueueUnavailable,
    RateLimited,
    TooManyWaiting,
)
from tinyllama.utils.settings import InvalidSetting

Error = TypeVar("Error", bound=Exception)


class ApiError(Exception):
    """Ends the request with the public `code`; `why` goes to the log only."""

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


def _none(_: Exception) -> Mapping[str, str]:
    return {}


def _what_became_of_it(error: QueueError) -> Mapping[str, str]:
    """Nothing to add if nothing was written; else that this is unknown, and of which job."""
    if not isinstance(error, QueueUnavailable) or error.outcome == "none":
        return {}
    return {"outcome": error.outcome} | ({} if error.job_id is None else {"id": error.job_id})


@dataclass(frozen=True, slots=True)
class Row(Generic[Error]):
    """A public code with its status; the domain error that becomes it, unless a handler decides.

    `fields` and `headers` compute what the response holds beside the code.
    """

    status: int
    code: str
    error: type[Error] | None = None
    fields: Callable[[Error], Mapping[str, str]] = _none
    headers: Callable[[Error], Mapping[str, str]] = _none


TABLE: tuple[Row[Any], ...] = (
    Row(
        400,
        "invalid_request",
        InvalidBody,
        fields=lambda error: {"field": error.field, "reason": error.reason.value},
    ),
    Row(401, "invalid_token", InvalidToken),
    Row(403, "forbidden"),
    Row(404, "not_found"),
    Row(409, "node_in_use"),
    Row(409, "node_starting"),
    Row(409, "resize_under_way"),
    Row(410, "job_gone"),
    Row(422, "idempotency_key_reused", KeyReused),
    Row(
        429,
        "rate_limited",
        RateLimited,
        headers=lambda error: {"Retry-After": str(error.retry_after_s)},
    ),
    Row(
        429,
        "too_many_waiting",
        TooManyWaiting,
        headers=lambda error: {"Retry-After": str(error.retry_after_s)},
    ),
    Row(500, "internal", InvalidSetting),
    Row(503, "router_disabled"),
    # Every error of the queue but those above: it is off, full, or does not answer.
    Row(503, "queue_unavailable", QueueError, fields=_what_became_of_it),
    Row(503, "keys_unavailable", KeysUnavailable),
    Row(
        503,
        "node_unavailable",
        NodeUnavailable,
        fields=lambda error: {"reason": error.reason},
    ),
    # GET /queue-health answers an unhealthy queue with these.
    Row(503, "off"),
    Row(503, "timeout"),
    Row(503, "refused"),
    Row(503, "auth"),
    Row(503, "slow"),
    Row(503, "error"),
)

STATUS: Mapping[str, int] = {row.code: row.status for row in TABLE}
_BY_ERROR: Mapping[type[Exception], Row[Any]] = {
    row.error: row for row in TABLE if row.error is not None
}


def to_api_error(error: Exception) -> ApiError:
    """Map an exception to its row, or its base class's row; without a row it is `internal`.

    The log receives the message of a domain error, but of any other exception only the type:
    messages of libraries quote their input.
    """
    if isinstance(error, ApiError):
        return error
    for kind in type(error).__mro__:
        row = _BY_ERROR.get(kind)
        if row is not None:
            return ApiError(
                row.code,
                why=str(error) or None,
                fields=row.fields(error),
                headers=row.headers(error),
            )
    return ApiError("internal", why=type(error).__name__)
