"""A gap: a part of AWS that a target lacks, and its stand-in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gap:
    """One difference between a target and AWS, shown in every report.

    `stand_in` is None where nothing stands in; the smoke then cannot test that part of the system
    on this target.
    """

    name: str
    lacks: str
    stand_in: str | None
