"""The watchdog's view of the queue: how many jobs wait, and how many workers hold."""

from typing import TYPE_CHECKING

from node import instance
from node.settings import NodeSettings
from tinyllama.utils.observability import logs
from tinyllama.utils.queue.errors import QueueUnavailable

if TYPE_CHECKING:
    from tinyllama.utils.queue.job_queue import JobQueue
    from tinyllama.utils.settings import QueueAddress

_TIMEOUT_S = 2.0


class QueueView:
    """Counts the jobs of the queue that the settings name."""

    def __init__(self) -> None:
        self._address: QueueAddress | None = None
        self._queue: JobQueue | None = None

    def __call__(self, settings: NodeSettings) -> tuple[int, int] | None:
        """Return (waiting, held by workers); None if the stack has no queue or it does not answer.

        Raises:
            ImportError: the AWS libraries, which make the token, are not there (yet).
        """
        if settings.queue is None:
            logs.write("WARNING", event="watchdog", unknown="queue", why="UseGpu=false")
            return None
        if self._queue is None or self._address != settings.queue:
            self._queue = _connected(settings, settings.queue)
            self._address = settings.queue
        try:
            depth = self._queue.depth()
        except QueueUnavailable as error:
            logs.write("WARNING", event="watchdog", unknown="queue", why=error.code)
            return None
        return depth.waiting, depth.in_flight


def _connected(settings: NodeSettings, address: "QueueAddress") -> "JobQueue":
    from tinyllama.utils.queue.client import connect
    from tinyllama.utils.queue.job_queue import JobQueue

    return JobQueue(
        connect(
            address,
            instance.credentials(),
            settings.region,
            timeout_s=_TIMEOUT_S,
            connect_timeout_s=_TIMEOUT_S,
        )
    )
