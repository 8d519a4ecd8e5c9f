"""The smoke: every stage of one life of the system, timed, on one target.

A smoke passes under 90 s, passes with a warning from 90 to 120 s, and fails after that. Whatever
happens, everything it made is deleted: with the target, where the smoke started it, else by its
last stages. A stage that a target cannot run is a gap of the report.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from e2e.hosted_page import PageFailed
from e2e.progress import Progress
from e2e.report import LIMIT_S, Report, StageResult
from e2e.run import Run, StageFailed
from e2e.stages import (
    as_deployed,
    bodies,
    boot,
    builder,
    cache_loss,
    cleanup,
    cold_boot,
    deploy,
    destroy,
    gpu_off,
    killer,
    metric_data,
    no_capacity,
    package,
    ping,
    precheck,
    preflight,
    queue_health,
    record,
    refusals,
    replies,
    report,
    resize,
    sign_in,
    stop,
    stop_in_use,
    stopping,
    throttle,
    turns,
    verify,
    watchdog,
    worker_crash,
)
from tljudge.cli.errors import UsageError
from tools.processes import ProcessFailed
from tools.programs import check_interrupt, interrupted_at_checks


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage, and where it runs.

    `life` stages make and destroy the stack; `guest` stages visit a stack that was there before.
    `servers` stages need a target whose servers the smoke runs; `records` stages need a target that
    keeps the duration as a metric.
    """

    name: str
    run: Callable[[Run], str]
    life: bool = False
    guest: bool = False
    servers: bool = False
    records: bool = False

    def fits(self, run: Run) -> bool:
        """Whether the stage runs in this smoke."""
        if self.servers and run.target.servers is None:
            return False
        if self.records and not run.target.records:
            return False
        return not (self.life and run.is_deployed) and not (self.guest and not run.is_deployed)


