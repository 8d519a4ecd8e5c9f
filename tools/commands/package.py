"""`tl package`: builds the zips that the templates name."""

import argparse
from typing import Any

from tools.deploy import package
from tools.deploy.environments import handlers_python


def register(subcommands: Any) -> None:
    """Add the command to the parser."""
    parser = subcommands.add_parser(
        "package",
        help="build the Lambda zips and the node's package into build/",
        description="Build the zips that the templates name: pure Python, byte for byte the same "
        "everywhere, at most 5 MiB each.",
        epilog="example: tl package && aws cloudformation package --template-file "
        "cloudformation/stack.yaml --s3-bucket BUCKET --output-template-file build/stack.yaml",
    )
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    for path in package.build(handlers_python()).values():
        print(f"{path.stat().st_size:>9} {path}")
    return 0
