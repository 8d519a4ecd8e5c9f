"""`tl check`: judge CloudFormation templates by the rules."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.errors import UsageError

if TYPE_CHECKING:
    from compliance.findings import Report

FORMATS = ("text", "json", "sarif", "junit", "github")
EXAMPLES = """examples:
  tl check cloudformation --parameters cloudformation/parameters/dev.json
  tl check template.yaml --policy policy.toml
  tl check . --format sarif --output findings.sarif
  tl check . --write-baseline baseline.json      accept what there is today
  tl check . --baseline baseline.json            and fail for what is new

exit codes: 0 clean, 1 findings, 2 usage or configuration, 3 a template could not be judged
"""


def register(subcommands: Any) -> None:
    """Add the command to the parser."""
    parser = subcommands.add_parser(
        "check",
        help="judge CloudFormation templates by the rules",
        description="Judge templates, YAML or JSON, in every combination of conditions that\n"
        "parameters reach. What cannot be known is reported as UNKNOWN, and fails too.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="templates or folders")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="thresholds and waivers, TOML")
    parser.add_argument(
        "--parameters", type=Path, metavar="FILE", help='JSON: {"Parameters": {}, "Tags": {}}'
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="(text)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there, not to stdout")
    known = parser.add_mutually_exclusive_group()
    known.add_argument(
        "--baseline", type=Path, metavar="FILE", help="what is in it is counted, and does not fail"
    )
    known.add_argument(
        "--write-baseline", type=Path, metavar="FILE", help="put what is found now into it"
    )
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    from compliance import policy as policies
    from compliance.check import ParametersError, check, read_parameters

    for path in given.paths:
        if not os.path.lexists(path):
            raise UsageError(f"check: no file or folder {str(path)!r}; name a template or a folder")
    for path in (given.output, given.write_baseline):
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"check: no folder {path.absolute().parent} to write into")
    try:
        policy = policies.load(given.policy)
        parameters = read_parameters(given.parameters) if given.parameters else {}
    except (policies.PolicyError, ParametersError) as error:
        raise UsageError(f"check: {error}") from None
    report = check(given.paths, policy, parameters)
    if given.baseline or given.write_baseline:
        report = _with_baseline(report, given)
    text = _rendered(report, given)
    if given.output is None:
        sys.stdout.write(text)
    else:
        given.output.write_text(text, "utf-8", errors="backslashreplace")
        from compliance.reports.text import result

        print(result(report))
    return report.exit_code()


def _with_baseline(report: "Report", given: argparse.Namespace) -> "Report":
    import shlex

    from compliance import baseline

    path = given.write_baseline or given.baseline
    words = [str(one) for one in given.paths]
    for name in ("policy", "parameters"):
        if getattr(given, name):
            words += [f"--{name}", str(getattr(given, name))]
    update = f"tl check {shlex.join([*words, '--write-baseline', str(path)])}"
    try:
        if given.write_baseline:
            baseline.write(path, report, given.paths)
        return baseline.apply(report, path, given.paths, update)
    except baseline.BaselineError as error:
        raise UsageError(f"check: {error}") from None


def _rendered(report: "Report", given: argparse.Namespace) -> str:
    """The report in the format that was asked for; a format is imported when it is used."""
    if given.format == "json":
        from compliance.reports import json_report

        return json_report.render(report)
    if given.format == "sarif":
        from compliance.reports import sarif

        return sarif.render(report, _repository(), _version())
    if given.format == "junit":
        from compliance.reports import junit

        return junit.render(report)
    if given.format == "github":
        from compliance.reports import github

        return github.render(report, _repository())
    from compliance.reports import text

    colour = given.output is None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return text.render(report, colour=colour)


def _repository() -> Path:
    """The folder that GitHub wants paths relative to; elsewhere, the one this runs in."""
    here = Path.cwd()
    workspace = Path(os.environ.get("GITHUB_WORKSPACE") or here)
    return workspace if here.is_relative_to(workspace) else here


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tinyllama-on-demand")
    except PackageNotFoundError:
        return ""
