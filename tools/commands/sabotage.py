"""`tl sabotage`: breaks the system on purpose; the smoke must fail at the right stage."""

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
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
from tljudge.cli.arguments import require_jobs
from tljudge.cli.errors import UsageError
from tools.deploy.environments import ROOT, handlers_python, ministack_python
from tools.programs import check_interrupt, interrupted_at_checks
from tools.texts import shortened

LOOK_EVERY_S = 0.05


def register(subcommands: Any) -> None:
    """Add the command to the parser."""
    parser = subcommands.add_parser(
        "sabotage",
        help="break the system on purpose; the smoke must fail at the right stage",
        description="Each sabotage breaks a copy of the tree and runs the smoke, which must fail "
        "at the stage that should notice. Prints both stages for each sabotage.",
        epilog="example: tl sabotage --only 'authorizer off a route'",
    )
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="run this one; may be given several times"
    )
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
        help="smokes at a time (one for each processor)",
    )  # fmt: skip
    parser.add_argument("--list", action="store_true", help="list the sabotages, run none")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    known = {change.name: change for change in sabotage.ALL}
    for name in given.only or ():
        if name not in known:
            raise UsageError(f"sabotage: no sabotage is called {name!r}; see tl sabotage --list")
    chosen = [known[name] for name in dict.fromkeys(given.only or known)]
    if given.list:
        for listed in chosen:
            print(f"{listed.stage:<14} {listed.name}")
        return 0
    require_jobs("sabotage", given.jobs)
    results = [_result(chosen[0])] if len(chosen) == 1 else _results(chosen, given.jobs)
    _print_table(results)
    if given.json is not None:
        given.json.write_text(json.dumps(results, indent=2) + "\n")
    noticed_count = sum(r["noticed"] for r in results)
    print(f"sabotage: {noticed_count} of {len(results)} noticed at the stage that should")
    return 0 if noticed_count == len(results) else 1


def _result(change: sabotage.Sabotage) -> dict[str, Any]:
    """Try one sabotage, and say so in a line."""
    failed_at, cause = _try(change)
    noticed = failed_at == change.stage
    line = f"{'noticed' if noticed else 'MISSED'}: {change.name}: {failed_at or 'nowhere'}"
    print(f"{line}: {cause}", file=sys.stderr, flush=True)
    return asdict(change) | {"failed_at": failed_at, "noticed": noticed, "cause": cause}


def _results(chosen: Sequence[sabotage.Sabotage], jobs: int) -> list[dict[str, Any]]:
    """Try each in a process of its own, `jobs` at a time: most of a smoke is waiting.

    A process that ends without a result has missed its sabotage.
    """
    waiting, running = list(chosen), dict[str, subprocess.Popen[bytes]]()
    with interrupted_at_checks(), tempfile.TemporaryDirectory(prefix="tl-sabotage-") as folder:
        files = {change.name: Path(folder, f"{n}.json") for n, change in enumerate(chosen)}
        try:
            while waiting or running:
                check_interrupt()
                for name in [name for name, child in running.items() if child.poll() is not None]:
                    del running[name]
                while waiting and len(running) < jobs:
                    name = waiting.pop(0).name
                    command = [sys.executable, "-m", "tljudge", "sabotage", "--only", name]
                    running[name] = subprocess.Popen(
                        [*command, "--json", files[name]], stdout=subprocess.DEVNULL
                    )
                time.sleep(LOOK_EVERY_S)
        finally:
            for child in running.values():
                child.terminate()
            for child in running.values():
                child.wait()
        return [
            json.loads(files[change.name].read_text())[0]
            if files[change.name].exists()
            else asdict(change) | {"failed_at": None, "noticed": False, "cause": "no result"}
            for change in chosen
        ]


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
