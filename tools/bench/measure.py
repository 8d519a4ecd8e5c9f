"""Commands and calls, taking turns: time by the wall clock, memory of all their processes."""

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
    """What ours takes and what the peer takes, in `unit`; `goal` is the ratio that is asked for.

    `ratio` is peer / ours where the goal is to be so many times faster, ours / peer where the goal
    is to be at most so many times slower.
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
        """Every figure, and whether the goal is met."""
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
    """One command: seconds by the wall clock, and the most memory its processes had together."""

    seconds: float
    peak_mib: float


def run(
    command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], codes: Sequence[int]
) -> Ran:
    """Run a command to its end.

    Memo is the proportional set size, so pages that processes share count once. Sampling costs
    the command nothing but a look at /proc every 10 ms.

    Raises:
        UsageError: it ended with another exit code than `codes`; carries its last words.
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
        _, said = process.communicate()
    seconds = time.perf_counter() - began
    if process.returncode not in codes:
        words = said.decode(errors="replace").strip().splitlines()[-3:]
        raise UsageError(
            f"bench: {Path(command[0]).name} ended with {process.returncode}: {' '.join(words)}"
        )
    return Ran(seconds, peak_mib)


def _memory_mib(process: psutil.Process) -> float:
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            try:
                total += one.memory_full_info().pss
            except psutil.Error:
                continue
    except psutil.Error:
        return 0.0
    return total / 2**20


def alternately(rounds: int, *calls: Callable[[], float]) -> list[float]:
    """The median of each call's own figure, the calls taking turns."""
    seen: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, figures in zip(calls, seen, strict=True):
            figures.append(call())
    return [statistics.median(figures) for figures in seen]


def microseconds(call: Callable[[], object], count: int) -> float:
    """How long one call takes on average over `count` of them."""
    began = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - began) / count * 1e6
