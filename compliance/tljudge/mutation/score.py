"""The score of a run: which mutants were killed, survived, or are listed as equivalent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tljudge.mutation.equivalents import Equivalent
from tljudge.mutation.operator import Operator


@dataclass(frozen=True, slots=True)
class Mutant:
    """A template with one fault, and the rules that noticed it.

    Attributes:
        operator: name of the operator.
        file: path of the template, as the user named it.
        line: line of the fault in that file, from 1.
        resource: logical id; outside Resources, the section.
        place: the property.
        killed_by: ids of rules with new findings; `(unknown)` follows a rule that only answered
            UNKNOWN.
        expected: whether an expected rule noticed; UNKNOWN counts for doubtful operators only.
        diff: of a survivor, a unified diff between original and mutant, both in long form.
        reason: why an equivalent mutant breaks nothing.
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
    """An operator that could not make a mutant of a template, and why."""

    operator: str
    file: str
    why: str


@dataclass(frozen=True, slots=True)
class Score:
    """The results of a run; `stale` lists equivalents that did not survive."""

    mutants: tuple[Mutant, ...]
    operators: tuple[Operator, ...]
    inapplicable: tuple[InapplicableMutation, ...] = ()
    stale: tuple[Equivalent, ...] = ()

    def of(self, state: str) -> list[Mutant]:
        """The mutants in a state: `killed`, `equivalent` or `survived`."""
        return [mutant for mutant in self.mutants if mutant.state == state]

    @property
    def unexpected(self) -> list[Mutant]:
        """Mutants that an unexpected rule killed, or an UNKNOWN where FAIL was expected."""
        return [mutant for mutant in self.of("killed") if not mutant.expected]

    @property
    def total(self) -> int:
        """Number of mutants that break something."""
        return len(self.mutants) - len(self.of("equivalent"))

    def exit_code(self) -> int:
        """0 when no mutant survived and every equivalent still does, else 1."""
        return 1 if self.of("survived") or self.stale else 0


def scored(
    results: Iterable[Mutant | InapplicableMutation],
    operators: Sequence[Operator],
    equivalents: Sequence[Equivalent],
) -> Score:
    """Score the results of a run.

    Args:
        results: the results of `run`.
        operators: the operators of the run.
        equivalents: known equivalent mutants; those of other operators or files are ignored.
    """
    all_results = list(results)
    mutants = [result for result in all_results if isinstance(result, Mutant)]
    names = {operator.name for operator in operators}
    files = {mutant.file for mutant in mutants}
    reasons = {}
    stale = []
    for equivalent in equivalents:
        if equivalent.operator not in names or not any(map(equivalent.is_about, files)):
            continue
        matching = [i for i, mutant in enumerate(mutants) if _is_same(mutant, equivalent)]
        reasons.update(dict.fromkeys(matching, equivalent.reason))
        if not any(mutants[i].state == "survived" for i in matching):
            stale.append(equivalent)
    scored_mutants = [
        replace(mutant, reason=reasons.get(i, "")) for i, mutant in enumerate(mutants)
    ]
    inapplicable = tuple(
        result for result in all_results if isinstance(result, InapplicableMutation)
    )
    return Score(tuple(scored_mutants), tuple(operators), inapplicable, tuple(stale))


def _is_same(mutant: Mutant, equivalent: Equivalent) -> bool:
    place = (equivalent.operator, equivalent.resource, equivalent.place)
    is_same_place = (mutant.operator, mutant.resource, mutant.place) == place
    return is_same_place and equivalent.is_about(mutant.file)
