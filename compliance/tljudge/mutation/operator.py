"""A mutation operator: a way to break a template, and the rules that must notice."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tljudge.mutation.edits import Break
from tljudge.mutation.target import MutationTarget


@dataclass(frozen=True, slots=True)
class Operator:
    """A way to break a template.

    Attributes:
        fault: name of the fault, in one to three words.
        breaks: the fault in a line.
        expected: ids of rules, at least one of which must notice.
        apply: yields the edits of each mutant of a target, always in the same order.
        obfuscation: name of the obfuscation; empty where the fault is in plain sight.
        doubtful: whether no template can tell that it is a fault, so that UNKNOWN is right.
    """

    fault: str
    breaks: str
    expected: tuple[str, ...]
    apply: Callable[[MutationTarget], Iterator[Break]]
    obfuscation: str = ""
    doubtful: bool = False

    @property
    def name(self) -> str:
        """Fault and obfuscation, joined by a hyphen; the name that `--operator` takes."""
        return f"{self.fault}-{self.obfuscation}" if self.obfuscation else self.fault
