"""The subcommands of `tl`, one module each; a command imports its own module alone.

So `tl check` does not spend time on boto3, which it does not use.
"""

from importlib import import_module
from types import ModuleType
from typing import Any

from tools.errors import UsageError

NAMES = ("package", "smoke", "sabotage", "check", "rules", "mutate", "cost", "bench")


def load(arguments: list[str]) -> list[ModuleType]:
    """The module of the command that `arguments` name, or every module where they name none.

    Raises:
        UsageError: the command needs a package that is not installed here.
    """
    named = [word for word in arguments if not word.startswith("-")][:1]
    wanted = named if named and named[0] in NAMES else NAMES
    modules = []
    for name in wanted:
        try:
            modules.append(import_module(f"tools.commands.{name}"))
        except ModuleNotFoundError as error:
            package = (error.name or "").split(".")[0]
            if package in ("tools", "compliance", "e2e", "handlers"):
                raise
            if [name] == named:
                raise UsageError(
                    f"{name}: needs {package}, which is not installed here; run it in a clone of "
                    f"the repository: .venv/bin/tox run -e tl -- {name}"
                ) from None
            modules.append(_unavailable(name, package))
    return modules


def _unavailable(name: str, package: str) -> ModuleType:
    """A line in the list of commands, for a command that cannot run here."""

    def register(subcommands: Any) -> None:
        subcommands.add_parser(name, help=f"(needs {package}, which is not installed here)")

    module = ModuleType(name)
    module.register = register  # type: ignore[attr-defined]
    return module
