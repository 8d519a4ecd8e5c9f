"""Nothing a local target started outlives it, however its starter ends; mistakes are one line."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.deploy.environments import ROOT
from tools.processes import ProcessGroup, free_port

ENDINGS = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
LIMIT_S = 250.0
"""For what hangs; it is no measure of speed."""
LAST_WORD = "smoke: interrupted; everything it started has ended\n"


def _members(group: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `tl smoke` with its temporary files in `tmp_path`; ended whatever the test does."""
    started: list[subprocess.Popen[str]] = []
    # With it there would be a table, as on a terminal, and no line for each stage.
    surroundings = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}

    def smoke(*arguments: str, **more: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "tljudge", "smoke", *arguments],
            cwd=ROOT,
            env={**surroundings, "PYTHONWARNINGS": "default", "TMPDIR": str(tmp_path), **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
            # A background job of a shell ignores SIGINT, and would hand that on.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        started.append(process)
        return process

    yield smoke
    for process in started:
        process.kill()
        process.communicate()


def _keeper_of(process: "subprocess.Popen[str]") -> int | None:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children:
        if b"shutil.rmtree" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    return None


@pytest.mark.parametrize("after_stage", ["package", "boot", "sign in", "preflight"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_smoke_ended_at_any_moment_leaves_no_process_and_no_file(
    tmp_path: Path, start: Start, ending: signal.Signals, after_stage: str
) -> None:
    """Ctrl-C, a polite end and a crash: the keeper notices each.

    After the first two the smoke has the last word, and Python none about what was left open.
    """
    process = start()
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(after_stage):
            break
    deadline = time.monotonic() + LIMIT_S
    keeper = _keeper_of(process)
    while keeper is None and time.monotonic() < deadline:
        keeper = _keeper_of(process)
    assert keeper is not None
    process.send_signal(ending)
    out, said = process.communicate(timeout=LIMIT_S)
    if ending is not signal.SIGKILL:
        assert (process.returncode, out, said[-len(LAST_WORD) :]) == (3, "", LAST_WORD)
        assert "Warning" not in said
    while (_members(keeper) or any(tmp_path.iterdir())) and time.monotonic() < deadline + LIMIT_S:
        time.sleep(0.02)
    assert (_members(keeper), list(tmp_path.iterdir())) == ([], [])


def test_free_port_is_no_port_of_a_client() -> None:
    """One that the kernel gives to a connection may be taken before the server listens on it."""
    ports = {free_port() for _ in range(100)}
    assert len(ports) == 100
    assert max(ports) < int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


def test_port_in_use_is_one_clear_line(start: Start) -> None:
    """The message names the port and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start("--port", str(port))
        _, said = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, said) == (
        2,
        f"smoke: port {port} on 127.0.0.1 is in use; stop what listens there, "
        "or leave --port out to take a free one\n",
    )


def test_missing_interpreter_is_one_clear_line(start: Start) -> None:
    """The message names the path and the command that makes it."""
    process = start(TL_MINISTACK_PYTHON="/nowhere/python")
    _, said = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, said) == (
        2,
        "no interpreter at /nowhere/python (TL_MINISTACK_PYTHON); "
        "run `make smoke`, or `.venv/bin/tox run -e ministack` first\n",
    )


def test_half_installed_environment_is_one_clear_line(tmp_path: Path, start: Start) -> None:
    """An interpreter without its packages is told from a whole environment."""
    half = tmp_path / "half" / "bin" / "python"
    half.parent.mkdir(parents=True)
    half.symlink_to(sys.executable)
    process = start(TL_MINISTACK_PYTHON=str(half))
    _, said = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, said) == (
        2,
        f"the environment of {half} is only half installed: no ministack in it; "
        "run `.venv/bin/tox run -e ministack --recreate`\n",
    )


def test_folder_goes_although_a_process_will_not_end_and_writes_on() -> None:
    """It is killed first: a file written while the folder is removed would keep the folder."""
    group = ProcessGroup()
    stubborn = (
        "import pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pathlib.Path('ready').touch()\n"
        "while True:\n"
        "    pathlib.Path(f'{time.monotonic_ns()}').touch()\n"
        "    time.sleep(0.0005)\n"
    )
    group.start(
        "stubborn",
        [sys.executable, "-c", stubborn],
        environment={},
        ready=lambda: (group.folder / "ready").exists(),
    )
    group.close()
    assert not group.folder.exists()
