"""Ctrl-C at moments when nothing is half open, and other programs that are collected when it comes.

Python raises KeyboardInterrupt between any two instructions. One that comes after a socket, a file
or a process was opened, and before it was kept anywhere, leaves it open: the interpreter reports
that with a ResourceWarning, after the last word of the command.
"""

import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_ENDS = (signal.SIGINT, signal.SIGTERM)
_LOOK_EVERY_S = 0.1
_pending: list[int] = []


@contextmanager
def interrupted_at_checks() -> Iterator[None]:
    """Within the block Ctrl-C is raised by `check_interrupt` only; a second one comes at once.

    Only the main thread is ever interrupted, so in another thread the block just runs.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: handler
        for number in _ENDS
        if (handler := signal.getsignal(number)) is signal.default_int_handler
    }
    _pending.clear()
    for number in before:
        signal.signal(number, _note)
    try:
        yield
        check_interrupt()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check_interrupt() -> None:
    """For every loop that waits.

    Raises:
        KeyboardInterrupt: Ctrl-C has come since the last check.
    """
    if _pending and threading.current_thread() is threading.main_thread():
        _pending.clear()
        raise KeyboardInterrupt


def is_interrupted() -> bool:
    """Whether Ctrl-C has come and the main thread has not seen it yet: others give up early."""
    return bool(_pending)


def run(
    command: Sequence[str | Path], *, limit_s: float, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`subprocess.run` with both outputs as text, which also collects the program after Ctrl-C.

    Raises:
        OSError: there is no such program.
        subprocess.TimeoutExpired: it did not end within `limit_s`, and was killed.
    """
    deadline = time.monotonic() + limit_s
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            out, error = _outputs(process, deadline)
            # A terminal's Ctrl-C has ended the program too; that is no failure of the program.
            check_interrupt()
        except BaseException:
            process.kill()
            process.wait()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, error)


def _outputs(process: "subprocess.Popen[str]", deadline: float) -> tuple[str, str]:
    while True:
        try:
            return process.communicate(timeout=_LOOK_EVERY_S)
        except subprocess.TimeoutExpired:
            check_interrupt()
            if time.monotonic() > deadline:
                raise


def _note(number: int, frame: FrameType | None) -> None:
    if _pending:
        raise KeyboardInterrupt
    _pending.append(number)
