"""Mutants that break nothing, each argued for by name; a pattern would argue for those to come.

There is none: where a fault would be none, the operator does not apply, and says why.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Equivalent:
    """One mutant that is no violation, and why. It must be a survivor, or the run fails.

    Attributes:
        operator: its name.
        file: from the root of the project.
        resource: logical id.
        place: the property, as the report names it.
        reason: why nothing is broken.
    """

    operator: str
    file: str
    resource: str
    place: str
    reason: str

    def is_about(self, file: str) -> bool:
        """Whether a file as the user named it is this one."""
        return file == self.file or file.endswith(f"/{self.file}")


EQUIVALENT: tuple[Equivalent, ...] = ()
