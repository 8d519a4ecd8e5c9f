"""Local processes that end with the process that started them, and free ports on loopback.

A keeper process leads the process group that every other process joins. It reads from a pipe. When
the other end closes, by `close` or because the starter died in whatever way, the keeper ends the
whole group and removes the working folder.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tljudge.cli.errors import UsageError
from tools.programs import check_interrupt

END_LIMIT_S = 3.0
_RANGE_OF_CLIENTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_handed_out: set[int] = set()

_KEEPER = """
import os, shutil, signal, sys, time
for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(ignored, signal.SIG_IGN)
sys.stdin.buffer.read()
os.killpg(0, signal.SIGTERM)
deadline = time.monotonic() + float(sys.argv[2])
me = os.getpid()
def others():
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if entry.isdigit() and int(entry) != me:
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    fields = stat.read().rpartition(")")[2].split()
                if fields[0] != "Z" and int(fields[2]) == me:
                    yield int(entry)
            except (OSError, IndexError, ValueError):
                pass
while time.monotonic() < deadline and any(others()):
    time.sleep(0.01)
# Whoever is left is ended before the folder goes: it could write into it while it is removed.
for pid in list(others()):
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
shutil.rmtree(sys.argv[1], ignore_errors=True)
os.killpg(0, signal.SIGKILL)
"""


class ProcessFailed(Exception):
    """A process did not start, was not ready in time, or is not running."""


class ProcessGroup:
    """Processes that end together, and the folder they run in."""

    def __init__(self) -> None:
        """Start the keeper, and make the folder, which only this user can read."""
        self.folder = Path(tempfile.mkdtemp(prefix="tl-"))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _KEEPER, str(self.folder), str(END_LIMIT_S)],
            stdin=subprocess.PIPE,
            process_group=0,
        )

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        first_line: str = "",
        end_of_input: bool = False,
        ready: Callable[[], bool],
        limit_s: float = 60.0,
    ) -> None:
        """Start one process and wait until it is ready.

        Raises:
            ProcessFailed: it ended, or was not ready in time; has the last lines of its log.
        """
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=dict(environment),
                cwd=self.folder,
                process_group=self._keeper.pid,
            )
        self._processes[name] = process
        if first_line and process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(f"{first_line}\n".encode())
                process.stdin.flush()
                if end_of_input:
                    process.stdin.close()
        deadline = time.monotonic() + limit_s
        while not ready():
            check_interrupt()
            if process.poll() is not None:
                code = process.returncode
                raise ProcessFailed(f"{name}: ended with code {code} at once\n{self.tail(name)}")
            if time.monotonic() > deadline:
                raise ProcessFailed(f"{name}: not ready after {limit_s:g} s\n{self.tail(name)}")
            time.sleep(0.01)

    def kill(self, name: str) -> None:
        """Kill one process, as a crash ends it, and wait until it has ended."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def log(self, name: str) -> Path:
        """The file with the output of a process."""
        return self.folder / f"{name}.log"

    def tail(self, name: str, lines: int = 15) -> str:
        """The last lines of a process's output."""
        path = self.log(name)
        text = path.read_text("utf-8", errors="replace") if path.exists() else ""
        return "\n".join(f"  {name} | {line}" for line in text.splitlines()[-lines:])

    def resident_kib(self) -> int:
        """Resident memory of the whole group now, in KiB (Linux only; 0 elsewhere)."""
        total = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError, IndexError, ValueError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self._keeper.pid:
                    total += int(fields[21]) * os.sysconf("SC_PAGE_SIZE") // 1024
        return total

    def close(self) -> None:
        """End every process and remove the folder; safe to call twice."""
        if self._keeper.stdin is None or self._keeper.stdin.closed:
            return
        self._keeper.stdin.close()
        for process in self._processes.values():
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._keeper.wait(END_LIMIT_S + 2)
        if self._keeper.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._keeper.pid, signal.SIGKILL)
            self._keeper.wait()
        for process in self._processes.values():
            process.wait()
        # The keeper removes it, unless it was too slow on a busy machine and was killed above.
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port() -> int:
    """A loopback port nobody listens on now, and another one at each call.

    It lies below those that the kernel gives to connections of clients. One of these could be taken
    before the server starts, even by the very connection that asks whether it listens already.
    """
    first = _first_port_of_clients()
    for _ in range(1000 if first > 20_000 else 0):
        port = 10_000 + secrets.randbelow(first - 10_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            if port not in _handed_out:
                probe.bind(("127.0.0.1", port))
                _handed_out.add(port)
                return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _first_port_of_clients() -> int:
    """Where the kernel's own range begins; 49152 where it does not say, as the IANA has it."""
    try:
        return int(_RANGE_OF_CLIENTS.read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 49_152


def listening(port: int) -> bool:
    """Whether a loopback port accepts connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def require_free(port: int) -> int:
    """Return the port when nothing listens on it.

    Raises:
        UsageError: the port is in use.
    """
    if listening(port):
        raise UsageError(
            f"smoke: port {port} on 127.0.0.1 is in use; stop what listens there, "
            "or leave --port out to take a free one"
        )
    return port
