"""Scenarios: every combination of choices that a judgement depends on, and no other.

A judgement asks for a parameter or a condition only when it needs it. Each
first answer is a choice; `explore` runs the judgement again with the next answer until all are
taken. Conditions that share a parameter stay correlated, because the parameter is what is chosen.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from tljudge.resolve.values import Value

CAP = 256
"""Combinations looked at for one rule and one resource."""
MAX_STORED = 1_000_000
"""Values remembered for one deployment."""


class Unreachable(Exception):
    """No deployment has this combination, for example a map has no such key."""


class Open(Exception):
    """An answer is asked for that this combination leaves open."""


class TooMany(Exception):
    """The cap was reached before all combinations were looked at."""


@dataclass(slots=True, eq=False)
class Choice:
    """One answer: `taken` of `options`, shown as `label`."""

    key: str
    label: str
    taken: int
    options: Sequence[Value]


class Choices:
    """The answers of one run; those already fixed are replayed."""

    __slots__ = ("asked", "made", "trail")

    def __init__(self, fixed: Sequence[Choice] = ()) -> None:
        self.trail = list(fixed)
        self.made = {choice.key: choice for choice in fixed}
        self.asked: list[Choice] = []

    def choose(self, key: str, label: str, options: Sequence[Value]) -> Value:
        """The answer of this run."""
        if len(options) == 1:
            return options[0]
        choice = self.made.get(key)
        if choice is None:
            choice = self.first(key, label, options)
        self.asked.append(choice)
        return choice.options[choice.taken]

    def first(self, key: str, label: str, options: Sequence[Value]) -> Choice:
        """A choice nobody asked for before."""
        choice = self.made[key] = Choice(key, label, 0, options)
        self.trail.append(choice)
        return choice

    def replayed(self, fixed: Sequence[Choice]) -> Self:
        """A run of the same kind that begins with these answers."""
        return type(self)(fixed)

    def scenario(self) -> dict[str, str]:
        """Parameter to value, as a person would pass it."""
        return {choice.label: _shown(choice.options[choice.taken]) for choice in self.trail}


C = TypeVar("C", bound=Choices)
T = TypeVar("T")


class FixedChoices(Choices):
    """What a run has chosen, and nothing more: what it did not ask for stays open."""

    __slots__ = ()

    def first(self, key: str, label: str, options: Sequence[Value]) -> Choice:
        """Nobody chooses.

        Raises:
            Open: always.
        """
        raise Open


@dataclass(slots=True, eq=False)
class _Branch:
    """A computation that asked for `choice`: what followed, by answer."""

    choice: Choice
    below: "dict[Hashable, _Branch | _Leaf]" = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Leaf:
    value: Any  # of the type that its key's computation gives


class Memo:
    """What computations gave under which answers.

    A computation asks in an order that only the answers decide, so that what it asked before can be
    asked again without it: a tree by answers, followed to the value.
    """

    __slots__ = ("_trees", "stored", "work")

    def __init__(self) -> None:
        self._trees: dict[Hashable, _Branch | _Leaf] = {}
        self.work = 0
        self.stored = 0

    def get_or_compute(self, choices: Choices, key: Hashable, compute: Callable[[], T]) -> T:
        """What `compute` gave before under the same answers, or gives now."""
        node = self._trees.get(key)
        made, asked = choices.made, choices.asked
        while type(node) is _Branch:
            wanted = node.choice
            choice = made.get(wanted.key)
            if choice is None:
                choice = choices.first(wanted.key, wanted.label, wanted.options)
            asked.append(choice)
            node = node.below.get(choice.taken)
        if type(node) is _Leaf:
            known: T = node.value
            return known
        before, work = len(asked), self.work
        value = compute()
        self.stored += self.work - work + 1
        if self.stored <= MAX_STORED:
            self._store(key, dict.fromkeys(asked[before:]), value)
        return value

    def _store(self, key: Hashable, used: dict[Choice, None], value: object) -> None:
        above = self._trees
        for choice in used:
            branch = above.get(key)
            if type(branch) is not _Branch:
                branch = above[key] = _Branch(choice)
            above, key = branch.below, choice.taken
        above[key] = _Leaf(value)

    def settled(self, key: Hashable) -> bool:
        """Whether the value is the same under all answers."""
        return type(self._trees.get(key)) is _Leaf


def explore(first: C, cap: int = CAP) -> Iterator[C]:
    """Every combination, one after the other.

    The caller runs its judgement with each before it asks for the next.

    Args:
        first: the first combination, before any choice.
        cap: combinations that are looked at in all.

    Raises:
        TooMany: more than `cap` combinations exist.
    """
    choices: C | None = first
    for _ in range(cap):
        if choices is None:
            return
        yield choices
        choices = following(choices)
    if choices is not None:
        raise TooMany


def following(choices: C) -> C | None:
    """The combination after one that was looked at; None after the last."""
    trail = choices.trail
    while trail and trail[-1].taken + 1 == len(trail[-1].options):
        trail = trail[:-1]
    if not trail:
        return None
    last = trail[-1]
    following_choice = Choice(last.key, last.label, last.taken + 1, last.options)
    return choices.replayed([*trail[:-1], following_choice])


def _shown(option: Value) -> str:
    if option is True or option is False:
        return str(option).lower()
    if hasattr(option, "why"):
        return "any other value"
    return ",".join(map(str, option)) if isinstance(option, list) else str(option)
