"""The subcommands of `tl`, imported only when the user asks for them.

The installed package has check, rules, cost and mutate. A clone of the repository adds the
operator's commands, which need boto3 and more; `tl check` must not pay for those imports.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from tljudge.cli.clone import NO_CLONE, Clone
from tljudge.cli.errors import UsageError

NAMES = ("check", "rules", "cost", "mutate")
_OPTIONS = ("-h", "--help", "--version", "--debug")
_ROOT = Path(__file__).resolve().parents[3]


def register(words: Sequence[str], subcommands: Any) -> None:
    """Add to the parser the command that the user typed, or all commands for the list.

    Args:
        words: the user's arguments after `tl`.
        subcommands: the subparsers of the `tl` parser.

    Raises:
        UsageError: there is no such command, or it needs a package that is not installed.
    """
    clone = _clone()
    typed = next((word for word in words if not word.startswith("-")), None)
    offered = (*NAMES, *clone.commands)
    unknown = [word for word in words if word.startswith("-") and word not in _OPTIONS]
    if typed is None and unknown:
        raise UsageError(
            f"tl: unrecognized arguments: {' '.join(unknown)}; `tl --help` shows what it takes"
        )
    if typed is None and not {"-h", "--help", "--version"} & set(words):
        raise UsageError(f"tl: no command; name one of {', '.join(offered)}, or ask `tl --help`")
    if typed is not None and typed not in offered:
        raise UsageError(_no_command(typed, offered, clone))
    for name in [typed] if typed in offered else offered:
        if name in NAMES:
            import_module(f"tljudge.cli.{name}").register(subcommands, clone)
        else:
            _operator_command(name, name == typed).register(subcommands)


def _no_command(typed: str, offered: Sequence[str], clone: Clone) -> str:
    import difflib

    near = difflib.get_close_matches(typed, offered, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; it has {', '.join(offered)}"
    more = "" if clone.root or near else "; the others run in a clone of the repository"
    return f"tl: no command {typed!r} here{hint}{more}"


def _clone() -> Clone:
    """The clone that contains this file; `NO_CLONE` for an installed package.

    Raises:
        UsageError: Python has loaded another project's package under the name `tools`.
    """
    is_in_clone = (
        (_ROOT / "compliance" / "tljudge" / "cli" / "commands.py").is_file()
        and (_ROOT / "tox.ini").is_file()
        and (_ROOT / "tools" / "commands" / "__init__.py").is_file()
    )
    if not is_in_clone:
        return NO_CLONE
    # First, so that Python does not import another package called `tools` from the path.
    sys.path.insert(0, str(_ROOT))
    package = import_module("tools")
    if Path(package.__file__ or "/").resolve().parent != _ROOT / "tools":
        raise UsageError(
            f"tl: {package.__file__} is loaded under the name of the clone's own package `tools`; "
            "install the clone into an environment without it"
        )
    clone: Clone = import_module("tools.commands").CLONE
    return clone


def _operator_command(name: str, is_typed: bool) -> ModuleType:
    try:
        return import_module(f"tools.commands.{name}")
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package in ("tools", "tljudge", "e2e", "handlers"):
            raise
        if is_typed:
            raise UsageError(
                f"{name}: needs {package}, which is not installed here; run it in the clone's own "
                f"environment: .venv/bin/tox run -e tl -- {name}"
            ) from None
        return _not_here(name, package)


def _not_here(name: str, package: str) -> ModuleType:
    """A line in the list of commands, for a command that cannot run here."""

    def register(subcommands: Any) -> None:
        subcommands.add_parser(name, help=f"(needs {package}, which is not installed here)")

    module = ModuleType(name)
    module.register = register  # type: ignore[attr-defined]
    return module
