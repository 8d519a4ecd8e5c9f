"""What a run found: findings, templates that could not be judged, and what nobody looked at."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from tljudge.engine.policy import Policy, Waiver

SIGHT = "TL_TEMPLATE_1"
WAIVER = "TL_WAIVER_1"
BASELINE = "TL_BASELINE_1"
GAVE_UP = "the rest was not judged"
"""How a message ends where part of a template was never looked at."""
# Values nobody knows are named by where they are made: `${Fn::Select((12, 5))}`.
_MARK = re.compile(r"\(\d+, \d+\)|(?<= line )\d+")

Order = tuple[str, int, int, str, str, str, str]
"""Place, resource, rule, verdict, message."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not hold (`FAIL`) or cannot be known (`UNKNOWN`), with a counter-example."""

    rule: str
    verdict: str
    file: str
    line: int
    column: int
    resource: str
    message: str
    fix: str
    scenario: dict[str, str] = field(default_factory=dict)
    waived: bool = False
    reason: str = ""
    """Why it is waived."""
    baselined: bool = False
    """It was there when the baseline was written."""

    @property
    def is_open(self) -> bool:
        """Whether it fails the run."""
        return not (self.waived or self.baselined)

    @property
    def stable_message(self) -> str:
        """The message without what changes when lines move."""
        return _MARK.sub("", self.message)

    def as_json(self) -> dict[str, Any]:
        """The contract's form."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Problem:
    """A template that could not be judged."""

    file: str
    line: int
    message: str


@dataclass(slots=True)
class Report:
    """One run over any number of templates."""

    findings: list[Finding] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    files: frozenset[str] = frozenset()
    """The templates that were judged."""

    def exit_code(self) -> int:
        """3 when a template could not be judged, 1 for findings that are open, else 0."""
        if self.errors:
            return 3
        return 1 if any(one.is_open for one in self.findings) else 0


def tally(findings: Iterable[Finding]) -> dict[str, int]:
    """How many are open, by verdict, and how many are waived or in the baseline."""
    counts = {"fail": 0, "unknown": 0, "waived": 0, "baselined": 0}
    for one in findings:
        state = "waived" if one.waived else "baselined" if one.baselined else one.verdict.lower()
        counts[state] += 1
    return counts


def order(finding: Finding) -> Order:
    """By place, then by rule."""
    return (finding.file, finding.line, finding.column, finding.resource, finding.rule,
            finding.verdict, finding.message)  # fmt: skip


def waive(
    findings: Iterable[Finding], policy: Policy, files: set[str], today: date
) -> list[Finding]:
    """The findings, those with a waiver marked, and one more for each waiver that is no good."""
    found = list(findings)
    for waiver in policy.waivers:
        if waiver.file and not any(_names(waiver, file) for file in files):
            continue
        if waiver.expires < today:
            found.append(
                _about(waiver, policy, f"expired on {waiver.expires}", "renew or remove it")
            )
            continue
        used = False
        for index, one in enumerate(found):
            same = (one.rule, one.resource) == (waiver.rule, waiver.resource)
            same = same and waiver.message in ("", one.stable_message)
            if same and (not waiver.file or _names(waiver, one.file)):
                found[index] = replace(one, waived=True, reason=waiver.reason)
                used = True
        if not used:
            found.append(_about(waiver, policy, "waives nothing", "remove it"))
    return sorted(found, key=order)


def _names(waiver: Waiver, file: str) -> bool:
    return file == waiver.file or file.endswith(f"/{waiver.file}")


def _about(waiver: Waiver, policy: Policy, what: str, fix: str) -> Finding:
    message = f"the waiver of {waiver.rule} {what}"
    return Finding(WAIVER, "FAIL", policy.path, waiver.line, 1, waiver.resource, message, fix)
