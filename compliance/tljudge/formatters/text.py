"""Findings as text: grouped by file, at most 80 columns wide."""

import textwrap
from collections.abc import Iterator

from tljudge.engine.findings import Finding, Report

WIDTH = 80
_RED, _YELLOW, _DIM, _END = "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


def render(report: Report, *, colour: bool = False) -> str:
    """Findings, templates that were not judged, and resources that no rule saw; the result is last.

    Each fix appears once for each rule and file. Findings in the baseline are only counted.
    """
    paragraphs: list[list[str]] = []
    file: str | None = None
    shown_advice: set[tuple[str, str]] = set()
    for finding in report.findings:
        if finding.baselined:
            continue
        if finding.file != file:
            file, shown_advice = finding.file, set()
            paragraphs.append([])
        advice = (finding.rule, finding.fix)
        paragraphs[-1] += _lines_of(finding, colour, is_advice_shown=advice in shown_advice)
        if not finding.waived:
            shown_advice.add(advice)
    errors: list[str] = []
    for error in report.errors:
        message = f"{error.file}:{error.line}: not judged: {error.message}"
        errors += _wrapped(message, _RED if colour else "")
    paragraphs += [errors, [*_unseen(report), result(report)]]
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines) + "\n"


def line_of(finding: Finding) -> str:
    """The finding in a line: place, message, scenario and fix."""
    when = f" {_when(finding)}" if finding.scenario else ""
    return f"{_head(finding)}{when}; {finding.fix}"


def result(report: Report) -> str:
    """A line with the verdict and the counts."""
    summary = report.summary
    word = {0: "PASS", 1: "FAIL"}.get(report.exit_code(), "COULD NOT FINISH")
    counts = [f"{summary['fail']} failed", f"{summary['unknown']} unknown"]
    for key, label in (
        ("waived", "waived"),
        ("baselined", "in the baseline"),
        ("errors", "not judged"),
    ):
        if summary[key]:
            counts.append(f"{summary[key]} {label}")
    templates = _plural(summary["templates"], "template")
    return f"check: {word}: {', '.join(counts)}; {templates}, " + _plural(
        summary["resources"], "resource"
    )


def printable(text: str) -> str:
    """The text with each character that a terminal or a parser could obey written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _head(finding: Finding) -> str:
    unknown = "" if finding.verdict == "FAIL" else "UNKNOWN: "
    waived = "waived: " if finding.waived else ""
    return (
        f"{finding.file}:{finding.line} {finding.resource}: {finding.rule} "
        f"{waived}{unknown}{finding.message}"
    )


def _when(finding: Finding) -> str:
    return "when " + ", ".join(f"{name}={value}" for name, value in finding.scenario.items())


def _lines_of(finding: Finding, colour: bool, *, is_advice_shown: bool) -> Iterator[str]:
    tint = _RED if finding.verdict == "FAIL" else _YELLOW
    if finding.waived:
        tint = _DIM
    yield from _wrapped(_head(finding), tint if colour else "")
    if finding.scenario:
        yield from _wrapped(f"  {_when(finding)}", tint if colour else "")
    if finding.waived:
        yield from _wrapped(f"  because {finding.reason}", _DIM if colour else "")
    elif not is_advice_shown:
        yield from _wrapped(f"  fix: {finding.fix}", _DIM if colour else "")


def _unseen(report: Report) -> Iterator[str]:
    summary = report.summary
    for key, label in (
        ("not_covered", "no rule covers"),
        ("unknown_types", "unknown types"),
        ("not_followed", "nested stacks not followed"),
    ):
        value = summary[key]
        if isinstance(value, dict) and value:
            counts = ", ".join(f"{name} ({count})" for name, count in value.items())
            yield from _wrapped(f"{label}: {counts}", "")
        elif isinstance(value, list) and value:
            yield from _wrapped(f"{label}: {', '.join(value)}", "")
    for key, label in (
        ("unresolved_properties", "unresolved properties"),
        ("never_made", "resources that no scenario creates"),
        ("not_templates", "files that are not templates"),
    ):
        if summary[key]:
            yield f"{label}: {summary[key]}"
    unknown_count = sum(
        finding.baselined and finding.verdict == "UNKNOWN" for finding in report.findings
    )
    if unknown_count:
        yield f"in the baseline, and UNKNOWN: {unknown_count}"


def _wrapped(line: str, tint: str) -> list[str]:
    # A file name may contain a control sequence of the terminal.
    lines = textwrap.wrap(
        printable(line), WIDTH, subsequent_indent="    ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return [f"{tint}{part}{_END}" for part in lines] if tint else lines
