"""The watchdog: stops the machine when it is of no use. Needs neither the worker nor the queue.

Once a minute it reads the settings, what the worker has left and what the queue holds, decides, and
stops the machine or stays. Whatever it cannot read is logged and unknown until the next look.
"""

import contextlib
import importlib
import os
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from node import activity
from node.activity import Activity
from node.boot import Boot
from node.settings import NodeSettings
from node.stopping import Stopper
from node.verdict import Limits, Reason, Sight, decide
from tinyllama.utils.observability import logs

_SETTINGS_EVERY_S = 30.0
AskQueue = Callable[[NodeSettings], tuple[int, int] | None]


class Watchdog:
    """Looks until the machine is off.

    Args:
        settings: reads the settings; any exception means unknown.
        ask_queue: counts jobs that wait and that workers hold; None if the queue does not answer;
            any exception means that the watchdog cannot ask.
        limits: `uptime_min` None takes the settings' own.
        measure: sends metrics of this stack while the machine stays; raises nothing.
    """

    def __init__(
        self,
        boot: Boot,
        state_dir: Path,
        settings: Callable[[], NodeSettings],
        ask_queue: AskQueue,
        stopper: Stopper,
        limits: Limits,
        *,
        uptime_min: float | None = None,
        measure: Callable[[str], None] | None = None,
    ) -> None:
        self._boot = boot
        self._state_dir = state_dir
        self._read_settings = settings
        self._ask_queue = ask_queue
        self._stopper = stopper
        self._limits = limits
        self._uptime_min = uptime_min
        self._measure = measure
        self._settings: NodeSettings | None = None
        self._read_again_s = 0.0
        self._activity: Activity | None = None
        self._queue_seen_s = boot.now_s()

    def run(self) -> None:
        """Look once a minute; never returns."""
        _tell_systemd("READY=1")
        while True:
            # `sleep` counts by a clock that nobody can set.
            time.sleep(self._limits.minute_s)
            self.look()
            _tell_systemd("WATCHDOG=1")

    def look(self) -> None:
        """Look once, and stop the machine if it is of no use. Raises nothing."""
        limits = self._settle()
        sight = self._see()
        reason = decide(sight, limits)
        if reason is None:
            self._stopper.stay()
            # After the decision: whatever the GPU's driver does, it delays no stop of this minute.
            if self._measure is not None and self._settings is not None:
                self._measure(self._settings.stack)
        else:
            self._stopper.stop(
                reason,
                self._settings.stack if self._settings else None,
                # A prompt may have come meanwhile, and only an idle machine could have had one.
                lambda: reason is not Reason.IDLE or decide(self._see(), limits) is not None,
            )

    def _settle(self) -> Limits:
        """The limits by the latest settings; those of the last look if none can be read."""
        now_s = self._boot.now_s()
        try:
            if now_s >= self._read_again_s:
                self._settings = self._read_settings()
                self._read_again_s = now_s + _SETTINGS_EVERY_S
        except Exception as error:  # noqa: BLE001 - unknown settings must not end the watchdog
            _warn("settings", error)
        limits = self._limits
        if self._settings is not None:
            uptime_min = float(self._settings.max_uptime_h * 60)
            limits = replace(limits, uptime_min=uptime_min, job_life_s=self._settings.life_s)
        if self._uptime_min is not None:
            limits = replace(limits, uptime_min=self._uptime_min)
        return limits

    def _see(self) -> Sight:
        jobs, can_ask = self._jobs()
        is_current = self._reads_activity()
        now_s = self._boot.now_s()
        if jobs is not None:
            self._queue_seen_s = now_s
        return Sight(
            now_s=now_s,
            activity=self._activity,
            is_current=is_current,
            jobs=jobs,
            queue_seen_s=self._queue_seen_s,
            can_ask=can_ask,
        )

    def _jobs(self) -> tuple[tuple[int, int] | None, bool]:
        if self._settings is None:
            return None, False
        try:
            return self._ask_queue(self._settings), True
        except Exception as error:  # noqa: BLE001 - whatever is missing, the watchdog goes on
            _warn("queue", error)
            # What is missing may come: the first look can be earlier than the environment.
            importlib.invalidate_caches()
            return None, False

    def _reads_activity(self) -> bool:
        try:
            self._activity = activity.read(self._state_dir, self._boot)
        except activity.Unreadable as error:
            logs.write("WARNING", event="watchdog", unknown="activity", why=str(error))
            return False
        return True


def _warn(unknown: str, error: Exception) -> None:
    code = getattr(error, "response", {}).get("Error", {}).get("Code")
    why = code or f"{type(error).__name__}: {logs.place(error)}"
    logs.write("WARNING", event="watchdog", unknown=unknown, why=why)


def _tell_systemd(state: str) -> None:
    """Tell systemd, if it started this process, that it works; it ends one that does not.

    https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
    """
    name = os.environ.get("NOTIFY_SOCKET")
    if not name:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect("\0" + name[1:] if name.startswith("@") else name)
        channel.send(state.encode())
