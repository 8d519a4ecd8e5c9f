"""`tl smoke`: one life of the whole system, timed."""

import argparse
import json
import secrets
import sys
import threading
from pathlib import Path
from typing import Any

from e2e.report import Progress, failure_text
from e2e.run import Run
from e2e.smoke import smoke
from e2e.targets.ministack import MiniStack
from tools.environments import ROOT, handlers_python, ministack_python
from tools.errors import UsageError

DESCRIPTION = """\
Package the handlers, start a local AWS endpoint and a real Redis, deploy the
templates, use the API as a client would, destroy everything and verify that
nothing is left. Progress goes to standard error; the last line on standard
output is the result.
"""
EXAMPLES = """examples:
  tl smoke                         on this machine, with nothing installed but this project
  tl smoke --json smoke.json       and write the result down
  tl smoke --keep                  leave it running, and say how to talk to it
"""


def register(subcommands: Any) -> None:
    """Add the command to the parser."""
    parser = subcommands.add_parser(
        "smoke",
        help="deploy, use, destroy and verify the whole system",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--target", choices=["ministack"], default="ministack", help="where (ministack)"
    )
    parser.add_argument("--port", type=int, help="port of the local AWS endpoint (a free one)")
    parser.add_argument("--keep", action="store_true", help="leave it running until Ctrl-C")
    parser.add_argument(
        "--keep-on-failure", action="store_true", help="the same, when a stage fails"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON")
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    target = MiniStack(ministack_python(), port=given.port)
    run = Run(
        target=target,
        name=f"tl-smoke-{secrets.token_hex(3)}",
        source=ROOT,
        handlers_python=handlers_python(),
    )
    if given.json is not None and not given.json.absolute().parent.is_dir():
        raise UsageError(f"smoke: no folder {given.json.absolute().parent} to write --json into")
    progress = Progress()
    try:
        report = smoke(
            run,
            progress,
            keep=_stay if given.keep else None,
            on_failure=_stay if given.keep_on_failure else None,
        )
    finally:
        progress.close()
    if given.json is not None:
        given.json.write_text(json.dumps(report.as_json(), indent=2) + "\n")
    if report.failure is not None:
        print(failure_text(report), file=sys.stderr)
    for gap in report.gaps:
        print(
            f"gap: {gap['name']}: {gap['lacks']}; {gap['stand_in'] or 'nothing stands in'}",
            file=sys.stderr,
        )
    print(report.last_line())
    return 0 if report.passed else 1


def _stay(run: Run) -> None:
    """Say how to talk to what runs, and wait for Ctrl-C."""
    environment = "\n".join(f"  export {k}={v}" for k, v in run.target.cli_environment().items())
    lines = ["everything is still running; Ctrl-C ends it", environment]
    if run.outputs:
        api = run.target.api_url(run.outputs["ApiEndpoint"])
        lines += [
            f"  aws cloudformation describe-stacks --stack-name {run.name}",
            f"  aws logs filter-log-events --log-group-name {run.function_log('router')}",
        ]
        for user in list(run.users.values())[:1]:
            lines += [
                f"  TOKEN=$(cat {run.target.keep('token', user.token)})  # of {user.name}",
                f"  curl -s '{api}/ping' -H \"authorization: Bearer $TOKEN\"",
                f"  curl -s '{api}/infer' -H \"authorization: Bearer $TOKEN\" "
                '-d \'{"prompt": "hello"}\'',
            ]
    print("\n".join(lines), file=sys.stderr, flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print("ending", file=sys.stderr)
