"""The commands that a clone of the repository adds to those of the installed package."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tljudge.engine.findings import Report
from tljudge.engine.policy import Policy


@dataclass(frozen=True, slots=True)
class Clone:
    """The clone's commands, its own templates, and its way to read a deployed stack.

    Attributes:
        commands: names of the operator's commands, modules of `tools.commands`.
        root: folder of the clone; None without a clone.
        judge_deployed: takes a stack name and a policy; returns the report, and a line for each
            difference between template and account. None without access to an account.
    """

    commands: tuple[str, ...] = ()
    root: Path | None = None
    judge_deployed: Callable[[str, Policy], tuple[Report, Sequence[str]]] | None = None


NO_CLONE = Clone()
