"""Render the report of `tl check` in the format that the user chose.

Each formatter is imported when it is used, because their imports are a large part of a short run.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tljudge import __version__

if TYPE_CHECKING:
    from tljudge.engine.findings import Report

FORMATS = ("text", "json", "sarif", "junit", "github")


def rendered(report: "Report", format_name: str, *, to_file: bool) -> str:
    """Render a report.

    Args:
        report: the report of a run.
        format_name: a name in `FORMATS`.
        to_file: whether the text goes to a file, so that it has no colours.
    """
    if format_name == "json":
        from tljudge.formatters import json_report

        return json_report.render(report)
    if format_name == "sarif":
        from tljudge.formatters import sarif

        return sarif.render(report, _repository(), __version__)
    if format_name == "junit":
        from tljudge.formatters import junit

        return junit.render(report)
    if format_name == "github":
        from tljudge.formatters import github

        return github.render(report, _repository())
    from tljudge.formatters import text

    colour = not to_file and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return text.render(report, colour=colour)


def _repository() -> Path:
    """The folder that paths are relative to: GitHub's workspace, or else the current folder."""
    current = Path.cwd()
    workspace = Path(os.environ.get("GITHUB_WORKSPACE") or current)
    return workspace if current.is_relative_to(workspace) else current
