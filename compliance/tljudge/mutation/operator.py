"""What an operator is: one way to break a template, and the rules that should notice."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tljudge.mutation.edits import Break
from tljudge.mutation.target import MutationTarget


@dataclass(frozen=True, slots=True)
class Operator:
    """One way to break one thing.

    Attributes:
        fault: what is broken, in a word or three.
        breaks: the same in a line.
        expected: rules of which one at least should notice.
        apply: each break it makes of a template, in an order that never changes.
        obfuscation: how the fault is hidden, where it is.
        doubtful: whether nobody can know that it is a fault, so that UNKNOWN is the right answer.
    """

    fault: str
    breaks: str
    expected: tuple[str, ...]
    apply: Callable[[MutationTarget], Iterator[Break]]
    obfuscation: str = ""
    doubtful: bool = False

    @property
    def name(self) -> str:
        """Fault and obfuscation."""
        return f"{self.fault}-{self.obfuscation}" if self.obfuscation else self.fault
