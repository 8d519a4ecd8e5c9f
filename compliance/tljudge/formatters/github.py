"""The findings as workflow commands, which GitHub shows beside the changed lines.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

import os
from pathlib import Path

from tljudge.engine.findings import Finding, Report
from tljudge.formatters.text import printable, result

_COMMANDS = {"FAIL": "error", "UNKNOWN": "warning"}


def render(report: Report, root: Path) -> str:
    """One command a finding, then the result.

    GitHub shows ten of a kind in each step, so what is in the baseline is counted only.

    Args:
        report: one run.
        root: the repository's folder, which GitHub wants files relative to.
    """
    lines = [
        _command("error", error.file, error.line, 1, "not judged", error.message, root)
        for error in report.errors
    ]
    lines += [_finding(one, root) for one in report.findings if not one.baselined]
    return "\n".join((*lines, result(report))) + "\n"


def _finding(one: Finding, root: Path) -> str:
    command, title = _COMMANDS[one.verdict], f"{one.rule} {one.verdict} {one.resource}"
    after = one.fix
    if one.waived:
        command, after = "notice", f"waived: {one.reason}"
    when = ", ".join(f"{name}={value}" for name, value in one.scenario.items())
    message = f"{one.message}{f' when {when}' if when else ''}; {after}"
    return _command(command, one.file, one.line, one.column, title, message, root)


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
