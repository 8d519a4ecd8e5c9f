"""The errors of the queue: one class for each thing that a caller does differently."""

from typing import Literal

ErrorCode = Literal["timeout", "refused", "auth", "error"]


class QueueError(Exception):
    """The queue did not do what the caller asked. The message is for the log."""


class QueueDisabled(QueueError):
    """The stack has no queue, because its parameter UseGpu is false."""

    def __init__(self) -> None:
        super().__init__("no queue while UseGpu=false")


class QueueUnavailable(QueueError):
    """Redis did not answer, refused, or could not do it. `code` is public, the cause is not."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(code)
        self.code: ErrorCode = code


class QueueFull(QueueUnavailable):
    """The queue holds `MAX_JOBS` jobs; nothing was written, the throttle did not count."""

    def __init__(self) -> None:
        super().__init__("error")


class RateLimited(QueueError):
    """The owner made 5 requests within 1 s or 20 within 60 s."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__()
        self.retry_after_s = retry_after_s


class KeyReused(QueueError):
    """A job with this id exists, with another prompt or idle time."""
