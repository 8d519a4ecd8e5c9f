"""The result of a smoke: its stages, its gaps, and what a person reads when it failed."""

from dataclasses import asdict, dataclass
from typing import Any

LIMIT_S = 120
WARNING_S = 90


@dataclass(frozen=True, slots=True)
class StageResult:
    """The result of one stage: how long it took, whether it passed, what it saw."""

    name: str
    seconds: float
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one smoke, as `--json` writes it."""

    target: str
    passed: bool
    total_s: float
    limit_s: int
    peak_mib: int | None
    stages: tuple[StageResult, ...]
    gaps: tuple[dict[str, str | None], ...]
    failure: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """The document that `--json` writes."""
        return asdict(self)

    def last_line(self) -> str:
        """The last line on standard output, which scripts read."""
        verdict = "PASS" if self.passed else "FAIL"
        slow = f", slower than {WARNING_S} s" if WARNING_S <= self.total_s <= LIMIT_S else ""
        return (
            f"smoke: {verdict} in {self.total_s:.1f} s of {self.limit_s} s on {self.target} "
            f"({len(self.stages)} stages, {len(self.gaps)} gaps{slow})"
        )


def gap_lines(report: Report) -> list[str]:
    """A line for each gap: what the target is missing, and what the smoke used instead."""
    return [
        f"gap: {gap['name']}: missing: {gap['lacks']}; instead: {gap['stand_in'] or 'nothing'}"
        for gap in report.gaps
    ]


def failure_text(report: Report) -> str:
    """The stage that failed, why, the last lines of its logs, and where to look further."""
    failure: dict[str, Any] | None = report.failure
    if failure is None:
        return ""
    lines = [f"smoke: stage '{failure['stage']}' failed: {failure['cause']}"]
    for source, text in failure["logs"].items():
        lines += [f"last lines of {source}:", text or "  (empty)"]
    if failure.get("look"):
        lines.append(f"more: {failure['look']}")
    if failure.get("left"):
        lines.append(f"left behind: {failure['left']}")
    if report.target == "ministack":
        lines.append("look further: make smoke ARGS=--keep-on-failure")
    return "\n".join(lines)
