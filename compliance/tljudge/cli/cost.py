"""`tl cost`: price a deployment, idle and active, and list the resources that would stay."""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tljudge.cli.arguments import (
    add_judged,
    existing_or_new,
    files_read,
    require_existing,
    require_writable_place,
    write_text,
)
from tljudge.cli.clone import Clone
from tljudge.cli.errors import UsageError

TEMPLATES = Path("cloudformation")
POLICY = Path("compliance", "policy.toml")
PARAMETERS = Path("cloudformation", "parameters", "dev.json")
OWN = """\
  tl cost                                    the clone's own templates, parameters of dev
"""
EXAMPLES = """examples:
{own}  tl cost template.yaml --region us-east-1
  tl cost cloudformation --policy policy.toml --chart cost.svg --json

Idle is the scenario without the on-demand part and without requests; schedules still run.
Prices, with a source for each line, are in the file that `tl cost --json` names as "prices"; the
command uses no network.

exit codes: 0 within the ceilings, 1 over a ceiling or a price is unknown, 2 usage or configuration,
3 a template could not be read
"""


def register(subcommands: Any, clone: Clone) -> None:
    """Add the command to the parser."""
    parser = subcommands.add_parser(
        "cost",
        help="price templates, idle and active, against the policy's ceilings",
        description="Price each resource, for an idle month and for an active hour; compare the\n"
        "totals with the policy's ceilings; list the resources that AWS still bills after\n"
        "the stack is deleted. An unknown price is shown, and fails.",
        epilog=EXAMPLES.format(own=OWN if clone.root else ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_judged(parser, policy="ceilings and assumptions")
    parser.add_argument("--region", metavar="NAME", help="region of the prices (the policy's)")
    parser.add_argument("--json", action="store_true", help="the bill as JSON")
    parser.add_argument(
        "--chart", type=existing_or_new, metavar="FILE.svg", help="also draw the bill as SVG"
    )
    parser.set_defaults(run=_run, clone=clone.root)


def _run(given: argparse.Namespace) -> int:
    from tljudge.cost.pricing import estimate
    from tljudge.data import prices as price_files
    from tljudge.decode.parameter_file import ParametersError, read_parameters
    from tljudge.engine import policy as policies
    from tljudge.formatters import cost_json, cost_table
    from tljudge.resolve.given import require_usable

    paths, policy_file, parameter_file = given.paths, given.policy, given.parameters
    if not paths and given.clone is None:
        raise UsageError("cost: no path given; name a template or a folder")
    if not paths:
        paths = [_own(TEMPLATES, given.clone)]
        policy_file = policy_file or _own(POLICY, given.clone)
        parameter_file = parameter_file or _own(PARAMETERS, given.clone)
    require_existing("cost", paths)
    inputs = files_read(paths, policy_file, parameter_file)
    require_writable_place("cost", given.chart, inputs)
    if given.chart is not None and given.chart.suffix.lower() != ".svg":
        raise UsageError(
            f"cost: --chart {given.chart} is drawn as SVG; name a file that ends in .svg"
        )
    try:
        policy = policies.load(policy_file)
        prices = price_files.load(policy.cost.prices)
        parameters = read_parameters(parameter_file) if parameter_file else {}
    except (policies.PolicyError, price_files.PricesError, ParametersError) as error:
        raise UsageError(f"cost: {error}") from None
    region = policy.cost.region if given.region is None else given.region
    if region not in prices.regions:
        regions = ", ".join(prices.regions)
        raise UsageError(
            f"cost: no prices for region {region!r} in {prices.path}; name a region of {regions}"
        )
    policy = replace(policy, cost=replace(policy.cost, region=region))
    bill = estimate(paths, policy, prices, parameters)
    if not bill.templates and not bill.errors:
        raise UsageError(
            f"cost: no template in {', '.join(map(str, paths))}; "
            "name a template, or a folder that holds some"
        )
    try:
        require_usable(parameter_file, bill.parameter_faults)
    except ParametersError as error:
        raise UsageError(f"cost: {error}") from None
    if given.chart is not None:
        from tljudge.formatters import cost_chart

        write_text("cost", given.chart, cost_chart.render(bill))
        print(f"cost: drew {given.chart}", file=sys.stderr)
    if given.json:
        sys.stdout.write(cost_json.render(bill))
    else:
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        sys.stdout.write(cost_table.render(bill, colour=colour))
    return bill.exit_code()


def _own(path: Path, clone: Path) -> Path:
    """A file of the clone, as short as the current folder allows."""
    return path if path.exists() else clone / path
