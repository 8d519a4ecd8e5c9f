"""`tl bench`: measures ours beside its peers, as ratios of one run."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tljudge.cli.errors import UsageError

if TYPE_CHECKING:
    from tools.bench.measure import Comparison

GROUPS = ("requests", "check")
EXAMPLES = """examples:
  tl bench                          everything; checkov alone takes some minutes
  tl bench --only check --templates 100
  tl bench --json bench.json

Run it on an idle machine. Ours and its peer are measured in the same run, and
other work on the machine changes both, but not equally.
"""


def register(subcommands: Any) -> None:
    """Add the command to the parser."""
    parser = subcommands.add_parser(
        "bench",
        help="measure ours beside its peers, as ratios",
        description="Verify a token, accept a job, judge templates: each is measured beside the\n"
        "quickest peer, and compared with the goal in docs/benchmarks.md.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=GROUPS, help="one group of measurements")
    parser.add_argument(
        "--templates",
        type=int,
        default=1000,
        metavar="N",
        help="how many templates to judge (1000)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    if given.templates < 1:
        raise UsageError(f"bench: --templates is {given.templates}; it takes 1 or more")
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("what", "ours", "peer", "", "ratio", "goal", ""):
        table.add_column(column, justify="right" if column in ("ours", "peer", "ratio") else "left")
    comparisons: list[Comparison] = []
    try:
        measures = list(_measures(given))
    except ModuleNotFoundError as error:
        raise UsageError(
            f"bench: needs {error.name}, which is not installed here; "
            "run it in its own environment: .venv/bin/tox run -e bench"
        ) from None
    for measure in measures:
        for comparison in measure():
            comparisons.append(comparison)
            name, ratio = comparison.name, f"{comparison.ratio:.2f}"
            print(f"bench: {name}: {ratio}", file=sys.stderr, flush=True)
            sign = "≥" if comparison.is_faster else "≤"
            table.add_row(
                name,
                _figure(comparison.ours, comparison.unit),
                _figure(comparison.peer, comparison.unit),
                comparison.peer_name,
                ratio,
                f"{sign} {comparison.goal:g}",
                "met" if comparison.is_met else "MISSED",
            )
    Console(width=110, highlight=False).print(table)
    for comparison in comparisons:
        if comparison.note:
            print(f"{comparison.name}: {comparison.note}")
    if given.json is not None:
        document = [comparison.as_json() for comparison in comparisons]
        given.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0 if all(comparison.is_met for comparison in comparisons) else 1


def _figure(value: float, unit: str) -> str:
    return f"{value:,.3g} {unit}" if value < 1000 else f"{value:,.0f} {unit}"


def _measures(given: argparse.Namespace) -> Iterable[Callable[[], Iterable[Any]]]:
    if given.only != "check":
        from tools.bench import requests

        yield requests.verifying
        yield requests.accepting
    if given.only != "requests":
        from tools.bench import judging

        yield lambda: judging.judging(given.templates)
