"""The bill of a deployment in a scenario: an idle month, and an active hour.

Idle: the on-demand part is off, there are no requests, and the instances that the policy lists as
stopped are off; schedules still run. Active: the on-demand part is on, every instance runs, and the
policy's assumed use happens. Traffic, surplus processor credits, taxes and support are not counted.
Of free tiers only what the policy calls always free is deducted, from the first lines that have it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from tljudge.cost.meter import ALWAYS, EITHER, HOUR, MONTH, RUNNING, USED, Charge, Meter, unpriced
from tljudge.cost.services import CHARGED
from tljudge.data.prices import HOURS_A_MONTH, Prices
from tljudge.decode.nodes import as_text
from tljudge.engine.cost_policy import CostPolicy
from tljudge.resolve.deployment import NESTED, Deployment, Resource, Stack
from tljudge.resolve.quantities import amount
from tljudge.resolve.values import Text, Unknown
from tljudge.resources.tags import own

NOT_COUNTED = "traffic, surplus processor credits, taxes and support"


@dataclass(frozen=True, slots=True)
class Line:
    """The charges of a resource; `stopped` is true if the policy lists it as stopped while idle."""

    resource: Resource
    charges: tuple[Charge, ...]
    stopped: bool

    @property
    def idle_month_usd(self) -> float:
        """USD for an idle month; unknown charges count as 0."""
        when = (ALWAYS,) if self.stopped else (ALWAYS, RUNNING)
        return sum(c.hourly() for c in self.charges if c.when in when) * HOURS_A_MONTH

    def active_hour_usd(self, active_hours_month: float) -> float:
        """USD for an hour of the assumed use; unknown charges count as 0."""
        total = 0.0
        for charge in self.charges:
            if charge.when == USED and charge.per == MONTH:
                total += (charge.usd or 0.0) / active_hours_month
            else:
                total += charge.hourly()
        return total


@dataclass(frozen=True, slots=True)
class Bill:
    """The bill of a scenario.

    Attributes:
        on: whether the on-demand part is on; None if no template has the switch.
        lines: the resources that bill.
    """

    on: bool | None
    lines: tuple[Line, ...]


def charges(resource: Resource, policy: CostPolicy, prices: Prices) -> tuple[Charge, ...]:
    """The charges of a resource; empty if it is known to be free."""
    deployment = resource.deployment
    key = ("charges", resource.stack.path, resource.id)
    charged: tuple[Charge, ...] = deployment.get_or_compute(
        key, lambda: tuple(_charges(resource, policy, prices))
    )
    return charged


def _charges(resource: Resource, policy: CostPolicy, prices: Prices) -> Iterator[Charge]:
    kind = resource.type
    if any(fnmatchcase(kind, free) for free, _ in policy.free):
        return
    priced = CHARGED.get(kind)
    if priced is not None:
        yield from priced(Meter(resource, policy, prices, policy.usage_for(resource.id)))
        return
    if kind == NESTED:
        if resource.id not in resource.stack.children:
            yield unpriced("nested stack", EITHER, ALWAYS, "its template is not a local file")
        return
    bills = prices.kind(kind)
    if bills == "by_hour":
        yield unpriced("by the hour", HOUR, ALWAYS, "its price is not in the price file")
    elif bills == "by_use":
        yield unpriced("by use", MONTH, USED, "its price is not in the price file")
    elif bills is None:
        yield unpriced("it", EITHER, ALWAYS, f"the price file does not list {kind}")


def bill(deployment: Deployment, policy: CostPolicy, prices: Prices) -> Bill:
    """The bill of the deployment's current scenario."""
    stopped = {instance.resource for instance in policy.stopped}
    lines = tuple(
        Line(resource, charged, resource.id in stopped)
        for stack in deployment.stacks
        for resource in stack.resources.values()
        if resource.exists() and (charged := charges(resource, policy, prices))
    )
    return Bill(is_on(deployment, policy.on_demand), tuple(_deducted(lines, policy)))


def _deducted(lines: tuple[Line, ...], policy: CostPolicy) -> Iterator[Line]:
    """The lines, less what the account has without charge."""
    left = dict(policy.always_free)
    for line in lines:
        yield replace(line, charges=tuple(_less(charge, left) for charge in line.charges))


def _less(charge: Charge, left: dict[str, float]) -> Charge:
    """A charge without its free part, which is taken from `left`."""
    if charge.counted is None or charge.usd is None:
        return charge
    item, count = charge.counted
    free = min(left.get(item, 0.0), count)
    if not free:
        return charge
    left[item] -= free
    return replace(
        charge, what=f"{charge.what}, {amount(free)} free", usd=charge.usd * (1 - free / count)
    )


def is_on(deployment: Deployment, on_demand: str) -> bool | None:
    """Whether the on-demand part is on in this scenario; None if no template has the switch.

    The outermost stack with the switch decides, because it passes the value to nested stacks.
    """
    name, _, value = on_demand.partition("=")
    on: bool | None = None
    for stack in deployment.stacks:
        declared = stack.template.parameters if value else stack.template.conditions
        if not on_demand or name not in declared:
            continue
        if stack.parent is None:
            return _holds(stack, name, value)
        if stack.exists():
            on = bool(on) or _holds(stack, name, value)
    return on


def _holds(stack: Stack, name: str, value: str) -> bool:
    if not value:
        return stack.condition(name)
    given = stack.parameter(name)
    return not isinstance(given, Unknown | Text) and as_text(given) == value


def component(resource: Resource, policy: CostPolicy) -> str:
    """The value of the component tag: from the resource, else from a stack above, else empty."""
    stack: Stack | None = resource.stack
    current: Resource | None = resource
    while current is not None:
        for tag in own(current).found:
            if tag.key == policy.component_tag and isinstance(tag.value, str):
                return tag.value
        above = stack.parent if stack is not None else None
        current = (
            above.resources[stack.parent_id] if above is not None and stack is not None else None
        )
        stack = above
    value = resource.deployment.tags.get(policy.component_tag, "")
    return as_text(value) if isinstance(value, str | int | float) else ""


def belongs(resource: Resource, name: str, patterns: tuple[str, ...], policy: CostPolicy) -> bool:
    """Whether a resource belongs to a component, by patterns of logical ids or by its tag."""
    if patterns:
        return any(fnmatchcase(resource.id, pattern) for pattern in patterns)
    return component(resource, policy) == name
