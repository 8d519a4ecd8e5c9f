"""`tl check`: judge CloudFormation templates by the rules."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.errors import CouldNotFinish, UsageError

if TYPE_CHECKING:
    from compliance.findings import Report
    from compliance.policy import Policy

FORMATS = ("text", "json", "sarif", "junit", "github")
EXAMPLES = """examples:
  tl check cloudformation --parameters cloudformation/parameters/dev.json
  tl check template.yaml --policy policy.toml
  tl check . --format sarif --output findings.sarif
  tl check . --write-baseline baseline.json      accept what there is today
  tl check . --baseline baseline.json            and fail for what is new
  tl check --deployed my-stack --policy policy.toml
                                                 what stands in the account, and its drift

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
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="templates or folders")
    parser.add_argument(
        "--deployed",
        metavar="STACK",
        help="judge a deployed stack and those nested in it, with your credentials; only reads",
    )
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
    parser.add_argument(
        "--no-cache",
        action="store_true",
        help="judge again what was judged before and is unchanged",
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="processes for many files (2, of the cores there are)"
    )
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    _refuse_contradictions(given)
    report = _deployed(given) if given.deployed else _templates(given)
    text = _rendered(report, given)
    if given.output is None:
        sys.stdout.write(text)
    else:
        given.output.write_text(text, "utf-8", errors="backslashreplace")
        from compliance.reports.text import result

        print(result(report))
    return report.exit_code()


def _refuse_contradictions(given: argparse.Namespace) -> None:
    if bool(given.deployed) == bool(given.paths):
        raise UsageError("check: name templates or folders, or one deployed stack with --deployed")
    for option in ("parameters", "baseline", "write_baseline"):
        if given.deployed and getattr(given, option):
            raise UsageError(
                f"check: --{option.replace('_', '-')} is for templates; a deployed stack has its "
                "own parameters, and what is meant to be so is waived in the policy"
            )
    for path in (given.output, given.write_baseline):
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"check: no folder {path.absolute().parent} to write into")


def _policy(given: argparse.Namespace) -> "Policy":
    from compliance import policy as policies

    try:
        return policies.load(given.policy)
    except policies.PolicyError as error:
        raise UsageError(f"check: {error}") from None


def _deployed(given: argparse.Namespace) -> "Report":
    """A deployed stack; what differs from its template is said on standard error."""
    policy = _policy(given)
    try:
        from botocore.exceptions import BotoCoreError

        from tools.deploy.clients import Clients, operator_session
        from tools.live import deployed
        from tools.live.stacks import CouldNotLook, NoSuchStack
    except ModuleNotFoundError as error:
        raise UsageError(
            f"check: --deployed needs {error.name}, which is not installed here; run it in a clone "
            "of the repository: .venv/bin/tox run -e tl -- check --deployed STACK"
        ) from None
    try:
        found = deployed.judge(Clients(operator_session(), attempts=5), given.deployed, policy)
    except NoSuchStack as error:
        raise UsageError(f"check: {error}") from None
    except (CouldNotLook, BotoCoreError) as error:
        raise CouldNotFinish(f"check: {error}") from None
    for line in deployed.notes(found):
        print(f"check: {line}", file=sys.stderr)
    return found.report


def _templates(given: argparse.Namespace) -> "Report":
    from compliance.cache import default_folder
    from compliance.check import ParametersError, check, read_parameters

    for path in given.paths:
        if not os.path.lexists(path):
            raise UsageError(f"check: no file or folder {str(path)!r}; name a template or a folder")
    policy = _policy(given)
    try:
        parameters = read_parameters(given.parameters) if given.parameters else {}
    except ParametersError as error:
        raise UsageError(f"check: {error}") from None
    folder = None if given.no_cache else default_folder(os.environ)
    jobs = min(2, os.cpu_count() or 1) if given.jobs is None else given.jobs
    if jobs < 1:
        raise UsageError(f"check: --jobs {jobs}; it takes 1 or more")
    report = check(given.paths, policy, parameters, cache=folder, processes=jobs)
    return _with_baseline(report, given) if given.baseline or given.write_baseline else report


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
