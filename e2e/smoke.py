"""The smoke: every stage of one life of the system, timed, on one target.

Under 90 s it passes, from 90 to 120 s it passes with a warning, beyond that it fails. Whatever
happens, the target is stopped and nothing of it stays.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from e2e.report import Progress
from e2e.run import Run, StageFailed
from e2e.stages import (
    as_deployed,
    bodies,
    boot,
    cache_loss,
    cold_boot,
    deploy,
    destroy,
    gpu_off,
    package,
    ping,
    preflight,
    queue_health,
    refusals,
    replies,
    sign_in,
    stop,
    throttle,
    verify,
    worker_crash,
)
from e2e.targets.processes import ProcessFailed
from tools.errors import UsageError

LIMIT_S = 120
WARNING_S = 90

STAGES: tuple[tuple[str, Callable[[Run], str]], ...] = (
    ("package", package.run),
    ("boot", boot.run),
    ("deploy", deploy.run),
    ("as deployed", as_deployed.run),
    ("sign in", sign_in.run),
    ("ping", ping.run),
    ("refusals", refusals.run),
    ("bodies", bodies.run),
    ("preflight", preflight.run),
    ("cold boot", cold_boot.run),
    ("replies", replies.run),
    ("throttle", throttle.run),
    ("queue health", queue_health.run),
    ("cache loss", cache_loss.run),
    ("worker crash", worker_crash.run),
    ("stop", stop.run),
    ("gpu off", gpu_off.run),
    ("destroy", destroy.run),
    ("verify", verify.run),
)


@dataclass(frozen=True, slots=True)
class StageResult:
    """One stage: how long it took, whether it passed, and what it saw."""

    name: str
    seconds: float
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """One smoke, as `--json` writes it."""

    target: str
    passed: bool
    total_s: float
    limit_s: int
    peak_mib: int
    stages: tuple[StageResult, ...]
    gaps: tuple[dict[str, str | None], ...]
    failure: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """The document of the contract."""
        return asdict(self)

    def last_line(self) -> str:
        """The one line that scripts read."""
        verdict = "PASS" if self.passed else "FAIL"
        slow = f", slower than {WARNING_S} s" if WARNING_S <= self.total_s <= LIMIT_S else ""
        return (
            f"smoke: {verdict} in {self.total_s:.1f} s of {self.limit_s} s on {self.target} "
            f"({len(self.stages)} stages, {len(self.gaps)} gaps{slow})"
        )


def smoke(
    run: Run,
    progress: Progress,
    *,
    keep: Callable[[Run], None] | None = None,
    on_failure: Callable[[Run], None] | None = None,
) -> Report:
    """Run every stage in order; the first failure ends the smoke.

    Args:
        run: what to deploy, and where.
        progress: told of each stage as it begins and ends.
        keep: called instead of the stages from `stop` on, while everything still runs.
        on_failure: called after a failed stage, while everything still runs.
    """
    began = time.monotonic()
    results: list[StageResult] = []
    failure: dict[str, Any] | None = None
    with _stopped_in_the_end(run), _peak_memory(run) as peak:
        for name, stage in STAGES:
            if keep is not None and name == "stop":
                kept_since = time.monotonic()
                keep(run)
                began += time.monotonic() - kept_since
                break
            progress.begins(name)
            stage_began = time.monotonic()
            detail, failure = _one(run, name, stage)
            seconds = time.monotonic() - stage_began
            results.append(StageResult(name, round(seconds, 3), failure is None, detail))
            progress.ends(results[-1])
            if failure is not None:
                if on_failure is not None:
                    on_failure(run)
                break
    total_s = time.monotonic() - began
    if failure is None and total_s > LIMIT_S:
        failure = {"stage": "all", "cause": f"took {total_s:.1f} s of {LIMIT_S} s", "logs": {}}
    return Report(
        target=run.target.name,
        passed=failure is None,
        total_s=round(total_s, 3),
        limit_s=LIMIT_S,
        peak_mib=round(max(peak)),
        stages=tuple(results),
        gaps=tuple(asdict(gap) for gap in run.target.gaps),
        failure=failure,
    )


def _one(run: Run, name: str, stage: Callable[[Run], str]) -> tuple[str, dict[str, Any] | None]:
    try:
        return stage(run), None
    except StageFailed as error:
        logs = {source: _tail(run, source) for source in error.logs}
        found = {"stage": name, "cause": str(error), "logs": logs, "look": error.look}
        return str(error), found
    except UsageError as error:
        return str(error), {"stage": name, "cause": str(error), "logs": {}, "look": ""}
    except (ProcessFailed, ClientError, BotoCoreError, HTTPError, OSError) as error:
        cause = f"{type(error).__name__}: {error}"
        return cause, {"stage": name, "cause": cause, "logs": _server_log(run), "look": ""}


def _tail(run: Run, source: str) -> str:
    """The last lines of a log group or of one of the target's servers."""
    if not source.startswith("/"):
        return run.target.tail(source)
    try:
        events = run.client("logs").filter_log_events(logGroupName=source)["events"]
    except (ClientError, BotoCoreError) as error:
        return f"  (no log: {error})"
    return "\n".join(f"  {source} | {event['message'].rstrip()}" for event in events[-15:])


def _server_log(run: Run) -> dict[str, str]:
    try:
        return {"ministack": run.target.tail("ministack")}
    except ProcessFailed:
        return {}


@contextmanager
def _stopped_in_the_end(run: Run) -> Iterator[None]:
    try:
        yield
    finally:
        run.target.stop()


@contextmanager
def _peak_memory(run: Run) -> Iterator[list[float]]:
    """Sample the target's resident memory while the stages run."""
    seen, over = [0.0], threading.Event()

    def sample() -> None:
        while not over.wait(0.25):
            try:
                seen.append(run.target.memory_mib())
            except ProcessFailed:
                continue

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield seen
    finally:
        over.set()
        sampler.join()
