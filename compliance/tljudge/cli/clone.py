"""What a clone of the repository adds to the installed package's commands."""

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
        root: of the clone; None where there is no clone.
        judge_deployed: judges a deployed stack by a policy, or None where nothing reads an account.
            Returns the report and a line for each difference between template and account.
    """

    commands: tuple[str, ...] = ()
    root: Path | None = None
    judge_deployed: Callable[[str, Policy], tuple[Report, Sequence[str]]] | None = None


NO_CLONE = Clone()
