"""`tl audit`: what of a stack is left in the account; it only reads."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tljudge.cli.errors import CouldNotFinish, UsageError
from tljudge.data import prices
from tools.audit import ledger, report
from tools.audit.account import Account
from tools.audit.kinds import KINDS
from tools.audit.look import NotLooked, look
from tools.audit.verdict import TagReader, Verdict, judge
from tools.deploy.calls import FAILURES, reason
from tools.deploy.clients import operator_session

DESCRIPTION = """\
Look for whatever is left of a stack, alive or deleted, and say what it costs. It
only reads, and asks nothing that AWS bills.

A resource is the stack's if CloudFormation remembers that it made it (for 90 days
after a deletion, by id), if it carries the stack's tag, or if it came from such a
resource: a function's log group, an instance's disk, a volume's copy. A name that
begins alike proves nothing. What was made since and carries no tags is named too,
where AWS tells both.
"""
EXAMPLES = """examples:
  tl audit --stack tinyllama-dev                     every region that is switched on
  tl audit --stack tinyllama-dev --never-used all    regions that are switched off were never used
  tl audit --stack tinyllama-dev --region eu-central-1 --json audit.json

exit codes: 0 CLEAN, 1 DIRTY, 2 usage, 3 COULD_NOT_LOOK
"""
EXIT = {"CLEAN": 0, "DIRTY": 1, "COULD_NOT_LOOK": 3}
ALL = "all"


def register(subcommands: Any) -> None:
    """Add the command to the parser."""
    parser = subcommands.add_parser(
        "audit",
        help="what of a stack is left in the account, and what it costs; only reads",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stack", required=True, metavar="NAME", help="name of the root stack")
    parser.add_argument(
        "--region", action="append", metavar="NAME",
        help="look here alone, may be given several times; others are not proved clean",
    )  # fmt: skip
    parser.add_argument(
        "--never-used", action="append", default=[], metavar="REGION",
        help="a region that is switched off, and was never used; or all of them",
    )  # fmt: skip
    parser.add_argument(
        "--endpoint", metavar="URL", help="a local AWS endpoint, in place of AWS's own"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON")
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    account = Account(operator_session(), given.endpoint)
    number = account.id()
    verdict = _audited(given, account, number)
    if given.region:
        print(f"asked of {', '.join(given.region)} alone: nothing is proved of other regions")
    for line in report.as_lines(verdict):
        print(line)
    if given.json is not None:
        document = report.as_json(verdict, stack=given.stack, account=number, calls=account.calls)
        given.json.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    return EXIT[verdict.state]


def _audited(given: argparse.Namespace, account: Account, number: str) -> Verdict:
    on, off = account.regions()
    unknown = set(given.region or ()) - {*on, *off}
    if unknown:
        raise UsageError(f"audit: no region is called {min(unknown)}")
    regions = given.region or on
    try:
        known, others = ledger.read(account.client("cloudformation", account.home), given.stack)
    except FAILURES as error:
        why = reason(error)
        raise CouldNotFinish(f"audit: CloudFormation did not answer: {why}; allow it") from None
    print(f"audit: looking for {len(KINDS)} kinds in {len(regions)} regions", file=sys.stderr)
    partition = "aws" if known.is_empty else next(iter(known.stacks)).split(":")[1]
    sight = look(account, regions, account.home)
    tags = TagReader(account, number, partition)
    verdict = judge(sight, known, others, tags, prices.load(), account.home)
    skipped = [] if given.region else [r for r in off if r not in given.never_used]
    not_looked = [NotLooked("everything", region, "switched off, and may still bill")
                  for region in skipped if ALL not in given.never_used]  # fmt: skip
    if known.is_empty:
        why = "CloudFormation remembers no stack of this name in the last 90 days"
        not_looked.append(NotLooked("stack", account.home, why))
    return Verdict(verdict.residues, (*verdict.not_looked, *not_looked), verdict.looked_at)
