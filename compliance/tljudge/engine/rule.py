"""The type of a rule: a pure function that judges a resource, with its texts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tljudge.decode.nodes import Mark
from tljudge.engine.policy import Policy
from tljudge.resolve.deployment import Resource


@dataclass(frozen=True, slots=True)
class Verdict:
    """A violation (`fails`) or an undecidable case, with its message and place."""

    fails: bool
    message: str
    mark: Mark


Check = Callable[[Resource, Policy], Iterator[Verdict]]


def _always(policy: Policy) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule.

    Attributes:
        id: such as `TL_IAM_1`; stable.
        title: what must hold.
        why: the risk.
        fix: what to do.
        source: URL of the AWS documentation.
        types: resource types; `*` means every taggable type, `**` every type.
        check: yields a verdict for each violation or undecidable case; none if the rule holds.
        applies: whether the rule is active under a policy.
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
    """The verdict of a violation."""
    return Verdict(True, message, mark)


def unknown(message: str, mark: Mark) -> Verdict:
    """The verdict if the template does not decide whether the rule holds."""
    return Verdict(False, message, mark)
