"""Equivalent mutants: survivors that break nothing, each listed by name with the reason.

A pattern would also excuse mutants that do not exist yet. The list is empty: an operator does not
apply where its edit would break nothing.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Equivalent:
    """A mutant that violates no rule, and why. It must survive, or the run fails.

    Attributes:
        operator: name of the operator.
        file: path from the root of the project.
        resource: logical id.
        place: the property, as the report names it.
        reason: why the mutant breaks nothing.
    """

    operator: str
    file: str
    resource: str
    place: str
    reason: str

    def is_about(self, file: str) -> bool:
        """Whether the user's path `file` names this file."""
        return file == self.file or file.endswith(f"/{self.file}")


EQUIVALENT: tuple[Equivalent, ...] = ()
