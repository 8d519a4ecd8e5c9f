"""Price a resource by the price file: each charge has an amount, or a reason why not."""

from dataclasses import dataclass, replace

from tljudge.data.prices import HOURS_A_MONTH, Price, Prices
from tljudge.engine.cost_policy import CostPolicy, Usage
from tljudge.resolve.deployment import Resource
from tljudge.resolve.quantities import Quantity, UnknownQuantity, amount
from tljudge.resolve.values import Value

ALWAYS, RUNNING, USED, GROWN = "always", "running", "used", "grown"
"""When a charge applies: while the resource exists; while an instance runs; while the resource is
used; while an Auto Scaling group is at its maximum."""
HOUR, MONTH, EITHER = "hour", "month", "hour or month"


@dataclass(frozen=True, slots=True)
class Charge:
    """An item of a bill.

    Attributes:
        what: its name in messages, such as `30 GiB gp3`.
        when: `always`, `running`, `used` or `grown`.
        per: the period of `usd`: `hour`, `month`, or `hour or month` if unknown.
        usd: the amount in USD; None if unknown.
        why: the reason why the amount is unknown; else empty.
        prices: the lines of the price file that it was computed from.
        counted: the item and how many of it, if it bills whole items by the month.
    """

    what: str
    when: str
    per: str
    usd: float | None
    why: str = ""
    prices: tuple[Price, ...] = ()
    counted: tuple[str, float] | None = None

    def times(self, count: float, what: str) -> "Charge":
        """The charge for `count` of the same, under another name."""
        return replace(self, what=what, usd=None if self.usd is None else self.usd * count)

    def hourly(self) -> float:
        """USD for an hour; an unknown amount counts as 0."""
        return (self.usd or 0.0) / (1 if self.per == HOUR else HOURS_A_MONTH)


@dataclass(frozen=True, slots=True)
class Meter:
    """Prices the charges of a resource in a scenario."""

    resource: Resource
    policy: CostPolicy
    prices: Prices
    usage: Usage

    def get(self, name: str) -> Value:
        """The value of a property; `NOVALUE` if it is absent."""
        return self.resource.get(name)

    def price(self, unit: str, item: str) -> Price | UnknownQuantity:
        """The line of the price file for a unit and an item, or the reason why there is none."""
        line = self.prices.of(self.policy.region, unit, item)
        if line is None:
            return UnknownQuantity(f"no price for {item} in {self.policy.region}")
        return line

    def charge(
        self,
        what: str,
        *parts: tuple[str, str, Quantity],
        per: str = MONTH,
        when: str = ALWAYS,
    ) -> Charge:
        """A charge that adds several parts: unit and item of a price line, and the count."""
        usd, used = 0.0, []
        for unit, item, count in parts:
            price = self.price(unit, item)
            if isinstance(count, UnknownQuantity):
                return unpriced(what, per, when, count.why)
            if isinstance(price, UnknownQuantity):
                return unpriced(what, per, when, price.why)
            usd += price.usd * count
            used.append(price)
        return Charge(what, when, per, usd, "", tuple(dict.fromkeys(used)))

    def hourly(self, what: str, item: str, count: Quantity = 1.0, *, when: str = ALWAYS) -> Charge:
        """A charge for `count` items that bill by the hour."""
        return self.charge(what, ("hour", item, count), per=HOUR, when=when)

    def monthly(self, what: str, item: str, count: Quantity = 1.0, *, when: str = ALWAYS) -> Charge:
        """A charge for `count` items that bill by the month."""
        charge = self.charge(what, ("month", item, count), when=when)
        if isinstance(count, UnknownQuantity):
            return charge
        return replace(charge, counted=(item, count))

    def stored(self, what: str, item: str) -> Charge:
        """A charge for the assumed content, in GB for a month."""
        held = self.usage.stored_gb
        return self.charge(f"{amount(held)} GB {what}", ("gb_month", item, held))

    def metrics(self, count: float, when: str) -> Charge:
        """A charge for custom metrics, which bill by the hour in which they are sent."""
        monthly = self.monthly("", "metric", count, when=when)
        label = f"{amount(count)} custom metric{'s' if count != 1 else ''}"
        return replace(monthly, what=label, per=HOUR).times(1 / HOURS_A_MONTH, label)


def unpriced(what: str, per: str, when: str, reason: str) -> Charge:
    """A charge of unknown amount, with the reason."""
    return Charge(what, when, per, None, reason)
