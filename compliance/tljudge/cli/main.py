"""`tl`: parse the arguments, run the subcommand, and turn errors into exit codes."""

import argparse
import io
import os
import signal
import sys
from collections.abc import Sequence

from tljudge import __version__
from tljudge.cli import commands
from tljudge.cli.arguments import Parser
from tljudge.cli.errors import CouldNotFinish, UsageError

EXIT_CODES = (
    "exit codes: 0 clean, 1 findings or a failed smoke, "
    "2 usage or configuration, 3 could not finish"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command of these arguments, or else of `sys.argv`; return its exit code, 0 to 3.

    A user's mistake is a line on standard error; only `--debug` shows a traceback.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    # Known before the command is loaded, which may take a second.
    command = next((word for word in words if not word.startswith("-")), "tl")
    # SIGTERM must clean up as Ctrl-C does: end the processes it started, remove temporary files.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _require_streams()
        parser = _parser()
        commands.register(
            words, parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
        )
        given = _given(parser, words)
        _require_folder()
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
        _drop_output()
        return 3
    except KeyboardInterrupt:
        print(f"{command}: interrupted; everything it started has ended", file=sys.stderr)
        return 3
    except Exception as error:  # noqa: BLE001 - whatever breaks, the user gets a line instead of a traceback
        if "--debug" in words:
            import traceback

            traceback.print_exc()
        elif isinstance(error, OSError) and error.strerror:
            where = f"{error.filename}: " if error.filename else ""
            print(f"{command}: {where}{error.strerror}; --debug shows where", file=sys.stderr)
        else:
            print(
                f"{command}: {type(error).__name__}: {error}; --debug shows where",
                file=sys.stderr,
            )
        _drop_output()
        return 3


def _drop_output() -> None:
    """Leave nothing for the interpreter to write at its end, where an error is a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> Parser:
    parser = Parser(
        prog="tl",
        description="Judge, price and mutate CloudFormation templates; in a clone, also package "
        "the functions, smoke the whole system and measure it.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"tl {__version__}")
    parser.add_argument(
        "--debug", action="store_true", help="show a traceback when something breaks"
    )
    return parser


def _given(parser: Parser, words: Sequence[str]) -> argparse.Namespace:
    """What the user asks for; `--debug` may also stand after the command, where people add it.

    Raises:
        UsageError: the command takes no such word.
    """
    given, unknown = parser.parse_known_args(words)
    unknown = [word for word in unknown if word != "--debug"]
    if unknown:
        raise UsageError(
            f"{given.command}: unrecognized arguments: {' '.join(unknown)}; "
            f"`tl {given.command} --help` shows what it takes"
        )
    return given


def _require_streams() -> None:
    """A closed stream, as in `tl check . >&-`, is None: nothing could be written there."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - until the process ends
    if sys.stdout is None:
        raise UsageError("tl: standard output is closed; send it to a file, or to /dev/null")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.encoding.lower() != "utf-8":
        # A terminal that lacks a character shows a question mark for it, and the rest.
        sys.stdout.reconfigure(errors="replace")


def _require_folder() -> None:
    """A relative path means nothing in a folder that somebody has removed."""
    try:
        os.getcwd()  # noqa: PTH109 - not for its name
    except OSError as error:
        raise UsageError(
            f"tl: the current folder: {error.strerror}; change into a folder that exists"
        ) from None
