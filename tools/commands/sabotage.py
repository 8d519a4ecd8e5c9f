"""`tl sabotage`: breaks the system on purpose; the smoke must fail at the right stage."""

import argparse
import json
import secrets
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from e2e import sabotage
from e2e.progress import Progress
from e2e.run import Run
from e2e.smoke import smoke
from e2e.targets.ministack import MiniStack
from tljudge.cli.errors import UsageError
from tools.deploy.environments import ROOT, handlers_python, ministack_python
from tools.texts import shortened


def register(subcommands: Any) -> None:
    """Add the command to the parser."""
    parser = subcommands.add_parser(
        "sabotage",
        help="break the system on purpose; the smoke must fail at the right stage",
        description="Each sabotage breaks a copy of the tree and runs the smoke, which must fail "
        "at the stage that should notice. Prints both stages for each sabotage.",
        epilog="example: tl sabotage --only 'authorizer off a route'",
    )
    parser.add_argument("--only", metavar="NAME", help="run one sabotage")
    parser.add_argument("--list", action="store_true", help="list the sabotages, run none")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    chosen = [s for s in sabotage.ALL if given.only in (None, s.name)]
    if not chosen:
        raise UsageError(f"sabotage: no sabotage is called {given.only!r}; see tl sabotage --list")
    if given.list:
        for listed in chosen:
            print(f"{listed.stage:<14} {listed.name}")
        return 0
    results = []
    for change in chosen:
        failed_at, cause = _try(change)
        noticed = failed_at == change.stage
        result = {"failed_at": failed_at, "noticed": noticed, "cause": cause}
        results.append(asdict(change) | result)
        line = f"{'noticed' if noticed else 'MISSED'}: {change.name}: {failed_at or 'nowhere'}"
        print(f"{line}: {cause}", file=sys.stderr, flush=True)
    _print_table(results)
    if given.json is not None:
        given.json.write_text(json.dumps(results, indent=2) + "\n")
    noticed_count = sum(r["noticed"] for r in results)
    print(f"sabotage: {noticed_count} of {len(results)} noticed at the stage that should")
    return 0 if noticed_count == len(results) else 1


def _try(change: sabotage.Sabotage) -> tuple[str | None, str]:
    """Run the smoke on a broken copy; returns the stage that failed, if any, and why."""
    with tempfile.TemporaryDirectory(prefix="tl-sabotage-") as folder:
        sabotage.apply(change, ROOT, Path(folder))
        target = MiniStack(ministack_python())
        # Many a sabotage shows only when the smoke has waited in vain, so it waits for less.
        target.patience = replace(target.patience, node_s=30, reply_s=30)
        run = Run(
            target=target,
            name=f"tl-broken-{secrets.token_hex(3)}",
            source=Path(folder),
            handlers_python=handlers_python(),
        )
        report = smoke(run, Progress(quiet=True))
    if report.failure is None:
        return None, "the smoke passed"
    return report.failure["stage"], shortened(report.failure["cause"].splitlines()[0], 160)


def _print_table(results: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("sabotage", "should fail at", "failed at", ""):
        table.add_column(column)
    for r in results:
        mark = "noticed" if r["noticed"] else "MISSED"
        table.add_row(r["name"], r["stage"], r["failed_at"] or "nowhere", mark)
    Console(width=100, highlight=False).print(table)
