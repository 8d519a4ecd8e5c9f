"""Scenarios: every combination of choices that a judgement depends on, and no other.

A judgement asks for a parameter or a condition only when it needs it. Each
first answer is a choice; `explore` runs the judgement again with the next answer until all are
taken. Conditions that share a parameter stay correlated, because the parameter is what is chosen.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_MEMORY = 16  # beyond, looking up costs more than computing
CAP = 256
"""Combinations looked at for one rule and one resource."""


class Unreachable(Exception):
    """No deployment has this combination, for example a map has no such key."""


@dataclass(slots=True)
class Choice:
    """One answer: `taken` of `options`, shown as `label`."""

    key: str
    label: str
    taken: int
    options: Sequence[Any]


class Choices:
    """The answers of one run; those already fixed are replayed."""

    def __init__(self, fixed: Sequence[Choice] = ()) -> None:
        self.trail = list(fixed)
        self.made: dict[str, int] = {choice.key: choice.taken for choice in fixed}
        self._recorders: list[set[str]] = []

    def choose(self, key: str, label: str, options: Sequence[Any]) -> Any:
        """The answer of this run."""
        if len(options) == 1:
            return options[0]
        for recorder in self._recorders:
            recorder.add(key)
        taken = self.made.get(key)
        if taken is None:
            taken = self.made[key] = 0
            self.trail.append(Choice(key, label, 0, options))
        return options[taken]

    def scenario(self) -> dict[str, str]:
        """Parameter to value, as a person would pass it."""
        return {choice.label: _shown(choice.options[choice.taken]) for choice in self.trail}

    def remembered(self, memory: dict[Any, Any], key: Any, compute: Callable[[], Any]) -> Any:
        """What `compute` gave before under the same answers, or gives now."""
        entries = memory.setdefault(key, [])
        made = self.made
        for used, value in entries:
            if all(made.get(name) == taken for name, taken in used):
                for recorder in self._recorders:
                    recorder.update(name for name, _ in used)
                return value
        mine: set[str] = set()
        self._recorders.append(mine)
        try:
            value = compute()
        finally:
            self._recorders.pop()
        if len(entries) < _MEMORY:
            entries.append((tuple((name, made[name]) for name in mine), value))
        return value


def explore(cap: int = CAP) -> Iterator[Choices]:
    """One `Choices` per combination; after `cap` of them, `TooMany`.

    The caller runs its judgement with each before it asks for the next.
    """
    choices = Choices()
    for _ in range(cap):
        yield choices
        trail = [Choice(c.key, c.label, c.taken, c.options) for c in choices.trail]
        while trail and trail[-1].taken + 1 == len(trail[-1].options):
            trail.pop()
        if not trail:
            return
        trail[-1].taken += 1
        choices = Choices(trail)
    raise TooMany


class TooMany(Exception):
    """The cap was reached before all combinations were looked at."""


def _shown(option: Any) -> str:
    if option is True or option is False:
        return str(option).lower()
    if hasattr(option, "why"):
        return "any other value"
    return ",".join(map(str, option)) if isinstance(option, list) else str(option)
