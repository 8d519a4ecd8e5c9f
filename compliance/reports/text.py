"""The findings for a person: grouped by file, readable at 80 columns."""

import textwrap

from compliance.findings import Finding, Report

WIDTH = 80
_RED, _YELLOW, _DIM, _END = "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


def render(report: Report, *, colour: bool = False) -> str:
    """Errors, findings, and what nobody looked at; the last line is the result."""
    lines: list[str] = []
    for error in report.errors:
        lines += _wrapped(f"{error.file}:{error.line}: {error.message}", _RED if colour else "")
    file = None
    for finding in report.findings:
        if lines and finding.file != file:
            lines.append("")
        file = finding.file
        tint = ""
        if colour:
            tint = _DIM if finding.waived else _RED if finding.verdict == "FAIL" else _YELLOW
        lines += _wrapped(line_of(finding), tint)
    if lines:
        lines.append("")
    lines += _unseen(report.summary)
    return "\n".join((*lines, result(report))) + "\n"


def line_of(finding: Finding) -> str:
    """Where: what was found; when; what to do."""
    known = "" if finding.verdict == "FAIL" else "UNKNOWN: "
    waived = "waived: " if finding.waived else ""
    scenario = ", ".join(f"{name}={value}" for name, value in finding.scenario.items())
    when = f" when {scenario}" if scenario else ""
    return (
        f"{finding.file}:{finding.line} {finding.resource}: {finding.rule} {waived}{known}"
        f"{finding.message}{when}; {finding.fix}"
    )


def result(report: Report) -> str:
    """One line with the verdict and the counts."""
    found = report.summary
    word = {0: "PASS", 1: "FAIL"}.get(report.exit_code(), "COULD NOT FINISH")
    return (
        f"check: {word}: {found['fail']} failed, {found['unknown']} unknown, "
        f"{found['waived']} waived, {found['errors']} not judged; "
        f"{found['templates']} templates, {found['resources']} resources"
    )


def _unseen(summary: dict[str, object]) -> list[str]:
    lines: list[str] = []
    for key, words in (
        ("not_covered", "no rule covers"),
        ("unknown_types", "types nobody knows"),
        ("not_followed", "nested stacks not followed"),
    ):
        found = summary[key]
        if isinstance(found, dict) and found:
            listed = ", ".join(f"{name} ({count})" for name, count in found.items())
            lines += _wrapped(f"{words}: {listed}", "")
        elif isinstance(found, list) and found:
            lines += _wrapped(f"{words}: {', '.join(found)}", "")
    for key, words in (
        ("unresolved_properties", "properties nobody could resolve"),
        ("never_made", "resources that no combination makes"),
        ("not_templates", "files that are no templates"),
    ):
        if summary[key]:
            lines.append(f"{words}: {summary[key]}")
    return lines


def _wrapped(line: str, tint: str) -> list[str]:
    # A file name may hold anything, a control sequence of the terminal too.
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    lines = textwrap.wrap(
        safe, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    return [f"{tint}{one}{_END}" for one in lines] if tint else lines
