"""What a smoke says: the last line scripts read, the warning, the limit, the text of a failure."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from e2e import smoke as smoke_module
from e2e.gaps.gap import Gap
from e2e.progress import Progress
from e2e.report import Report, StageResult, failure_text, gap_lines
from e2e.run import Run, StageFailed
from e2e.smoke import Stage, smoke
from e2e.targets.ministack import MiniStack


class _Stopped(MiniStack):
    """A target that starts nothing; what is tested is what is said."""

    gaps = (Gap("one", "something", None), Gap("two", "more", "a stand-in"))

    def __init__(self) -> None:
        self.is_stopped = False

    def memory_mib(self) -> float:
        return 1.0

    def tail(self, name: str) -> str:
        return f"  {name} | the line that tells"

    def stop(self) -> None:
        self.is_stopped = True


@pytest.fixture
def run() -> Run:
    """A run whose target is never started."""
    return Run(target=_Stopped(), name="tl-test", source=Path(), handlers_python=Path())


def _report(total_s: float, *, passed: bool = True) -> Report:
    stage = StageResult("ping", 0.1, passed, "200")
    return Report("ministack", passed, total_s, 120, 300, (stage,), ({"name": "one"},))


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (_report(14.21), "smoke: PASS in 14.2 s of 120 s on ministack (1 stages, 1 gaps)"),
        (
            _report(90.0),
            "smoke: PASS in 90.0 s of 120 s on ministack (1 stages, 1 gaps, slower than 90 s)",
        ),
        (
            _report(121.0, passed=False),
            "smoke: FAIL in 121.0 s of 120 s on ministack (1 stages, 1 gaps)",
        ),
    ],
)
def test_last_line_is_the_contract(report: Report, line: str) -> None:
    """Scripts read this line, so it is compared whole."""
    assert report.last_line() == line


def test_gap_is_told_with_what_is_missing_and_what_stands_in(run: Run) -> None:
    """A reader who knows no gap understands the line."""
    report = replace(_report(1.0), gaps=tuple(asdict(gap) for gap in run.gaps))
    assert gap_lines(report) == [
        "gap: one: missing: something; instead: nothing",
        "gap: two: missing: more; instead: a stand-in",
    ]


def test_smoke_over_its_limit_fails(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every stage may pass and the smoke still be too slow."""
    monkeypatch.setattr(smoke_module, "STAGES", (Stage("ping", lambda _: "200"),))
    monkeypatch.setattr(smoke_module, "LIMIT_S", -1)
    report = smoke(run, Progress(quiet=True))
    assert (report.passed, report.stages[0].passed) == (False, True)


def test_failed_stage_ends_the_smoke_and_says_where_to_look(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stage, cause, the end of the log that tells, the next command; later stages do not run."""

    def fails(_: Run) -> str:
        raise StageFailed("expected 200, saw 500", logs=("redis",), look="aws logs tail")

    monkeypatch.setattr(smoke_module, "STAGES", (Stage("ping", fails), Stage("stop", fails)))
    report = smoke(run, Progress(quiet=True))
    assert failure_text(report) == (
        "smoke: stage 'ping' failed: expected 200, saw 500\n"
        "last lines of redis:\n"
        "  redis | the line that tells\n"
        "more: aws logs tail\n"
        "look further: make smoke ARGS=--keep-on-failure"
    )
    assert [s.name for s in report.stages] == ["ping"]


def test_target_is_stopped_after_a_failure_of_the_smoke_itself(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect in a stage must not leave servers behind."""

    def breaks(_: Run) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(smoke_module, "STAGES", (Stage("ping", breaks),))
    with pytest.raises(ZeroDivisionError):
        smoke(run, Progress(quiet=True))
    assert isinstance(run.target, _Stopped)
    assert run.target.is_stopped
