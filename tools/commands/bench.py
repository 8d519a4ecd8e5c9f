"""`tl bench`: ours beside its peers, as ratios of one run."""

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

Run it on an idle machine: every figure is taken beside its peer's in the same
run, and a machine that does something else changes both, but not equally.
"""


def register(subcommands: Any) -> None:
    """Add the command to the parser."""
    parser = subcommands.add_parser(
        "bench",
        help="measure ours beside its peers, as ratios",
        description="Measure a token verified, a job accepted, templates judged: each beside the\n"
        "quickest peer, and against the goal in docs/benchmarks.md.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=GROUPS, help="one group of measurements")
    parser.add_argument(
        "--templates", type=int, default=1000, metavar="N", help="how many to judge (1000)"
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
    found: list[Comparison] = []
    try:
        measures = list(_measures(given))
    except ModuleNotFoundError as error:
        raise UsageError(
            f"bench: needs {error.name}, which is not installed here; "
            "run it in its own environment: .venv/bin/tox run -e bench"
        ) from None
    for measure in measures:
        for one in measure():
            found.append(one)
            print(f"bench: {one.name}: {one.ratio:.2f}", file=sys.stderr, flush=True)
            sign = "≥" if one.is_faster else "≤"
            table.add_row(
                one.name,
                f"{one.ours:,.3g} {one.unit}" if one.ours < 1000 else f"{one.ours:,.0f} {one.unit}",
                f"{one.peer:,.3g} {one.unit}" if one.peer < 1000 else f"{one.peer:,.0f} {one.unit}",
                one.peer_name,
                f"{one.ratio:.2f}",
                f"{sign} {one.goal:g}",
                "met" if one.is_met else "MISSED",
            )
    Console(width=110, highlight=False).print(table)
    for one in found:
        if one.note:
            print(f"{one.name}: {one.note}")
    if given.json is not None:
        given.json.write_text(json.dumps([one.as_json() for one in found], indent=2) + "\n")
    return 0 if all(one.is_met for one in found) else 1


def _measures(given: argparse.Namespace) -> Iterable[Callable[[], Iterable[Any]]]:
    if given.only != "check":
        from tools.bench import requests

        yield requests.verifying
        yield requests.accepting
    if given.only != "requests":
        from tools.bench import judging

        yield lambda: judging.judging(given.templates)
