"""`tl`: parse the arguments, run the subcommand, and turn errors into exit codes."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from tljudge import __version__
from tljudge.cli import commands
from tljudge.cli.errors import CouldNotFinish, UsageError

EXIT_CODES = (
    "exit codes: 0 clean, 1 findings or a failed smoke, "
    "2 usage or configuration, 3 could not finish"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command of these arguments, or else of `sys.argv`; return its exit code, 0 to 3.

    A user's mistake is a line on standard error; only `--debug` shows a traceback.
    """
    parser = argparse.ArgumentParser(
        prog="tl",
        description="Judge CloudFormation templates; in a clone, also deploy, prove and destroy.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"tl {__version__}")
    parser.add_argument(
        "--debug", action="store_true", help="show a traceback when something breaks"
    )
    subcommands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        commands.register(words, subcommands)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    given = parser.parse_args(words)
    # SIGTERM must clean up as Ctrl-C does: end the processes it started, remove temporary files.
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
        # The reader closed the pipe, as in `tl rules | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 3
    except KeyboardInterrupt:
        print(f"{given.command}: interrupted; everything it started has ended", file=sys.stderr)
        return 3
    except Exception as error:  # noqa: BLE001 - whatever breaks, the user gets a line instead of a traceback
        if given.debug:
            import traceback

            traceback.print_exc()
        else:
            print(
                f"{given.command}: {type(error).__name__}: {error}; --debug shows where",
                file=sys.stderr,
            )
        return 3