STAGES = (
    Stage("package", package.run, life=True),
    Stage("boot", boot.run, life=True),
    Stage("deploy", deploy.run, life=True),
    Stage("precheck", precheck.run, guest=True),
    Stage("as deployed", as_deployed.run),
    Stage("sign in", sign_in.run),
    Stage("ping", ping.run),
    Stage("refusals", refusals.run),
    Stage("bodies", bodies.run),
    Stage("preflight", preflight.run),
    Stage("cold boot", cold_boot.run),
    Stage("replies", replies.run),
    Stage("throttle", throttle.run),
    Stage("queue health", queue_health.run),
    Stage("report", report.run, servers=True),
    Stage("cache loss", cache_loss.run, servers=True),
    Stage("worker crash", worker_crash.run, servers=True),
    Stage("turns", turns.run, servers=True),
    Stage("stop in use", stop_in_use.run, servers=True),
    Stage("stopping", stopping.run, servers=True),
    Stage("no capacity", no_capacity.run, servers=True),
    Stage("resize", resize.run, servers=True),
    Stage("watchdog", watchdog.run, servers=True),
    Stage("builder", builder.run, servers=True),
    Stage("metric data", metric_data.run, servers=True),
    Stage("stop", stop.run),
    Stage("killer", killer.run, life=True, servers=True),
    Stage("killer's data", metric_data.run_again, life=True, servers=True),
    Stage("gpu off", gpu_off.run, life=True),
    Stage("destroy", destroy.run, life=True),
    Stage("verify", verify.run, life=True),
    Stage("cleanup", cleanup.run, guest=True),
    Stage("record", record.run, records=True),
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
        progress: shows each stage as it begins and ends.
        keep: called instead of the stages from `stop` on, while everything still runs.
        on_failure: called after a failed stage, while everything still runs.
    """
    began = time.monotonic()
    results: list[StageResult] = []
    failure: dict[str, Any] | None = None
    with (
        interrupted_at_checks(),
        _taken_away(run) as after_failure,
        _peak_memory(run) as peak,
    ):
        for stage in (stage for stage in STAGES if stage.fits(run)):
            if keep is not None and stage.name == "stop":
                kept_since = time.monotonic()
                keep(run)
                began += time.monotonic() - kept_since
                break
            progress.begins(stage.name)
            stage_began = time.monotonic()
            detail, failure = _run_stage(run, stage)
            check_interrupt()
            seconds = time.monotonic() - stage_began
            results.append(StageResult(stage.name, round(seconds, 3), failure is None, detail))
            progress.ends(results[-1])
            if failure is not None:
                if on_failure is not None:
                    on_failure(run)
                failure["left"] = after_failure()
                break
        else:
            after_failure.is_needed = False
    total_s = time.monotonic() - began
    if failure is None and total_s > LIMIT_S:
        failure = {"stage": "all", "cause": f"took {total_s:.1f} s of {LIMIT_S} s", "logs": {}}
    return Report(
        target=run.target.name,
        passed=failure is None,
        total_s=round(total_s, 3),
        limit_s=LIMIT_S,
        peak_mib=round(max(peak)) if peak else None,
        stages=tuple(results),
        gaps=tuple(asdict(gap) for gap in run.gaps),
        failure=failure,
    )


def _run_stage(run: Run, stage: Stage) -> tuple[str, dict[str, Any] | None]:
    """Run one stage; returns its detail, and its failure when it failed."""
    name = stage.name
    try:
        return stage.run(run), None
    except StageFailed as error:
        logs = {source: _tail(run, source) for source in error.logs}
        cause = str(error)
        return cause, {"stage": name, "cause": cause, "logs": logs, "look": error.look}
    except UsageError as error:
        return str(error), {"stage": name, "cause": str(error), "logs": {}, "look": ""}
    except (ProcessFailed, PageFailed, ClientError, BotoCoreError, HTTPError, OSError) as error:
        cause = f"{type(error).__name__}: {error}"
        logs = {"ministack": _tail(run, "ministack")} if run.target.servers else {}
        return cause, {"stage": name, "cause": cause, "logs": logs, "look": ""}


def _tail(run: Run, source: str) -> str:
    """The last lines of a log group or of one of the target's servers."""
    if not source.startswith("/"):
        return _server_log(run, source)
    try:
        events = run.client("logs").filter_log_events(logGroupName=source)["events"]
    except (ClientError, BotoCoreError) as error:
        return f"  (no log: {error})"
    return "\n".join(f"  {source} | {event['message'].rstrip()}" for event in events[-15:])


def _server_log(run: Run, server: str) -> str:
    if run.target.servers is None:
        return f"  (no log: the smoke does not run {server} here)"
    try:
        return run.target.servers.tail(server)
    except ProcessFailed as error:
        return f"  (no log: {error})"


@dataclass(slots=True)
class _TakeAway:
    """Deletes what a smoke made on a target that outlives it; returns what it could not delete."""

    run: Run
    is_needed: bool = True

    def __call__(self) -> str:
        self.is_needed = False
        if self.run.target.servers is not None:
            return ""  # everything ends with the servers
        if not self.run.users and self.run.before is None:
            return ""  # nothing was made yet
        try:
            if self.run.is_deployed:
                cleanup.remove(self.run)
            else:
                destroy.remove(self.run)
        except (StageFailed, ClientError, BotoCoreError) as error:
            return f"{type(error).__name__}: {error}"
        return ""


@contextmanager
def _taken_away(run: Run) -> Iterator[_TakeAway]:
    """Delete what the smoke made when the block ends, also after an error or Ctrl-C."""
    take_away = _TakeAway(run)
    try:
        yield take_away
    finally:
        try:
            if take_away.is_needed and (left := take_away()):
                print(f"smoke: left behind: {left}", file=sys.stderr)
        finally:
            run.target.stop()


@contextmanager
def _peak_memory(run: Run) -> Iterator[list[float]]:
    """Sample the resident memory of the servers, in MiB; nothing where they are not ours."""
    seen: list[float] = []
    over = threading.Event()
    servers = run.target.servers
    if servers is None:
        yield seen
        return

    def sample() -> None:
        while not over.wait(0.25):
            try:
                seen.append(servers.memory_mib())
            except ProcessFailed:
                continue

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield seen
    finally:
        over.set()
        sampler.join()
