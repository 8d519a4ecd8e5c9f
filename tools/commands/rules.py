"""`tl rules`: the rules, and why they are."""

import argparse
import json
from typing import Any


def register(subcommands: Any) -> None:
    """Add the command to the parser."""
    parser = subcommands.add_parser(
        "rules",
        help="list the rules that templates are judged by",
        description="List every rule: id, what must hold, why, what to do, and the source.",
        epilog="example: tl rules --format json",
    )
    parser.add_argument("--format", choices=["text", "json"], default="text", help="(text)")
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    from compliance.rules import ALL

    if given.format == "json":
        names = ("id", "title", "why", "fix", "source", "types")
        print(json.dumps([{name: getattr(rule, name) for name in names} for rule in ALL], indent=2))
        return 0
    for rule in ALL:
        print(f"{rule.id:<12} {rule.title}\n  why  {rule.why}\n  fix  {rule.fix}")
    return 0
