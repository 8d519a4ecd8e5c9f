"""`tl rules`: list the rules, with the reason and the fix of each."""

import argparse
import json
import textwrap
from typing import Any

from tljudge.cli.clone import Clone


def register(subcommands: Any, clone: Clone) -> None:
    """Add the command to the parser."""
    parser = subcommands.add_parser(
        "rules",
        help="list the rules of tl check",
        description="List every rule: its id, the requirement, the reason, the fix and the source.",
        epilog="examples: tl rules | less; tl rules --format markdown > docs/rules.md",
    )
    parser.add_argument(
        "--format", choices=["text", "json", "markdown"], default="text", help="(text)"
    )
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    from tljudge.rules import ALL

    if given.format == "json":
        names = ("id", "title", "why", "fix", "source", "types")
        print(json.dumps([{name: getattr(rule, name) for name in names} for rule in ALL], indent=2))
        return 0
    if given.format == "markdown":
        from tljudge.formatters import rules_page

        print(rules_page.render(ALL), end="")
        return 0
    for rule in ALL:
        print(f"{rule.id:<12} {rule.title}")
        for name, text in (("why", rule.why), ("fix", rule.fix)):
            print(textwrap.fill(f"  {name}  {text}", 80, subsequent_indent="       "))
    return 0
