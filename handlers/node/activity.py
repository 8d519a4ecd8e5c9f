"""The worker's activity, which it leaves in a file for the watchdog.

    {"boot": id, "progress_s", "running_since_s" or null, "finished_s" or null, "idle_min": 1 to 30}

All times are seconds since the boot. The worker replaces the file whole. A file that is missing,
garbled or from the future tells the watchdog nothing; so does one of an earlier boot.
"""

import contextlib
import json
import math
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from node.boot import Boot
from tinyllama.utils.observability import logs

FILE = "activity.json"
DEFAULT_IDLE_MIN = 5
_MAX_IDLE_MIN = 30
_MAX_BYTES = 4096
_WRITE_EVERY_S = 0.5


class Unreadable(Exception):
    """The file tells nothing; the message says why, and holds nothing of the file."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What the worker did in this boot, in seconds since it began.

    Args:
        progress_s: the queue last answered the worker, or a job came a step further.
        running_since_s: when the latest of the running jobs began; None if none runs.
        finished_s: when the last job ended; None if none has.
        idle_min: how long that job's owner wants the node to stay up after it.
    """

    progress_s: float
    running_since_s: float | None = None
    finished_s: float | None = None
    idle_min: int = DEFAULT_IDLE_MIN


class Recorder:
    """The worker's side. It never raises: no job fails because its record cannot be written.

    Every slot calls it. A slot is named by its number.
    """

    def __init__(self, folder: Path, boot: Boot) -> None:
        self._path = folder / FILE
        self._boot = boot
        self._lock = threading.Lock()
        self._written_s = -math.inf
        self._running: dict[int, float] = {}
        self._activity = Activity(boot.now_s())
        # A worker that systemd started again goes on with what the last one finished.
        with contextlib.suppress(Unreadable):
            self._activity = replace(read(folder, boot), running_since_s=None)

    def progress(self) -> None:
        """Record that the queue has answered; the file is written twice a second at most."""
        with self._lock:
            now_s = self._boot.now_s()
            self._record(now_s)
            if now_s >= self._written_s + _WRITE_EVERY_S:
                self._write(now_s)

    def begin(self, slot: int = 0) -> None:
        """Record that a job begins."""
        with self._lock:
            now_s = self._running[slot] = self._boot.now_s()
            self._record(now_s)
            self._write(now_s)

    def end(self, idle_min: int, slot: int = 0) -> None:
        """Record that a running job has ended, and its owner's `idle_min`."""
        with self._lock:
            now_s = self._boot.now_s()
            self._running.pop(slot, None)
            self._record(now_s, finished_s=now_s, idle_min=min(max(1, idle_min), _MAX_IDLE_MIN))
            self._write(now_s)

    def _record(self, now_s: float, **changes: Any) -> None:
        # The latest: a slot that hangs must not hide the job of another, and ends no other.
        since_s = max(self._running.values(), default=None)
        self._activity = replace(
            self._activity, progress_s=now_s, running_since_s=since_s, **changes
        )

    def _write(self, now_s: float) -> None:
        self._written_s = now_s
        fresh = self._path.with_suffix(".fresh")
        document = {"boot": self._boot.boot_id, **asdict(self._activity)}
        try:
            fresh.write_text(json.dumps(document), "utf-8")
            # The watchdog sees the old file or the new file, never half a file.
            fresh.replace(self._path)
        except OSError as error:
            logs.write("WARNING", event="activity_not_written", error=type(error).__name__)
            # An old record would say that no job runs. Without a record the watchdog goes by
            # the queue; a full disk still lets a file go.
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


def read(folder: Path, boot: Boot) -> Activity:
    """Read what the worker has left in this boot.

    Raises:
        Unreadable
    """
    try:
        with (folder / FILE).open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise Unreadable("missing") from None
    except OSError as error:
        raise Unreadable(type(error).__name__) from error
    try:
        fields = json.loads(content) if len(content) <= _MAX_BYTES else None
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or not isinstance(fields.get("boot"), str):
        raise Unreadable("garbled")
    if fields["boot"] != boot.boot_id:
        raise Unreadable("of another boot")
    activity = _checked(fields)
    times = (activity.progress_s, activity.running_since_s, activity.finished_s)
    if max(time_s for time_s in times if time_s is not None) > boot.now_s():
        raise Unreadable("from the future")
    return activity


def _checked(fields: dict[str, object]) -> Activity:
    progress_s, idle_min = _time(fields, "progress_s"), fields.get("idle_min")
    if progress_s is None or type(idle_min) is not int or not 1 <= idle_min <= _MAX_IDLE_MIN:
        raise Unreadable("garbled")
    return Activity(
        progress_s, _time(fields, "running_since_s"), _time(fields, "finished_s"), idle_min
    )


def _time(fields: dict[str, object], name: str) -> float | None:
    value = fields.get(name, "")
    if value is None:
        return None
    # bool is an int to Python, and JSON as Python reads it knows NaN.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unreadable("garbled")
    if not 0 <= value < math.inf:
        raise Unreadable("garbled")
    return float(value)
