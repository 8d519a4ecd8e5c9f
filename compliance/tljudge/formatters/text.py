"""The findings for a person: grouped by file, readable at 80 columns."""

import textwrap
from collections.abc import Iterator

from tljudge.engine.findings import Finding, Report

WIDTH = 80
_RED, _YELLOW, _DIM, _END = "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


def render(report: Report, *, colour: bool = False) -> str:
    """Findings, templates that were not judged, and what nobody looked at; the result is last.

    What to do stands once a rule and file; what is in the baseline is counted only.
    """
    paragraphs: list[list[str]] = []
    file: str | None = None
    told: set[tuple[str, str]] = set()
    for finding in report.findings:
        if finding.baselined:
            continue
        if finding.file != file:
            file, told = finding.file, set()
            paragraphs.append([])
        advice = (finding.rule, finding.fix)
        paragraphs[-1] += _lines_of(finding, colour, known=advice in told)
        if not finding.waived:
            told.add(advice)
    errors: list[str] = []
    for error in report.errors:
        words = f"{error.file}:{error.line}: not judged: {error.message}"
        errors += _wrapped(words, _RED if colour else "")
    paragraphs += [errors, [*_unseen(report), result(report)]]
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines) + "\n"


def line_of(finding: Finding) -> str:
    """Where: what was found; when; what to do."""
    when = f" {_when(finding)}" if finding.scenario else ""
    return f"{_head(finding)}{when}; {finding.fix}"


def result(report: Report) -> str:
    """One line with the verdict and the counts."""
    found = report.summary
    word = {0: "PASS", 1: "FAIL"}.get(report.exit_code(), "COULD NOT FINISH")
    counts = [f"{found['fail']} failed", f"{found['unknown']} unknown"]
    for key, words in (
        ("waived", "waived"),
        ("baselined", "in the baseline"),
        ("errors", "not judged"),
    ):
        if found[key]:
            counts.append(f"{found[key]} {words}")
    templates = _plural(found["templates"], "template")
    return f"check: {word}: {', '.join(counts)}; {templates}, " + _plural(
        found["resources"], "resource"
    )


def printable(text: str) -> str:
    """The text with whatever a terminal or a parser would obey written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _head(finding: Finding) -> str:
    known = "" if finding.verdict == "FAIL" else "UNKNOWN: "
    waived = "waived: " if finding.waived else ""
    return (
        f"{finding.file}:{finding.line} {finding.resource}: {finding.rule} "
        f"{waived}{known}{finding.message}"
    )


def _when(finding: Finding) -> str:
    return "when " + ", ".join(f"{name}={value}" for name, value in finding.scenario.items())


def _lines_of(finding: Finding, colour: bool, *, known: bool) -> Iterator[str]:
    tint = _RED if finding.verdict == "FAIL" else _YELLOW
    if finding.waived:
        tint = _DIM
    yield from _wrapped(_head(finding), tint if colour else "")
    if finding.scenario:
        yield from _wrapped(f"  {_when(finding)}", tint if colour else "")
    if finding.waived:
        yield from _wrapped(f"  because {finding.reason}", _DIM if colour else "")
    elif not known:
        yield from _wrapped(f"  fix: {finding.fix}", _DIM if colour else "")


def _unseen(report: Report) -> Iterator[str]:
    summary = report.summary
    for key, words in (
        ("not_covered", "no rule covers"),
        ("unknown_types", "types nobody knows"),
        ("not_followed", "nested stacks not followed"),
    ):
        found = summary[key]
        if isinstance(found, dict) and found:
            listed = ", ".join(f"{name} ({count})" for name, count in found.items())
            yield from _wrapped(f"{words}: {listed}", "")
        elif isinstance(found, list) and found:
            yield from _wrapped(f"{words}: {', '.join(found)}", "")
    for key, words in (
        ("unresolved_properties", "properties nobody could resolve"),
        ("never_made", "resources that no combination makes"),
        ("not_templates", "files that are no templates"),
    ):
        if summary[key]:
            yield f"{words}: {summary[key]}"
    doubtful = sum(one.baselined and one.verdict == "UNKNOWN" for one in report.findings)
    if doubtful:
        yield f"in the baseline, and UNKNOWN: {doubtful}"


def _wrapped(line: str, tint: str) -> list[str]:
    # A file name may hold anything, a control sequence of the terminal too.
    lines = textwrap.wrap(
        printable(line), WIDTH, subsequent_indent="    ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return [f"{tint}{one}{_END}" for one in lines] if tint else lines
