"""Translation of redis-py's exceptions into the queue's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tinyllama.utils.queue.errors import ErrorCode, Outcome, QueueUnavailable

NOT_SENT: Final = "tinyllama_not_sent"
"""Attribute of an exception that `connection.py` raises before a command was on its way."""
_NOTHING_RAN: Final = ("BUSY ", "LOADING ", "MASTERDOWN ", "MISCONF ", "NOAUTH ", "WRONGPASS ")


@contextmanager
def translated_errors(*, writes: bool = False, job_id: str | None = None) -> Iterator[None]:
    """Turn every exception of redis-py into `QueueUnavailable`, which keeps it as its cause.

    Args:
        writes: the command changes the queue, so that its outcome can be unknown.
        job_id: the job that it changes.
    """
    from redis import exceptions

    try:
        yield
    except exceptions.RedisError as error:
        outcome: Outcome = "unknown" if writes and not _left_nothing(error) else "none"
        raise QueueUnavailable(
            _code(error), outcome=outcome, job_id=job_id if outcome == "unknown" else None
        ) from error


def _left_nothing(error: Exception) -> bool:
    """True if the command was never sent, or if Redis says that it did nothing of it."""
    from redis import exceptions

    if getattr(error, NOT_SENT, False):
        return True
    match error:
        case (
            exceptions.AuthenticationError()
            | exceptions.AuthorizationError()
            | exceptions.BusyLoadingError()
            | exceptions.MasterDownError()
            | exceptions.NoPermissionError()
            # Only the first write of a script is refused.
            | exceptions.OutOfMemoryError()
            | exceptions.ReadOnlyError()
        ):
            return True
        case exceptions.ResponseError():
            return str(error).startswith(_NOTHING_RAN)
    return False


def _code(error: Exception) -> ErrorCode:
    from redis import exceptions

    match error:
        case exceptions.TimeoutError():
            return "timeout"
        case (
            exceptions.AuthenticationError()
            | exceptions.AuthorizationError()
            | exceptions.NoPermissionError()
        ):
            return "auth"
        case exceptions.BusyLoadingError():
            return "error"
        case exceptions.ConnectionError():
            return "refused"
        case exceptions.ResponseError() if "ACL failure in script" in str(error):
            # A command that the access string leaves out: NOPERM, in a script's words.
            return "auth"
    return "error"
