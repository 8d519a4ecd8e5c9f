"""What a rule is: a pure function over one resource of a deployment, with its reasons."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tljudge.decode.nodes import Mark
from tljudge.engine.policy import Policy
from tljudge.resolve.deployment import Resource


@dataclass(frozen=True, slots=True)
class Verdict:
    """What does not hold, or cannot be known, and where."""

    fails: bool
    message: str
    mark: Mark


Check = Callable[[Resource, Policy], Iterator[Verdict]]


def _always(policy: Policy) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; `check` yields nothing where it holds.

    `types` may be `*`, everything that takes tags, or `**`, everything; a rule that does not apply
    under a policy is not asked.
    """

    id: str
    title: str
    why: str
    fix: str
    source: str
    types: tuple[str, ...]
    check: Check
    applies: Callable[[Policy], bool] = _always


def fail(message: str, mark: Mark) -> Verdict:
    """It does not hold."""
    return Verdict(True, message, mark)


def unknown(message: str, mark: Mark) -> Verdict:
    """Nobody can know whether it holds."""
    return Verdict(False, message, mark)
