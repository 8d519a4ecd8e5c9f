"""The errors of the queue: one class for each thing that a caller does differently."""

from typing import Literal

ErrorCode = Literal["timeout", "refused", "auth", "error"]
Outcome = Literal["none", "unknown"]


class QueueError(Exception):
    """The queue did not do what the caller asked. The message is for the log."""


class QueueDisabled(QueueError):
    """The stack has no queue, because its parameter UseGpu is false."""

    def __init__(self) -> None:
        super().__init__("no queue while UseGpu=false")


class QueueUnavailable(QueueError):
    """Redis did not answer, refused, or could not do it. `code` is public, the cause is not.

    Args:
        outcome: "none" if nothing was written; "unknown" if a command that writes was on its way,
            and Redis may have carried it out.
        job_id: the job that may be in the queue, if the outcome is "unknown".
    """

    def __init__(
        self, code: ErrorCode, *, outcome: Outcome = "none", job_id: str | None = None
    ) -> None:
        super().__init__(code)
        self.code: ErrorCode = code
        self.outcome: Outcome = outcome
        self.job_id = job_id


class QueueFull(QueueUnavailable):
    """`MAX_JOBS` jobs wait; nothing was written, the throttle did not count."""

    def __init__(self) -> None:
        super().__init__("error")


class RateLimited(QueueError):
    """The owner made 5 requests within 1 s or 20 within 60 s."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__()
        self.retry_after_s = retry_after_s


class TooManyWaiting(RateLimited):
    """`MAX_WAITING_PER_USER` of the owner's jobs wait; nothing was written or counted.

    `retry_after_s` is when a place may be free: after about a turn of every user who waits.
    """


class KeyReused(QueueError):
    """A job with this id exists, with another prompt or idle time."""
