"""What became of the mutants, and which of the survivors are argued to break nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tljudge.mutation.equivalents import Equivalent
from tljudge.mutation.operator import Operator


@dataclass(frozen=True, slots=True)
class Mutant:
    """One template broken in one place.

    Attributes:
        operator: its name.
        file: as the user named it.
        line: of the place in the file as it was written.
        resource: logical id, or the section where it is no resource.
        place: the property.
        killed_by: rules with new findings; `(unknown)` behind those that could only not know.
        expected: whether one of them is a rule that should notice, and knows where it can be known.
        diff: of a survivor, between the two templates written the same way.
        reason: why it breaks nothing, where that is argued.
    """

    operator: str
    file: str
    line: int
    resource: str
    place: str
    killed_by: tuple[str, ...] = ()
    expected: bool = True
    diff: str = ""
    reason: str = ""

    @property
    def state(self) -> str:
        """`killed`, `equivalent` or `survived`."""
        if self.killed_by:
            return "killed"
        return "equivalent" if self.reason else "survived"

    @property
    def where(self) -> str:
        """File, line, resource and property."""
        return f"{self.file}:{self.line} {self.resource} {self.place}".rstrip()


@dataclass(frozen=True, slots=True)
class InapplicableMutation:
    """An operator that made no mutant of a template where it began to, and why."""

    operator: str
    file: str
    why: str


@dataclass(frozen=True, slots=True)
class Score:
    """A whole run; `stale` are arguments for what is no survivor any more."""

    mutants: tuple[Mutant, ...]
    operators: tuple[Operator, ...]
    inapplicable: tuple[InapplicableMutation, ...] = ()
    stale: tuple[Equivalent, ...] = ()

    def of(self, state: str) -> list[Mutant]:
        """The mutants in one state."""
        return [one for one in self.mutants if one.state == state]

    @property
    def unexpected(self) -> list[Mutant]:
        """Killed, but by none of the rules that should notice, or by one that could not know."""
        return [one for one in self.of("killed") if not one.expected]

    @property
    def total(self) -> int:
        """Mutants that break something."""
        return len(self.mutants) - len(self.of("equivalent"))

    def exit_code(self) -> int:
        """0 when every mutant that breaks something is killed, and every argument still holds."""
        return 1 if self.of("survived") or self.stale else 0


def scored(
    results: Iterable[Mutant | InapplicableMutation],
    operators: Sequence[Operator],
    equivalents: Sequence[Equivalent],
) -> Score:
    """The results of a run with the arguments for its survivors.

    Args:
        results: of `run`.
        operators: that it was run with.
        equivalents: arguments; those for other operators and files are left out of account.
    """
    found = list(results)
    mutants = [one for one in found if isinstance(one, Mutant)]
    names, files = {one.name for one in operators}, {one.file for one in mutants}
    reasons = {}
    stale = []
    for argument in equivalents:
        if argument.operator not in names or not any(map(argument.is_about, files)):
            continue
        mine = [i for i, one in enumerate(mutants) if _argued(one, argument)]
        reasons.update(dict.fromkeys(mine, argument.reason))
        if not any(mutants[i].state == "survived" for i in mine):
            stale.append(argument)
    argued = [replace(one, reason=reasons.get(i, "")) for i, one in enumerate(mutants)]
    inapplicable = tuple(one for one in found if isinstance(one, InapplicableMutation))
    return Score(tuple(argued), tuple(operators), inapplicable, tuple(stale))


def _argued(mutant: Mutant, argument: Equivalent) -> bool:
    named = (argument.operator, argument.resource, argument.place)
    same = (mutant.operator, mutant.resource, mutant.place) == named
    return same and argument.is_about(mutant.file)
