"""What a run found: findings, templates that could not be judged, and what nobody looked at."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from compliance.policy import Policy, Waiver

WAIVER = "TL_WAIVER_1"


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

    def exit_code(self) -> int:
        """3 when a template could not be judged, 1 for findings that are not waived, else 0."""
        if self.errors:
            return 3
        return 1 if any(not one.waived for one in self.findings) else 0


def order(finding: Finding) -> tuple[Any, ...]:
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
            if same and (not waiver.file or _names(waiver, one.file)):
                found[index], used = replace(one, waived=True), True
        if not used:
            found.append(_about(waiver, policy, "waives nothing", "remove it"))
    return sorted(found, key=order)


def _names(waiver: Waiver, file: str) -> bool:
    return file == waiver.file or file.endswith(f"/{waiver.file}")


def _about(waiver: Waiver, policy: Policy, what: str, fix: str) -> Finding:
    message = f"the waiver of {waiver.rule} {what}"
    return Finding(WAIVER, "FAIL", policy.path, waiver.line, 1, waiver.resource, message, fix)
