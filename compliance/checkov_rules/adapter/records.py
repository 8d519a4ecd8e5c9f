"""One record of checkov's report for one finding."""

import os
from pathlib import Path
from typing import Any

from checkov.common.models.enums import CheckResult
from checkov.common.output.record import Record

from checkov_rules.adapter.judgement import Judgement
from tljudge.engine.findings import WAIVER, Finding
from tljudge.rules import ALL

UNJUDGED = "TL_TEMPLATE_2"
"""A template that could not be judged: what `tl check` ends with exit code 3 for."""
RAN = "TL_CHECKOV_1"
TITLES = {
    "TL_TEMPLATE_1": "Everything a template makes can be seen",
    UNJUDGED: "Every template can be judged",
    WAIVER: "Every waiver is needed and in date",
    RAN: "The rules of tl check ran",
}
_RULES = {rule.id: rule for rule in ALL}


def records(judged: Judgement) -> list[Record]:
    """Every finding, every template that could not be judged, and that somebody looked."""
    unjudged = [
        Finding(UNJUDGED, "FAIL", one.file, one.line, 1, Path(one.file).name, one.message, "")
        for one in judged.report.errors
    ]
    summary = judged.report.summary
    message = f"{len(ALL)} on {summary['templates']} templates, {summary['resources']} resources"
    policy = judged.policy.path
    ran = Finding(RAN, "PASS", policy, 1, 1, Path(policy).name, message, "")
    return [_record(judged, one) for one in (*judged.report.findings, *unjudged, ran)]


def _record(judged: Judgement, finding: Finding) -> Record:
    path = os.path.realpath(finding.file)
    rule = _RULES.get(finding.rule)
    title = TITLES.get(finding.rule, finding.rule) if rule is None else rule.title
    when = ", ".join(f"{name}={value}" for name, value in finding.scenario.items())
    text = f"{title}: {finding.message}" + (f" when {when}" if when else "")
    result: dict[str, Any] = {"result": CheckResult.FAILED, "evaluated_keys": []}
    if finding.verdict == "PASS":
        result["result"] = CheckResult.PASSED
    if finding.waived:
        result |= {"result": CheckResult.SKIPPED, "suppress_comment": finding.reason}
    record = Record(
        check_id=finding.rule,
        check_name=f"UNKNOWN: {text}" if finding.verdict == "UNKNOWN" else text,
        check_result=result,  # type: ignore[arg-type,unused-ignore]
        code_block=[(finding.line, _line(path, finding.line))],
        file_path=f"/{os.path.relpath(path, os.path.realpath(judged.root or '.'))}",
        file_line_range=[finding.line, finding.line],
        resource=f"{judged.kind(finding)}.{finding.resource}",
        evaluations={},
        check_class=__name__,
        file_abs_path=path,
        details=[finding.fix] if finding.fix else [],
    )
    record.set_guideline(None if rule is None else rule.source)
    return record


def _line(path: str, number: int) -> str:
    """One line of a file; empty where there is none."""
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            for count, line in enumerate(file, 1):
                if count == number:
                    return line[:200].rstrip("\n") + "\n"
    except OSError:
        pass
    return "\n"
