"""Findings as workflow commands, which GitHub shows beside the changed lines.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

import os
from pathlib import Path

from tljudge.engine.findings import Finding, Report
from tljudge.formatters.text import printable, result

_COMMANDS = {"FAIL": "error", "UNKNOWN": "warning"}


def render(report: Report, root: Path) -> str:
    """A command for each finding, then the result.

    GitHub shows at most ten annotations of each level for a step, so findings in the baseline are
    only counted.

    Args:
        report: the run.
        root: the repository's folder; paths in the commands are relative to it.
    """
    lines = [
        _command("error", error.file, error.line, 1, "not judged", error.message, root)
        for error in report.errors
    ]
    lines += [_finding(finding, root) for finding in report.findings if not finding.baselined]
    return "\n".join((*lines, result(report))) + "\n"


def _finding(finding: Finding, root: Path) -> str:
    command, advice = _COMMANDS[finding.verdict], finding.fix
    title = f"{finding.rule} {finding.verdict} {finding.resource}"
    if finding.waived:
        command, advice = "notice", f"waived: {finding.reason}"
    when = ", ".join(f"{name}={value}" for name, value in finding.scenario.items())
    message = f"{finding.message}{f' when {when}' if when else ''}; {advice}"
    return _command(command, finding.file, finding.line, finding.column, title, message, root)


def _command(
    command: str, file: str, line: int, column: int, title: str, message: str, root: Path
) -> str:
    path = os.path.normpath(Path(file).absolute())
    base = os.path.normpath(root.absolute()).rstrip(os.sep) + os.sep
    shown = path.removeprefix(base).replace(os.sep, "/")
    properties = f"file={_property(shown)},line={line},col={column},title={_property(title)}"
    return f"::{command} {properties}::{_data(message)}"


def _data(text: str) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return printable(text)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
