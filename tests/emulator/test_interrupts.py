"""Ctrl-C comes where nothing is half open, and a program that runs then is ended and collected."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import until
from tljudge.cli import commands, main
from tools import programs

SLEEPS = [sys.executable, "-c", "import sys, time; print(flush=True); time.sleep(600)"]


@pytest.fixture(autouse=True)
def _ends_as_a_command_does() -> Iterator[None]:
    """Ctrl-C as Python has it, also where a shell's background job has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextmanager
def interrupted_soon() -> Iterator[None]:
    """Ctrl-C from outside, while the block runs."""
    later = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
    later.start()
    try:
        yield
    finally:
        later.join()


def test_interrupt_comes_at_a_check_and_not_before() -> None:
    """What is between two checks is done to its end."""
    done = []

    def work() -> None:
        with programs.interrupted_at_checks():
            signal.raise_signal(signal.SIGINT)
            done.append(programs.is_interrupted())
            programs.check_interrupt()
            done.append(False)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert (done, programs.is_interrupted()) == ([True], False)
    programs.check_interrupt()


def test_interrupt_without_a_check_comes_at_the_end_of_the_block() -> None:
    """It is never lost."""
    done = []

    def work() -> None:
        with programs.interrupted_at_checks():
            signal.raise_signal(signal.SIGINT)
            done.append(1)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [1]


def test_second_interrupt_comes_at_once() -> None:
    """Whoever presses twice does not want to wait."""
    done = []

    def work() -> None:
        with programs.interrupted_at_checks():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            done.append(1)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_interrupt_ends_and_collects_the_program_that_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`subprocess.run` would leave it to the interpreter, which warns of it."""
    started: list[subprocess.Popen[str]] = []

    class Kept(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *given: object, **named: object) -> None:
            super().__init__(*given, **named)  # type: ignore[call-overload]
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Kept)
    with pytest.raises(KeyboardInterrupt), programs.interrupted_at_checks(), interrupted_soon():
        programs.run(SLEEPS, limit_s=600)
    (process,) = started
    assert process.returncode == -signal.SIGKILL
    assert process.stdout is not None
    assert process.stdout.closed


def test_program_gives_both_outputs_and_its_code(tmp_path: Path) -> None:
    """In the environment that is given, and however long it takes between two looks."""
    code = "import os, sys, time; time.sleep(0.3); print(os.environ['A']); sys.exit('é')"
    done = programs.run(
        [sys.executable, "-X", "utf8", "-c", code], limit_s=600, environment={"A": "b"}
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "b\n", "é\n")


def test_program_that_hangs_is_ended() -> None:
    """At the limit, with the standard library's own exception."""
    with pytest.raises(subprocess.TimeoutExpired):
        programs.run(SLEEPS, limit_s=0.2)


def test_command_interrupted_while_it_loads_says_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Loading a command's modules takes a second, in which people press Ctrl-C."""

    def register(words: list[str], subcommands: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "register", register)
    assert main.main(["smoke"]) == 3
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == (
        "",
        "smoke: interrupted; everything it started has ended\n",
    )


def test_thread_that_is_not_the_main_one_is_never_interrupted() -> None:
    """It learns of it, and gives up early."""
    seen: list[bool] = []

    def work() -> None:
        until(programs.is_interrupted, what="Ctrl-C")
        programs.check_interrupt()
        seen.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    with pytest.raises(KeyboardInterrupt), programs.interrupted_at_checks(), interrupted_soon():
        until(lambda: not thread.is_alive(), what="the end of the thread")
    assert seen == [True]
