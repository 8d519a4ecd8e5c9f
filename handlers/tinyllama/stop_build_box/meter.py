"""The arithmetic of our own meter: what ran, for how long, at which price. Pure.

AWS knows what was spent 8 to 24 hours late; this is minutes old. Each sample counts what ran since
the one before: a machine from its start or from that sample, until now or until its end. Where EC2
does not say when a machine ended, it counts until now. So nothing is missed, a machine that ended
is counted for less than one interval too much, and nothing is counted twice: the next sample begins
where the last one that was written ended.
"""

from calendar import timegm
from collections.abc import Sequence
from dataclasses import dataclass
from time import gmtime, strftime
from typing import Literal

HOUR_S = 3600
TICK_S = 300
"""MeterRule in guard.yaml."""
KILL_AT = 1.05
WARN_AT = 0.75

Verdict = Literal["kill", "warn", "fine"]


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that runs or ran.

    Attributes:
        usd_hour: its price with its public address.
        launched_s: its last start.
        ended_s: its end; None while it runs, infinite where that is not told.
        ran_before: whether it ran at the last sample.
    """

    usd_hour: float
    launched_s: float
    ended_s: float | None = None
    ran_before: bool = False


@dataclass(frozen=True, slots=True)
class Sight:
    """What a sample sees: machines, also ended ones, and what has no start, in USD an hour."""

    machines: Sequence[Machine]
    steady_usd_hour: float


def month_of(now_s: float) -> str:
    """The month in UTC, as bills have it: `2026-11`."""
    return strftime("%Y-%m", gmtime(now_s))


def is_first_day(now_s: float) -> bool:
    """Whether it is the first of a month in UTC, when AWS may still tell the last one's sum."""
    return gmtime(now_s).tm_mday == 1


def month_began(now_s: float) -> int:
    """When the month of `now_s` began, in seconds since the epoch."""
    moment = gmtime(now_s)
    return timegm((moment.tm_year, moment.tm_mon, 1, 0, 0, 0, 0, 0, 0))


def spent_since(sampled_s: float | None, now_s: float, sight: Sight) -> float:
    """What the month's spend has grown by since the last sample, in USD; never negative.

    Args:
        sampled_s: the last sample, also one of the month before; None before the first sample ever,
            when the stack is some minutes old: machines count from their start, the rest not yet.
        now_s: this sample.
        sight: what runs now.
    """
    began = month_began(now_s)
    from_s = began if sampled_s is None else max(sampled_s, began)
    usd = sum(
        machine.usd_hour * _ran_s(machine, from_s, now_s) / HOUR_S for machine in sight.machines
    )
    if sampled_s is not None:
        usd += sight.steady_usd_hour * max(0.0, now_s - from_s) / HOUR_S
    return usd


def _ran_s(machine: Machine, from_s: float, now_s: float) -> float:
    """How long a machine ran in an interval, in seconds."""
    if machine.ended_s is not None and not machine.ran_before and machine.launched_s < from_s:
        return 0.0  # it ended before the interval
    # A machine that was stopped and started in between tells its last start alone.
    start_s = from_s if machine.ran_before else max(from_s, machine.launched_s)
    end_s = now_s if machine.ended_s is None else min(now_s, machine.ended_s)
    return max(0.0, end_s - start_s)


def limit_usd(budget_usd: float, until_usd: float | None) -> float:
    """At how many USD the killer acts: 105 % of the budget, or as far as a lift allowed to go."""
    return max(round(budget_usd * KILL_AT, 2), until_usd or 0.0)


def verdict(spent_usd: float, *, budget_usd: float, until_usd: float | None = None) -> Verdict:
    """What the month's spend asks for."""
    if spent_usd >= limit_usd(budget_usd, until_usd):
        return "kill"
    return "warn" if spent_usd >= budget_usd * WARN_AT else "fine"


def is_mute_for_hours(sampled_s: float | None, now_s: float) -> bool:
    """Whether nothing was counted for an hour or more; true for one tick of each hour."""
    if sampled_s is None or now_s - sampled_s < HOUR_S:
        return False
    return (now_s - sampled_s) % HOUR_S < TICK_S


def is_overdue(launched_s: float, now_s: float, *, most_s: float) -> bool:
    """Whether a machine has run for longer than it may."""
    return now_s - launched_s > most_s
