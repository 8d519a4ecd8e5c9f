"""A gap: what a target lacks of AWS, and what stands in for it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gap:
    """One difference between a target and AWS, shown in every report.

    `stand_in` is None where nothing stands in: then the smoke cannot see that part of the system on
    this target, and says so.
    """

    name: str
    lacks: str
    stand_in: str | None
