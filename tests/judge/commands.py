"""The commands of the installed package, as `tl` runs them."""

import argparse

from tljudge.cli import check, cost, mutate, rules
from tljudge.cli.clone import NO_CLONE, Clone


def run(*arguments: str, clone: Clone = NO_CLONE) -> int:
    """The exit code of one command.

    Args:
        arguments: what the user types after `tl`.
        clone: what a clone of the repository adds.
    """
    parser = argparse.ArgumentParser()
    subcommands = parser.add_subparsers()
    for command in (check, rules, cost, mutate):
        command.register(subcommands, clone)
    given = parser.parse_args(arguments)
    code: int = given.run(given)
    return code
