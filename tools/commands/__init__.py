"""The subcommands of `tl`, one module each, imported when they are asked for.

`tl check` must not pay for boto3, which it never uses.
"""

from importlib import import_module
from types import ModuleType

NAMES = ("package", "smoke", "sabotage", "check", "rules")


def load(arguments: list[str]) -> list[ModuleType]:
    """The module of the command that `arguments` name, or all of them for the list."""
    named = [word for word in arguments if not word.startswith("-")][:1]
    wanted = named if named and named[0] in NAMES else NAMES
    return [import_module(f"tools.commands.{name}") for name in wanted]
