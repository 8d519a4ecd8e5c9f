"""The subcommands of `tl`, one file each."""

from tools.commands import package, sabotage, smoke

ALL = (package, smoke, sabotage)
