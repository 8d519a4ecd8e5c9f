"""Scenarios: exactly the combinations of choices that a judgement depends on.

A judgement asks for a parameter or a condition only when it needs it. Each first answer is a
choice; `explore` runs the judgement again with the next answer, until it has taken all answers.
Conditions that share a parameter stay correlated, because the choice is the parameter.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from tljudge.resolve.values import Value

CAP = 256
"""Default maximum of combinations for one rule and one resource."""
MAX_STORED = 1_000_000
"""Maximum of values that the memo of one deployment stores."""


class Unreachable(Exception):
    """CloudFormation cannot deploy this combination, for example a map lacks the key."""


class OpenChoice(Exception):
    """A computation needs a choice that this scenario has not made."""


class TooMany(Exception):
    """More combinations exist than the cap allows."""


@dataclass(slots=True, eq=False)
class Choice:
    """A question with its answer: index `taken` into `options`; `label` names it in messages."""

    key: str
    label: str
    taken: int
    options: Sequence[Value]


class Choices:
    """The choices of one run: fixed answers are replayed, a new question takes its first option.

    Attributes:
        trail: choices in the order in which they were first needed.
        made: the same choices by key.
        asked: choices in the order of all questions, repeated questions included.
    """

    __slots__ = ("asked", "made", "trail")

    def __init__(self, fixed: Sequence[Choice] = ()) -> None:
        self.trail = list(fixed)
        self.made = {choice.key: choice for choice in fixed}
        self.asked: list[Choice] = []

    def choose(self, key: str, label: str, options: Sequence[Value]) -> Value:
        """The answer in this run: as it was fixed, else the first option.

        A question with a single option has its answer, and is not recorded as a choice.
        """
        if len(options) == 1:
            return options[0]
        choice = self.made.get(key)
        if choice is None:
            choice = self.first(key, label, options)
        self.asked.append(choice)
        return choice.options[choice.taken]

    def first(self, key: str, label: str, options: Sequence[Value]) -> Choice:
        """Make a new choice, of the first option."""
        choice = self.made[key] = Choice(key, label, 0, options)
        self.trail.append(choice)
        return choice

    def replayed(self, fixed: Sequence[Choice]) -> Self:
        """Start another run of the same kind with these answers."""
        return type(self)(fixed)

    def scenario(self) -> dict[str, str]:
        """Label to value, as a user would pass it on the command line."""
        return {choice.label: _display(choice.options[choice.taken]) for choice in self.trail}


C = TypeVar("C", bound=Choices)
T = TypeVar("T")


class FixedChoices(Choices):
    """The choices of a finished run; any further question raises `OpenChoice`."""

    __slots__ = ()

    def first(self, key: str, label: str, options: Sequence[Value]) -> Choice:
        """Refuse a new choice.

        Raises:
            OpenChoice: always.
        """
        raise OpenChoice


@dataclass(slots=True, eq=False)
class _Branch:
    """A computation that asked for `choice`; `below` continues it for each answer."""

    choice: Choice
    below: "dict[Hashable, _Branch | _Leaf]" = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Leaf:
    value: Any  # the key decides its type


class Memo:
    """Memoises results as decision trees: each question depends only on earlier answers.

    Attributes:
        stored: values stored so far, about the memory that they use.
        work: elements that computations have copied so far.
    """

    __slots__ = ("_trees", "stored", "work")

    def __init__(self) -> None:
        self._trees: dict[Hashable, _Branch | _Leaf] = {}
        self.work = 0
        self.stored = 0

    def get_or_compute(self, choices: Choices, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the result stored for the same answers, or compute and store it."""
        node = self._trees.get(key)
        made, asked = choices.made, choices.asked
        while type(node) is _Branch:
            question = node.choice
            choice = made.get(question.key)
            if choice is None:
                choice = choices.first(question.key, question.label, question.options)
            asked.append(choice)
            node = node.below.get(choice.taken)
        if type(node) is _Leaf:
            stored: T = node.value
            return stored
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
        """Whether the result for a key depends on no choice."""
        return type(self._trees.get(key)) is _Leaf


def explore(first: C, cap: int = CAP) -> Iterator[C]:
    """Yield every combination of choices.

    The caller must run its judgement with each combination before it takes the next, because the
    run records the questions.

    Args:
        first: choices without answers.
        cap: maximum of combinations.

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
    """The next combination after a finished run; None after the last."""
    trail = choices.trail
    while trail and trail[-1].taken + 1 == len(trail[-1].options):
        trail = trail[:-1]
    if not trail:
        return None
    last = trail[-1]
    next_choice = Choice(last.key, last.label, last.taken + 1, last.options)
    return choices.replayed([*trail[:-1], next_choice])


def _display(option: Value) -> str:
    if option is True or option is False:
        return str(option).lower()
    if hasattr(option, "why"):
        return "any other value"
    return ",".join(map(str, option)) if isinstance(option, list) else str(option)
