"""`tl`: the operator's commands. Each says what it does with `--help`."""

import argparse
import io
import os
import signal
import sys
from collections.abc import Sequence

from tools import commands
from tools.errors import CouldNotFinish, UsageError

EXIT_CODES = (
    "exit codes: 0 clean, 1 findings or a failed smoke, "
    "2 usage or configuration, 3 could not finish"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code.

    A mistake of the user's is one line on standard error; a traceback is shown with `--debug` only.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.encoding.lower() != "utf-8":
        # A terminal that lacks a character shows a question mark for it, and the rest.
        sys.stdout.reconfigure(errors="replace")
    try:
        return _run(words)
    except KeyboardInterrupt:
        # Here, because the modules of a command take a second to load.
        named = next((word for word in words if not word.startswith("-")), "tl")
        print(f"{named}: interrupted; everything it started has ended", file=sys.stderr)
        return 3


def _run(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="tl",
        description="Deploy, prove and destroy an on-demand model on AWS.",
        epilog=EXIT_CODES,
    )
    parser.add_argument(
        "--debug", action="store_true", help="show a traceback when something breaks"
    )
    subcommands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    try:
        for command in commands.load(words):
            command.register(subcommands)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    given = parser.parse_args(words)
    # A polite end is an end like Ctrl-C: what was started is ended, what was written removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code: int = given.run(given)
        sys.stdout.flush()
        return code
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    except CouldNotFinish as error:
        print(error, file=sys.stderr)
        return 3
    except BrokenPipeError:
        # Whoever read it has seen enough, as in `tl rules | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 3
    except Exception as error:  # noqa: BLE001 - the last line before the user: one line, no traceback
        if given.debug:
            import traceback

            traceback.print_exc()
        else:
            print(
                f"{given.command}: {type(error).__name__}: {error}; --debug shows where",
                file=sys.stderr,
            )
        return 3
