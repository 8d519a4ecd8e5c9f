"""Results of a run: findings, templates that could not be judged, and waivers."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from tljudge.engine.policy import Policy, Waiver

NOT_EXPANDED = "TL_TEMPLATE_1"
WAIVER = "TL_WAIVER_1"
BASELINE = "TL_BASELINE_1"
_LIVE = ("TL_LIVE_1", "TL_LIVE_2")
"""Rules of `tl check --deployed`, which a policy for templates may waive too."""
GAVE_UP = "the rest was not judged"
"""The end of each message about a part of a template that no rule has judged."""
# Messages name an unknown value by its place: `${Fn::Select((12, 5))}`.
_MARK = re.compile(r"\(\d+, \d+\)|(?<= line )\d+")

Order = tuple[str, int, int, str, str, str, str]
"""File, line, column, resource, rule, verdict, message."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation (`FAIL`) or an undecidable case (`UNKNOWN`) of a rule.

    Attributes:
        rule: id of the rule.
        verdict: `FAIL` or `UNKNOWN`.
        file: path of the template.
        line: from 1.
        column: from 1.
        resource: logical id.
        message: what was found.
        fix: what to do.
        scenario: parameter values that show it; empty if every scenario does.
        waived: whether a waiver of the policy accepts it.
        reason: the waiver's reason.
        baselined: whether the baseline file contains it.
    """

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
    baselined: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the finding fails the run: neither waived nor in the baseline."""
        return not (self.waived or self.baselined)

    @property
    def stable_message(self) -> str:
        """The message without line numbers, so that moving lines keeps it equal."""
        return _MARK.sub("", self.message)

    def as_json(self) -> dict[str, Any]:
        """The finding as a JSON object; its keys are a stable interface."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Problem:
    """A template that could not be judged: its path, a line from 1, and the reason."""

    file: str
    line: int
    message: str


@dataclass(slots=True)
class Report:
    """The result of a run over any number of templates.

    Attributes:
        findings: sorted by place.
        errors: templates that could not be judged.
        summary: counts and lists, for the reports.
        files: the templates that were judged.
        parameter_faults: given parameters that the templates of the run do not take.
    """

    findings: list[Finding] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    files: frozenset[str] = frozenset()
    parameter_faults: list[str] = field(default_factory=list)

    def exit_code(self) -> int:
        """3 if a template could not be judged, else 1 if a finding is open, else 0."""
        if self.errors:
            return 3
        return 1 if any(finding.is_open for finding in self.findings) else 0


def tally(findings: Iterable[Finding]) -> dict[str, int]:
    """Count the open findings by verdict, and the waived and baselined findings."""
    counts = {"fail": 0, "unknown": 0, "waived": 0, "baselined": 0}
    for finding in findings:
        state = (
            "waived"
            if finding.waived
            else "baselined"
            if finding.baselined
            else finding.verdict.lower()
        )
        counts[state] += 1
    return counts


def order(finding: Finding) -> Order:
    """The sort key of a finding: its place, then its rule."""
    return (finding.file, finding.line, finding.column, finding.resource, finding.rule,
            finding.verdict, finding.message)  # fmt: skip


def waive(
    findings: Iterable[Finding],
    policy: Policy,
    files: set[str],
    today: date,
    rules: Iterable[str] = (),
) -> list[Finding]:
    """Apply the waivers of a policy.

    Args:
        findings: the findings of a run.
        policy: its waivers are applied.
        files: paths of the judged templates; a waiver for another file is ignored.
        today: decides which waivers have expired.
        rules: ids of all rules; a waiver of another one is a mistake. Empty: not looked into.

    Returns:
        The findings, waived ones marked, and a finding for each expired or useless waiver; sorted.
    """
    results = list(findings)
    known = {*rules, NOT_EXPANDED, *_LIVE} if rules else set()
    for waiver in policy.waivers:
        if known and waiver.rule not in known:
            results.append(
                _about(waiver, policy, "waives no rule that there is", _near(waiver, known))
            )
            continue
        if waiver.file and not any(_names(waiver, file) for file in files):
            continue
        if waiver.expires < today:
            results.append(
                _about(waiver, policy, f"expired on {waiver.expires}", "renew or remove it")
            )
            continue
        used = False
        for index, finding in enumerate(results):
            matches = (finding.rule, finding.resource) == (waiver.rule, waiver.resource)
            matches = matches and waiver.message in ("", finding.stable_message)
            if matches and (not waiver.file or _names(waiver, finding.file)):
                results[index] = replace(finding, waived=True, reason=waiver.reason)
                used = True
        if not used:
            results.append(_about(waiver, policy, "waives nothing", "remove it"))
    return sorted(results, key=order)


def _near(waiver: Waiver, known: set[str]) -> str:
    near = difflib.get_close_matches(waiver.rule, sorted(known), n=1)
    return f"did you mean {near[0]}?" if near else "remove it; `tl rules` lists the rules"


def _names(waiver: Waiver, file: str) -> bool:
    return file == waiver.file or file.endswith(f"/{waiver.file}")


def _about(waiver: Waiver, policy: Policy, problem: str, fix: str) -> Finding:
    message = f"the waiver of {waiver.rule} {problem}"
    return Finding(WAIVER, "FAIL", policy.path, waiver.line, 1, waiver.resource, message, fix)
