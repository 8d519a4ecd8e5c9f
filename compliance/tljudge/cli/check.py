"""`tl check`: judge CloudFormation templates by the rules."""

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from tljudge.cli.arguments import (
    add_judged,
    existing_or_new,
    files_read,
    require_existing,
    require_jobs,
    require_writable_place,
    write_text,
)
from tljudge.cli.clone import Clone
from tljudge.cli.errors import UsageError
from tljudge.cli.rendering import FORMATS, rendered

if TYPE_CHECKING:
    from tljudge.engine.findings import Report
    from tljudge.engine.policy import Policy

EXAMPLES = """examples:
  tl check template.yaml                         by the built-in policy
  tl check templates --policy policy.toml --parameters dev.json
  tl check . --format sarif --output findings.sarif
  tl check . --write-baseline baseline.json      accept the findings of today
  tl check . --baseline baseline.json            then fail for new ones only
{deployed}
exit codes: 0 clean, 1 findings, 2 usage or configuration, 3 a template could not be judged
"""
DEPLOYED_EXAMPLE = """\
  tl check --deployed my-stack --policy policy.toml
                                                 judge what is deployed, and report drift
"""


def register(subcommands: Any, clone: Clone) -> None:
    """Add the command to the parser."""
    parser = subcommands.add_parser(
        "check",
        help="judge CloudFormation templates by the rules",
        description="Judge YAML and JSON templates in every combination of conditions that\n"
        "parameters reach. A value that cannot be resolved is UNKNOWN, and fails too.",
        epilog=EXAMPLES.format(deployed=DEPLOYED_EXAMPLE if clone.judge_deployed else ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_judged(parser, policy="thresholds and waivers")
    parser.set_defaults(run=_run, judge_deployed=clone.judge_deployed)
    parser.add_argument(
        "--deployed",
        metavar="STACK",
        help="judge a deployed stack and those nested in it, with your credentials; only reads"
        if clone.judge_deployed
        else argparse.SUPPRESS,
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="(text)")
    parser.add_argument(
        "--output", type=existing_or_new, metavar="FILE", help="write to a file, not to stdout"
    )
    baseline_options = parser.add_mutually_exclusive_group()
    baseline_options.add_argument(
        "--baseline",
        type=existing_or_new,
        metavar="FILE",
        help="count the findings in it, without failing",
    )
    baseline_options.add_argument(
        "--write-baseline",
        type=existing_or_new,
        metavar="FILE",
        help="write the present findings into it",
    )
    parser.add_argument(
        "--no-cache",
        action="store_true",
        help="judge unchanged templates again",
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="processes for 20 files or more (2)")


def _run(given: argparse.Namespace) -> int:
    _reject_contradictions(given)
    report = _deployed(given) if given.deployed else _templates(given)
    text = rendered(report, given.format, to_file=given.output is not None)
    if given.output is None:
        sys.stdout.write(text)
    else:
        write_text("check", given.output, text)
        from tljudge.formatters.text import result

        print(result(report))
    return report.exit_code()


def _reject_contradictions(given: argparse.Namespace) -> None:
    if given.deployed is not None and given.judge_deployed is None:
        raise UsageError(
            "check: --deployed reads an account, which the installed package does not; run it in a "
            "clone of the repository: .venv/bin/tox run -e tl -- check --deployed STACK"
        )
    if given.deployed and given.paths:
        raise UsageError(
            "check: paths and --deployed do not go together; name templates or folders, or one "
            "deployed stack"
        )
    if not given.deployed and not given.paths:
        if given.judge_deployed is None:
            raise UsageError("check: no path given; name a template or a folder")
        raise UsageError(
            "check: no path given; name templates or folders, or one deployed stack with --deployed"
        )
    for option in ("parameters", "baseline", "write_baseline"):
        if given.deployed and getattr(given, option):
            raise UsageError(
                f"check: --{option.replace('_', '-')} applies to templates only; a deployed stack "
                "has its own parameters, so remove the option, and waive findings in the policy"
            )
    inputs = files_read(given.paths, given.policy, given.parameters)
    require_writable_place("check", given.write_baseline, inputs)
    inputs.append(("read as --baseline", given.baseline))
    inputs.append(("written as --write-baseline", given.write_baseline))
    require_writable_place("check", given.output, inputs)


def _policy(given: argparse.Namespace) -> "Policy":
    from tljudge.engine import policy as policies

    try:
        return policies.load(given.policy)
    except policies.PolicyError as error:
        raise UsageError(f"check: {error}") from None


def _deployed(given: argparse.Namespace) -> "Report":
    """Judge a deployed stack; report drift from its template on standard error."""
    report, differences = given.judge_deployed(given.deployed, _policy(given))
    for line in differences:
        print(f"check: {line}", file=sys.stderr)
    return report  # type: ignore[no-any-return]


def _templates(given: argparse.Namespace) -> "Report":
    from tljudge.decode.parameter_file import ParametersError, read_parameters
    from tljudge.resolve.given import require_usable
    from tljudge.runner.cache import default_folder
    from tljudge.runner.check import check

    require_existing("check", given.paths)
    policy = _policy(given)
    try:
        parameters = read_parameters(given.parameters) if given.parameters else {}
    except ParametersError as error:
        raise UsageError(f"check: {error}") from None
    folder = None if given.no_cache else default_folder(os.environ)
    jobs = min(2, os.cpu_count() or 1) if given.jobs is None else given.jobs
    require_jobs("check", jobs)
    report = check(given.paths, policy, parameters, cache=folder, processes=jobs)
    if not report.files and not report.errors:
        # A folder that was renamed, or not checked out, must not pass for one that is clean.
        raise UsageError(
            f"check: no template in {', '.join(map(str, given.paths))}; "
            "name a template, or a folder that holds some"
        )
    try:
        require_usable(given.parameters, report.parameter_faults)
    except ParametersError as error:
        raise UsageError(f"check: {error}") from None
    return _with_baseline(report, given) if given.baseline or given.write_baseline else report


def _with_baseline(report: "Report", given: argparse.Namespace) -> "Report":
    import shlex

    from tljudge.runner import baseline

    baseline_file = given.write_baseline or given.baseline
    words = [str(path) for path in given.paths]
    for name in ("policy", "parameters"):
        if getattr(given, name):
            words += [f"--{name}", str(getattr(given, name))]
    update = f"tl check {shlex.join([*words, '--write-baseline', str(baseline_file)])}"
    try:
        if given.write_baseline:
            baseline.write(baseline_file, report, given.paths)
        return baseline.apply(report, baseline_file, given.paths, update)
    except baseline.BaselineError as error:
        raise UsageError(f"check: {error}") from None
