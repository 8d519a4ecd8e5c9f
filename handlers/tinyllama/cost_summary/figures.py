"""The figures of one morning, and what follows from them; no I/O.

A figure that AWS does not tell is absent with its reason, and never 0: an idle stack costs some
cents a day, so the 0 that AWS Budgets reports before it has data is no figure either. All days are
UTC days, as the bill counts them; at 07:00 in Berlin it is the same day in UTC.
"""

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal, NamedTuple

WARNING_RATIO: Final = Decimal("0.9")
"""Of the month's amount: 18 of 20 USD (OPS-003)."""
_DAY_S: Final = 86_400


class Absent(StrEnum):
    """The reason why there is no figure, as the mail says it."""

    NOT_YET = "not known yet"
    DENIED = "not known: AWS denied the look"
    MISSING = "not known: no such budget"
    FAILED = "not known: AWS gave no answer"


Figure = Decimal | Absent
"""An amount in USD, or why there is none."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a service of AWS has cost in this month."""

    name: str
    usd: Figure


@dataclass(frozen=True, slots=True)
class Meter:
    """The stack's own estimate of this month, from prices and hours, and when it was made."""

    usd: Decimal
    sampled_at: datetime


@dataclass(frozen=True, slots=True)
class Latch:
    """Since when the budget killer keeps the node off, and what it saw."""

    since: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known on the morning of `today`; `last_month` is asked for on the first day alone."""

    stack: str
    today: date
    amount_usd: Decimal
    yesterday: Figure
    month: Figure
    forecast: Figure
    services: tuple[Service, ...]
    last_month: Figure | None = None
    meter: Meter | None = None
    latch: Latch | None = None


Source = Literal["forecast", "late forecast", "bill", "meter", "spent"]
"""Where a projection comes from: AWS's forecast; the same, and what the own estimate is ahead of
the bill; bill or own estimate, the greater one, spread evenly over the month; or what is spent
already, which is more than those."""


class Projection(NamedTuple):
    """The amount in USD that the month is expected to end with."""

    usd: Decimal
    source: Source


class Spent(NamedTuple):
    """The amount in USD that this month has cost so far; an estimate if no bill tells it."""

    usd: Decimal
    is_estimate: bool


def spent(figures: Figures) -> Spent | None:
    """What the bill says, else what the meter says; None if neither says anything."""
    if isinstance(figures.month, Decimal):
        return Spent(figures.month, is_estimate=False)
    if figures.meter is not None:
        return Spent(figures.meter.usd, is_estimate=True)
    return None


def projection(figures: Figures) -> Projection | None:
    """The projection, at least what is spent already by bill or meter; None if nobody can tell.

    Nothing is spread over the month before its first day is over: five hours say nothing of it.
    """
    found = _expected(figures)
    most = max(_so_far(figures), default=None)
    if most is None or (found is not None and found.usd >= most):
        return found
    if found is None and most < figures.amount_usd * WARNING_RATIO:
        return None
    return Projection(most, "spent")


def is_warning(figures: Figures) -> bool:
    """Whether the month is expected to come near its amount, or the node is kept off."""
    expected = projection(figures)
    is_near = expected is not None and expected.usd >= figures.amount_usd * WARNING_RATIO
    return is_near or figures.latch is not None


def top_services(figures: Figures, count: int = 3) -> list[tuple[str, Decimal]]:
    """The services with the greatest figures, the greatest first; equal ones by name."""
    known = [(one.name, one.usd) for one in figures.services if isinstance(one.usd, Decimal)]
    return sorted(known, key=lambda row: (-row[1], row[0]))[:count]


def yesterday_of(today: date) -> date:
    """The day before, which on the first belongs to last month."""
    return today - timedelta(days=1)


def _expected(figures: Figures) -> Projection | None:
    if isinstance(figures.forecast, Decimal):
        ahead = _ahead(figures)
        return Projection(figures.forecast + ahead, "late forecast" if ahead else "forecast")
    found = []
    if isinstance(figures.month, Decimal):
        morning = datetime(figures.today.year, figures.today.month, figures.today.day, tzinfo=UTC)
        found.append(_spread(figures.month, morning, "bill"))
    if figures.meter is not None:
        found.append(_spread(figures.meter.usd, figures.meter.sampled_at, "meter"))
    return max((one for one in found if one is not None), default=None)


def _ahead(figures: Figures) -> Decimal:
    """What was spent and the bill does not say yet, because it lags by up to a day."""
    if figures.meter is None or not isinstance(figures.month, Decimal):
        return Decimal(0)
    return max(Decimal(0), figures.meter.usd - figures.month)


def _spread(usd: Decimal, until: datetime, source: Source) -> Projection | None:
    """What the whole month costs if it goes on as until this moment."""
    begin = datetime(until.year, until.month, 1, tzinfo=UTC)
    elapsed_s = int((until - begin).total_seconds())
    if elapsed_s < _DAY_S:
        return None
    _, days = calendar.monthrange(until.year, until.month)
    return Projection(usd * days * _DAY_S / elapsed_s, source)


def _so_far(figures: Figures) -> list[Decimal]:
    found = [figures.month] if isinstance(figures.month, Decimal) else []
    return found + ([figures.meter.usd] if figures.meter is not None else [])
