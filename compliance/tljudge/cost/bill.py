"""What a deployment costs in one scenario: a month while nobody asks, an hour while it works.

Idle is the scenario without the on-demand part, nobody asking, and what the policy names as stopped
standing still; only schedules go on. An active hour has the on-demand part, everything running, and
the use that the policy assumes. Traffic, surplus processor credits, taxes and support are not
counted, and free tiers are not deducted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tljudge.cost.meter import ALWAYS, EITHER, HOUR, MONTH, RUNNING, USED, Charge, Meter, unpriced
from tljudge.cost.services import CHARGED
from tljudge.data.prices import HOURS_A_MONTH, Prices
from tljudge.decode.nodes import as_text
from tljudge.engine.cost_policy import CostPolicy
from tljudge.resolve.deployment import NESTED, Deployment, Resource, Stack
from tljudge.resolve.values import Text, Unknown
from tljudge.resources.tags import own

NOT_COUNTED = "traffic, surplus processor credits, taxes and support"


@dataclass(frozen=True, slots=True)
class Line:
    """One resource of the bill; `stopped` says that the policy has it stand still while idle."""

    resource: Resource
    charges: tuple[Charge, ...]
    stopped: bool

    @property
    def idle_month_usd(self) -> float:
        """USD for a month in which nobody asks; what is not known counts as nothing."""
        when = (ALWAYS,) if self.stopped else (ALWAYS, RUNNING)
        return sum(c.hourly() for c in self.charges if c.when in when) * HOURS_A_MONTH

    def active_hour_usd(self, active_hours_month: float) -> float:
        """USD for an hour of the assumed use; what is not known counts as nothing."""
        found = 0.0
        for charge in self.charges:
            if charge.when == USED and charge.per == MONTH:
                found += (charge.usd or 0.0) / active_hours_month
            else:
                found += charge.hourly()
        return found


@dataclass(frozen=True, slots=True)
class Bill:
    """What one scenario has and bills; `on` is None where nothing is on demand."""

    on: bool | None
    lines: tuple[Line, ...]


def charges(resource: Resource, policy: CostPolicy, prices: Prices) -> tuple[Charge, ...]:
    """What a resource is charged for; nothing where it is known to be free."""
    deployment = resource.deployment
    key = ("charges", resource.stack.path, resource.id)
    found: tuple[Charge, ...] = deployment.get_or_compute(
        key, lambda: tuple(_charges(resource, policy, prices))
    )
    return found


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
            yield unpriced("nested stack", EITHER, ALWAYS, "its template is not followed")
        return
    bills = prices.kind(kind)
    if bills == "by_hour":
        yield unpriced("by the hour", HOUR, ALWAYS, "its price is not in the price file")
    elif bills == "by_use":
        yield unpriced("by use", MONTH, USED, "its price is not in the price file")
    elif bills is None:
        yield unpriced("it", EITHER, ALWAYS, f"no list says what {kind} bills")


def bill(deployment: Deployment, policy: CostPolicy, prices: Prices) -> Bill:
    """The bill of the scenario that the deployment is in."""
    still = {one.resource for one in policy.stopped}
    lines = tuple(
        Line(resource, found, resource.id in still)
        for stack in deployment.stacks
        for resource in stack.resources.values()
        if resource.exists() and (found := charges(resource, policy, prices))
    )
    return Bill(is_on(deployment, policy.on_demand), lines)


def is_on(deployment: Deployment, on_demand: str) -> bool | None:
    """Whether the on-demand part is there in this scenario; None where no template has the switch.

    The outermost stack that has it decides: those below get it from above.
    """
    name, _, value = on_demand.partition("=")
    found: bool | None = None
    for stack in deployment.stacks:
        declared = stack.template.parameters if value else stack.template.conditions
        if not on_demand or name not in declared:
            continue
        if stack.parent is None:
            return _holds(stack, name, value)
        if stack.exists():
            found = bool(found) or _holds(stack, name, value)
    return found


def _holds(stack: Stack, name: str, value: str) -> bool:
    if not value:
        return stack.condition(name)
    given = stack.parameter(name)
    return not isinstance(given, Unknown | Text) and as_text(given) == value


def component(resource: Resource, policy: CostPolicy) -> str:
    """The value of the component tag: the resource's own, else that of a stack above it."""
    stack: Stack | None = resource.stack
    here: Resource | None = resource
    while here is not None:
        for tag in own(here).found:
            if tag.key == policy.component_tag and isinstance(tag.value, str):
                return tag.value
        above = stack.parent if stack is not None else None
        here = above.resources[stack.parent_id] if above is not None and stack is not None else None
        stack = above
    value = resource.deployment.tags.get(policy.component_tag, "")
    return as_text(value) if isinstance(value, str | int | float) else ""


def belongs(resource: Resource, name: str, patterns: tuple[str, ...], policy: CostPolicy) -> bool:
    """Whether a resource is part of a component of the policy."""
    if patterns:
        return any(fnmatchcase(resource.id, pattern) for pattern in patterns)
    return component(resource, policy) == name
