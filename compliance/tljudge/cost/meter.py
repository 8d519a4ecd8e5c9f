"""One resource and the price file: its charges, each with a price or why there is none."""

from dataclasses import dataclass, replace

from tljudge.data.prices import HOURS_A_MONTH, Price, Prices
from tljudge.engine.cost_policy import CostPolicy, Usage
from tljudge.resolve.deployment import Resource
from tljudge.resolve.quantities import NotKnown, Quantity, amount
from tljudge.resolve.values import Value

ALWAYS, RUNNING, USED, GROWN = "always", "running", "used", "grown"
"""While it exists; while an instance runs; while somebody uses it; while a group is at its most."""
HOUR, MONTH, EITHER = "hour", "month", "hour or month"


@dataclass(frozen=True, slots=True)
class Charge:
    """One thing that is billed.

    Attributes:
        what: for a person: `30 GiB gp3`.
        when: `always`, `running`, `used` or `grown`.
        per: what `usd` is for: `hour`, `month`, or nobody knows which.
        usd: the amount; None where it is not known, and `why` says why.
        prices: the lines it was computed from.
    """

    what: str
    when: str
    per: str
    usd: float | None
    why: str = ""
    prices: tuple[Price, ...] = ()

    def times(self, count: float, what: str) -> "Charge":
        """The same, so many times."""
        return replace(self, what=what, usd=None if self.usd is None else self.usd * count)

    def hourly(self) -> float:
        """USD for an hour; what is not known counts as nothing."""
        return (self.usd or 0.0) / (1 if self.per == HOUR else HOURS_A_MONTH)


@dataclass(frozen=True, slots=True)
class Meter:
    """What prices one resource in one scenario."""

    resource: Resource
    policy: CostPolicy
    prices: Prices
    usage: Usage

    def get(self, name: str) -> Value:
        """A property, `NOVALUE` where it is not there."""
        return self.resource.get(name)

    def price(self, unit: str, item: str) -> Price | NotKnown:
        """A line of the price file."""
        found = self.prices.of(self.policy.region, unit, item)
        if found is None:
            return NotKnown(f"no price for {item} in {self.policy.region}")
        return found

    def charge(
        self,
        what: str,
        *parts: tuple[str, str, Quantity],
        per: str = MONTH,
        when: str = ALWAYS,
    ) -> Charge:
        """One charge of several parts: unit and item of a price line, and how many of it."""
        usd, used = 0.0, []
        for unit, item, count in parts:
            price = self.price(unit, item)
            if isinstance(count, NotKnown):
                return unpriced(what, per, when, count.why)
            if isinstance(price, NotKnown):
                return unpriced(what, per, when, price.why)
            usd += price.usd * count
            used.append(price)
        return Charge(what, when, per, usd, "", tuple(dict.fromkeys(used)))

    def hourly(self, what: str, item: str, count: Quantity = 1.0, *, when: str = ALWAYS) -> Charge:
        """So many of what bills by the hour."""
        return self.charge(what, ("hour", item, count), per=HOUR, when=when)

    def monthly(self, what: str, item: str, count: Quantity = 1.0, *, when: str = ALWAYS) -> Charge:
        """So many of what bills by the month."""
        return self.charge(what, ("month", item, count), when=when)

    def stored(self, what: str, item: str) -> Charge:
        """What is assumed to lie in it."""
        held = self.usage.stored_gb
        return self.charge(f"{amount(held)} GB {what}", ("gb_month", item, held))

    def metrics(self, count: float, when: str) -> Charge:
        """Custom metrics; they bill by the hour in which they are sent."""
        one = self.monthly("", "metric", count, when=when)
        shown = f"{amount(count)} custom metric{'s' if count != 1 else ''}"
        return replace(one, what=shown, per=HOUR).times(1 / HOURS_A_MONTH, shown)


def unpriced(what: str, per: str, when: str, reason: str) -> Charge:
    """A charge whose amount nobody knows."""
    return Charge(what, when, per, None, reason)
