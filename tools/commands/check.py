"""`tl check`: judge CloudFormation templates by the rules."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from tools.errors import UsageError

EXAMPLES = """examples:
  tl check cloudformation --parameters cloudformation/parameters/dev.json
  tl check template.yaml --policy policy.toml
  tl check . --format json --output findings.json

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
    parser.add_argument("--format", choices=["text", "json"], default="text", help="(text)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there, not to stdout")
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    from compliance import policy as policies
    from compliance.check import ParametersError, check, read_parameters

    for path in given.paths:
        if not os.path.lexists(path):
            raise UsageError(f"check: no file or folder {str(path)!r}; name a template or a folder")
    if given.output is not None and not given.output.absolute().parent.is_dir():
        raise UsageError(f"check: no folder {given.output.absolute().parent} to write into")
    try:
        policy = policies.load(given.policy)
        parameters = read_parameters(given.parameters) if given.parameters else {}
    except (policies.PolicyError, ParametersError) as error:
        raise UsageError(f"check: {error}") from None
    report = check(given.paths, policy, parameters)
    if given.format == "json":
        from compliance.reports import json_report

        text = json_report.render(report)
    else:
        from compliance.reports import text as text_report

        colour = given.output is None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        text = text_report.render(report, colour=colour)
    if given.output is None:
        sys.stdout.write(text)
    else:
        given.output.write_text(text, "utf-8", errors="backslashreplace")
        from compliance.reports.text import result

        print(result(report))
    return report.exit_code()
