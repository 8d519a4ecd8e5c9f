"""Measures commands and calls in turns: wall-clock time, and the memory of all their processes."""

import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tljudge.cli.errors import UsageError

SAMPLE_S = 0.01


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measurement of ours and of the peer, in `unit`; `goal` is the ratio to reach.

    With `is_faster`, ours must be at least `goal` times faster, and `ratio` is peer / ours. Without
    it, ours may be at most `goal` times slower, and `ratio` is ours / peer.
    """

    name: str
    unit: str
    ours: float
    peer: float
    peer_name: str
    goal: float
    is_faster: bool
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.peer / self.ours if self.is_faster else self.ours / self.peer

    @property
    def is_met(self) -> bool:
        return self.ratio >= self.goal if self.is_faster else self.ratio <= self.goal

    def as_json(self) -> dict[str, object]:
        """The figures, and whether the goal is met, for `--json`."""
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": round(self.ours, 3),
            "peer": round(self.peer, 3),
            "peer_name": self.peer_name,
            "ratio": round(self.ratio, 2),
            "goal": self.goal,
            "is_faster": self.is_faster,
            "is_met": self.is_met,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Ran:
    """One command: wall-clock seconds, and the peak memory of all its processes together."""

    seconds: float
    peak_mib: float


def run(
    command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], codes: Sequence[int]
) -> Ran:
    """Run a command to its end.

    Memo is the proportional set size, in which a page that processes share counts once. It is
    sampled from /proc every 10 ms.

    Raises:
        UsageError: the exit code is not among `codes`; has the last lines of standard error.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=cwd, env=dict(environment), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    peak_mib = 0.0
    try:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            peak_mib = max(peak_mib, _memory_mib(watched))
            try:
                process.wait(SAMPLE_S)
            except subprocess.TimeoutExpired:
                continue
    finally:
        if process.poll() is None:
            process.kill()
        _, error_output = process.communicate()
    seconds = time.perf_counter() - began
    if process.returncode not in codes:
        lines = error_output.decode(errors="replace").strip().splitlines()[-3:]
        raise UsageError(
            f"bench: {Path(command[0]).name} ended with {process.returncode}: {' '.join(lines)}"
        )
    return Ran(seconds, peak_mib)


def _memory_mib(process: psutil.Process) -> float:
    total = 0
    try:
        for member in (process, *process.children(recursive=True)):
            try:
                total += member.memory_full_info().pss
            except psutil.Error:
                continue
    except psutil.Error:
        return 0.0
    return total / 2**20


def alternately(rounds: int, *calls: Callable[[], float]) -> list[float]:
    """Make the calls in turns; returns the median of what each of them returned."""
    figures: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, own in zip(calls, figures, strict=True):
            own.append(call())
    return [statistics.median(own) for own in figures]


def microseconds(call: Callable[[], object], count: int) -> float:
    """The average duration of `count` calls."""
    began = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - began) / count * 1e6
