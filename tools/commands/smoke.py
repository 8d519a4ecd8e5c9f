"""`tl smoke`: deploys, uses, destroys and verifies the whole system, timed."""

import argparse
import json
import secrets
import sys
import threading
from pathlib import Path
from typing import Any

from e2e.progress import Progress
from e2e.report import failure_text, gap_lines
from e2e.run import Run
from e2e.smoke import smoke
from e2e.targets.aws import Aws
from e2e.targets.endpoint import LOCALSTACK_URL, Endpoint
from e2e.targets.ministack import MiniStack
from e2e.targets.target import Target
from tljudge.cli.errors import UsageError
from tools.deploy.environments import ROOT, handlers_python, ministack_python
from tools.programs import check_interrupt

DESCRIPTION = """\
Package the handlers, start a local AWS endpoint and a real Redis, deploy the
templates, use the API as a client would, destroy everything and verify that
nothing is left. Progress goes to standard error; the last line on standard
output is the result.

On a LocalStack-compatible endpoint it does the same; what the endpoint lacks is
a gap of the report. With --stack, which AWS always needs, the smoke uses a stack
that is deployed already, wakes its node, stops it again, and deletes its own users.
"""
EXAMPLES = """examples:
  tl smoke                         on this machine, with nothing installed but this project
  tl smoke --json smoke.json       and write the result as JSON
  tl smoke --keep                  leave it running, and say how to talk to it
  tl smoke --target localstack     on a LocalStack that runs already
  tl smoke --endpoint http://127.0.0.1:4566
                                   on any LocalStack-compatible endpoint
  tl smoke --target aws --stack tinyllama-dev
                                   on AWS, with your credentials and AWS_REGION
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
        "--target",
        choices=["ministack", "localstack", "aws"],
        help="where (ministack, started here; an endpoint when --endpoint names one)",
    )
    parser.add_argument(
        "--endpoint", metavar="URL", help=f"an endpoint that runs already ({LOCALSTACK_URL})"
    )
    parser.add_argument(
        "--stack", metavar="NAME", help="use this deployed stack, and do not destroy it"
    )
    parser.add_argument("--port", type=int, help="port of the local AWS endpoint (a free one)")
    parser.add_argument("--keep", action="store_true", help="leave it running until Ctrl-C")
    parser.add_argument(
        "--keep-on-failure", action="store_true", help="leave it running when a stage fails"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON")
    parser.add_argument(
        "--metrics", type=Path, metavar="FILE", help="write the dashboard's data as JSON"
    )
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    run = Run(
        target=_target(given),
        name=given.stack or f"tl-smoke-{secrets.token_hex(3)}",
        source=ROOT,
        handlers_python=handlers_python(),
        is_deployed=given.stack is not None,
    )
    for option, file in (("json", given.json), ("metrics", given.metrics)):
        if file is not None and not file.absolute().parent.is_dir():
            raise UsageError(f"smoke: no folder {file.absolute().parent} to write --{option} into")
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
    if given.metrics is not None:
        rows = ",\n ".join(json.dumps(row) for row in run.metric_data)
        given.metrics.write_text(f"[{rows}]\n")
    if report.failure is not None:
        print(failure_text(report), file=sys.stderr)
    for line in gap_lines(report):
        print(line, file=sys.stderr)
    print(report.last_line())
    return 0 if report.passed else 1


def _target(given: argparse.Namespace) -> Target:
    """The target that the options name; it answers already, or is started later.

    Raises:
        UsageError: options contradict each other, or the target does not answer.
    """
    name = given.target or ("endpoint" if given.endpoint else "ministack")
    if name == "ministack":
        for option in ("endpoint", "stack"):
            if getattr(given, option) is not None:
                raise UsageError(
                    f"smoke: --{option} is of no use with the target ministack, which starts "
                    "empty; leave it out, or name another target"
                )
        return MiniStack(ministack_python(), port=given.port)
    for option in ("port", "keep", "keep_on_failure"):
        if getattr(given, option):
            raise UsageError(
                f"smoke: --{option.replace('_', '-')} is for the target ministack; leave it out"
            )
    if name == "aws":
        if given.endpoint is not None:
            raise UsageError("smoke: --target aws has its own endpoints; leave out --endpoint")
        if given.stack is None:
            raise UsageError(
                "smoke: name the stack with --stack: on AWS, making one takes longer than a smoke "
                "may; docs/operations/epic-2-secure-edge.md says how it is deployed"
            )
    target = Aws() if name == "aws" else Endpoint(name, given.endpoint or LOCALSTACK_URL)
    target.start()
    return target


def _stay(run: Run) -> None:
    """Print how to call the running system, and wait for Ctrl-C."""
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
                f"  TOKEN=$(cat {run.servers.keep('token', user.token)})  # of {user.name}",
                f"  curl -s '{api}/ping' -H \"authorization: Bearer $TOKEN\"",
                f"  curl -s '{api}/infer' -H \"authorization: Bearer $TOKEN\" "
                '-d \'{"prompt": "hello"}\'',
            ]
    print("\n".join(lines), file=sys.stderr, flush=True)
    try:
        while not threading.Event().wait(0.2):
            check_interrupt()
    except KeyboardInterrupt:
        print("ending", file=sys.stderr)
