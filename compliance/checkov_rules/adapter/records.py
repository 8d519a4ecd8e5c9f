"""Records of checkov's report: a record for each finding of `tl check`."""

import os
from pathlib import Path
from typing import Any

from checkov.common.models.enums import CheckResult
from checkov.common.output.record import Record

from checkov_rules.adapter.judgement import Judgement
from tljudge.engine.findings import WAIVER, Finding
from tljudge.rules import ALL

UNJUDGED = "TL_TEMPLATE_2"
"""Check id of a template that could not be judged; for it `tl check` exits with 3."""
RAN = "TL_CHECKOV_1"
"""Check id of the record that shows that the rules ran."""
TITLES = {
    "TL_TEMPLATE_1": "The rules see the whole template",
    UNJUDGED: "Every template can be judged",
    WAIVER: "Every waiver is needed and in date",
    RAN: "The rules of tl check ran",
}
_RULES = {rule.id: rule for rule in ALL}


def records(judged: Judgement) -> list[Record]:
    """A record for each finding, for each template that was not judged, and for the run itself."""
    unjudged = [
        Finding(
            UNJUDGED,
            "FAIL",
            problem.file,
            problem.line,
            1,
            Path(problem.file).name,
            problem.message,
            "",
        )
        for problem in judged.report.errors
    ]
    summary = judged.report.summary
    message = f"{len(ALL)} on {summary['templates']} templates, {summary['resources']} resources"
    policy = judged.policy.path
    ran = Finding(RAN, "PASS", policy, 1, 1, Path(policy).name, message, "")
    return [_record(judged, finding) for finding in (*judged.report.findings, *unjudged, ran)]


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
    """A line of a file, cut at 200 characters; empty where the file or the line does not exist."""
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            for count, line in enumerate(file, 1):
                if count == number:
                    return line[:200].rstrip("\n") + "\n"
    except OSError:
        pass
    return "\n"
