"""How `tl` reads what the user typed: a mistake is one line that says where it is."""

import argparse
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from tljudge.cli.errors import UsageError


class Parser(argparse.ArgumentParser):
    """A parser that answers a mistake with one line and exit code 2, without the whole usage."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and which command lists what it takes."""
        where = self.prog.split()[-1]
        self.exit(2, f"{where}: {message}; `{self.prog} --help` shows what it takes\n")


def existing_or_new(text: str) -> Path:
    """A path as the user typed it; an empty text would name the current folder.

    Raises:
        argparse.ArgumentTypeError: the text is empty, as an unset shell variable is.
    """
    if not text:
        raise argparse.ArgumentTypeError("is empty; name a file or a folder")
    return Path(text)


MOST_JOBS = 64
"""More than a developer's machine has processors: a slip of the finger starts no more."""


def require_jobs(command: str, jobs: int, *, least: int = 1) -> None:
    """Refuse a number of processes that is none, or that would overwhelm the machine.

    Raises:
        UsageError
    """
    if not least <= jobs <= MOST_JOBS:
        raise UsageError(f"{command}: --jobs is {jobs}; it takes {least} to {MOST_JOBS}")


def require_existing(command: str, paths: Sequence[Path]) -> None:
    """Refuse a path that leads to nothing; a link that leads nowhere is reported by the reader.

    Raises:
        UsageError: there is no such file or folder.
    """
    for path in paths:
        if not os.path.lexists(path):
            raise UsageError(
                f"{command}: no file or folder {str(path)!r}; name a template or a folder"
            )


def require_writable_place(
    command: str, path: Path | None, inputs: Iterable[tuple[str, Path | None]]
) -> None:
    """Refuse, before any work is done, a file to write that cannot be one, or that is an input.

    Args:
        command: its name, for the message.
        path: the file to write; None for none.
        inputs: what another file of this run is, for the message, and its path or None.

    Raises:
        UsageError: its folder does not exist, it is a folder itself, or what it holds is an input.
    """
    if path is None:
        return
    if not path.absolute().parent.is_dir():
        raise UsageError(
            f"{command}: no folder {path.absolute().parent} to write into; make it first"
        )
    if path.is_dir():
        raise UsageError(f"{command}: {path} is a folder; name a file to write")
    for what, other in inputs:
        if other is not None and os.path.realpath(path) == os.path.realpath(other):
            raise UsageError(f"{command}: {path} is {what}; name another file to write")
    if path.is_file() and _holds_template(path):
        raise UsageError(
            f"{command}: {path} is a template, and would be lost; name another file to write"
        )


def files_read(
    paths: Sequence[Path], policy: Path | None, parameters: Path | None
) -> list[tuple[str, Path | None]]:
    """What `add_judged` declares, as `require_writable_place` takes its inputs."""
    judged: list[tuple[str, Path | None]] = [("judged", path) for path in paths]
    return [("read as --policy", policy), ("read as --parameters", parameters), *judged]


def _holds_template(path: Path) -> bool:
    """Whether a file is a template, even a broken one; a report of an earlier run is none."""
    from tljudge.decode.errors import NotATemplate, TemplateError
    from tljudge.decode.files import SUFFIXES
    from tljudge.decode.loader import decode
    from tljudge.decode.source import MAX_BYTES, Source, is_meant_as_template

    try:
        source = Source.read(path)
        if source.may_be_template():
            decode(source, None)
            return True
    except NotATemplate:
        return False
    except TemplateError:
        if path.suffix not in SUFFIXES or path.stat().st_size > MAX_BYTES:
            return False
        # A report as text or XML may be called .json, too.
        starts_as_json = path.suffix != ".json" or path.read_bytes().lstrip()[:1] == b"{"
        return starts_as_json and is_meant_as_template(path)
    return False


def write_text(command: str, path: Path, text: str) -> None:
    """Write a file that the user named.

    Raises:
        UsageError: the operating system refuses it.
    """
    try:
        path.write_text(text, "utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(
            f"{command}: {path}: cannot be written: {error.strerror}; name another file"
        ) from None


def add_judged(parser: argparse.ArgumentParser, *, policy: str) -> None:
    """Declare what is judged: paths, the policy (`policy` says what is in it), parameters."""
    parser.add_argument(
        "paths", nargs="*", type=existing_or_new, metavar="PATH", help="templates or folders"
    )
    parser.add_argument("--policy", type=existing_or_new, metavar="FILE", help=f"{policy}, TOML")
    parser.add_argument(
        "--parameters",
        type=existing_or_new,
        metavar="FILE",
        help='JSON: {"Parameters": {}, "Tags": {}}',
    )
