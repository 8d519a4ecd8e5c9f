"""Translation of redis-py's exceptions into the queue's own."""

from collections.abc import Iterator
from contextlib import contextmanager

from tinyllama.utils.queue.errors import ErrorCode, QueueUnavailable


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn every exception of redis-py into `QueueUnavailable`, which keeps it as its cause."""
    from redis import exceptions

    try:
        yield
    except exceptions.RedisError as error:
        raise QueueUnavailable(_code(error)) from error


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
