"""Sums beside their ceilings, in every combination: the work behind TL_COST_1."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tljudge.cost.bill import Bill, Line, belongs, bill, charges
from tljudge.cost.meter import ALWAYS, RUNNING
from tljudge.data.prices import HOURS_A_MONTH, Prices, load
from tljudge.engine.cost_policy import Ceiling, Component, CostPolicy
from tljudge.engine.policy import Policy
from tljudge.engine.rule import Verdict, fail, unknown
from tljudge.resolve.assertions import forbidden
from tljudge.resolve.deployment import Deployment, Resource
from tljudge.resolve.scenarios import Choices, TooMany, Unreachable, explore

# Resources priced to find the dearest scenario of one deployment: about a second's work.
_MAX_PRICED = 20_000
_SHOWN = 4
_NOTE = "cost"


@dataclass(slots=True)
class Survey:
    """What all scenarios of one deployment have in common.

    Attributes:
        sums: what passes its ceiling in some scenario, by the resource it is a finding of.
        idle: component to what it costs in its dearest idle month, by resource.
        anchor: where a finding goes that is about no resource.
        complete: whether every scenario was looked at.
    """

    sums: dict[Resource, list["Sum"]] = field(default_factory=dict)
    idle: dict[str, dict[Resource, float]] = field(default_factory=dict)
    anchor: Resource | None = None
    complete: bool = True


def judged(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the price of one resource, and the sums where it has the largest share.

    A sum is a finding of the resource that costs most; its parts are listed.
    """
    cost = policy.cost
    prices = load(cost.prices)
    yield from _unpriced(resource, cost, prices)
    survey = _survey(resource.deployment, policy, prices)
    if resource is survey.anchor:
        if complaint := prices.complaint(policy.today):
            yield unknown(complaint, resource.mark)
        if not survey.complete:
            yield unknown("too many combinations to price: not all were", resource.mark)
    if resource in survey.sums:
        found = survey.sums[resource]
        if survey.complete:  # once more, so that the finding names the combination
            again = _sums(bill(resource.deployment, cost, prices), cost, prices, survey)
            found = [one for one in again if one.dearest() is resource]
        for one in found:
            yield fail(one.message(), resource.mark)


def _unpriced(resource: Resource, cost: CostPolicy, prices: Prices) -> Iterator[Verdict]:
    uses = cost.active_hour is not None or bool(cost.components)
    for charge in charges(resource, cost, prices):
        if charge.usd is None and (uses or charge.when in (ALWAYS, RUNNING)):
            yield unknown(f"what {charge.what} costs is not known: {charge.why}", resource.mark)


def _survey(deployment: Deployment, policy: Policy, prices: Prices) -> Survey:
    """Every scenario once, however many resources ask."""
    known = deployment.notes.get("survey")
    if isinstance(known, Survey):
        return known
    found = deployment.notes["survey"] = Survey()
    count = sum(len(stack.resources) for stack in deployment.stacks)
    cap = max(8, min(policy.scenario_cap, _MAX_PRICED // max(1, count)))
    before, bills = deployment.choices, []
    try:
        for choices in explore(Choices(), cap):
            deployment.choices = choices
            try:
                one = bill(deployment, policy.cost, prices)
            except Unreachable:
                continue
            if not forbidden(deployment):
                bills.append(one)
    except TooMany:
        found.complete = False
    finally:
        deployment.choices = before
    for one in bills:
        for part in policy.cost.components if not one.on else ():
            parts = {line.resource: line.idle_month_usd for line in _of(one, part, policy.cost)}
            if sum(parts.values()) >= sum(found.idle.get(part.name, {}).values()):
                found.idle[part.name] = parts
    for one in bills:
        if one.lines and found.anchor is None:
            found.anchor = min((line.resource for line in one.lines), key=_name)
        for over in _sums(one, policy.cost, prices, found):
            found.sums.setdefault(over.dearest(), []).append(over)
    return found


def _name(resource: Resource) -> tuple[str, str]:
    """A mapping has no order, so that equals are told apart by this."""
    return resource.stack.path, resource.id


def _of(found: Bill, part: Component, cost: CostPolicy) -> Iterator[Line]:
    for line in found.lines:
        if belongs(line.resource, part.name, part.resources, cost):
            yield line


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum that passes its ceiling."""

    what: str
    total_usd: float
    ceiling: Ceiling
    ceiling_usd: float
    parts: tuple[tuple[float, Resource], ...]

    def dearest(self) -> Resource:
        """The resource with the largest share, the first by name of equals."""
        return min(self.parts, key=lambda part: (-part[0], *_name(part[1])))[1]

    def message(self) -> str:
        """The sum, the ceiling and the largest parts."""
        parts = sorted(self.parts, key=lambda part: (-part[0], *_name(part[1])))
        shown = ", ".join(f"{usd:.2f} {one.id}" for usd, one in parts[:_SHOWN])
        rest = len(parts) - _SHOWN
        more = f" and {rest} more" if rest > 0 else ""
        limit = f"{self.ceiling_usd:.2f}"
        if self.ceiling.currency != "USD":
            limit += f" ({self.ceiling.amount:g} {self.ceiling.currency})"
        return f"{self.what} costs {self.total_usd:.2f} USD, over {limit}: {shown}{more}"


def _sums(found: Bill, cost: CostPolicy, prices: Prices, survey: Survey) -> Iterator[Sum]:
    hours, rate = cost.usage.active_hours_month, prices.usd_per_eur.usd
    idle = {line.resource: line.idle_month_usd for line in found.lines}
    active = {line.resource: line.active_hour_usd(hours) for line in found.lines}
    if cost.idle_month and not found.on:
        yield from _over("an idle month", idle, cost.idle_month, rate)
    if cost.active_hour and found.on is not False:
        yield from _over("an active hour", active, cost.active_hour, rate)
    for part in cost.components:
        mine = [line.resource for line in _of(found, part, cost)]
        still = {one: idle[one] for one in mine} if not found.on else survey.idle.get(part.name, {})
        month = {one: still.get(one, 0.0) * (1 - hours / HOURS_A_MONTH) for one in (*mine, *still)}
        if found.on is not False:
            for one in mine:
                month[one] += active[one] * hours
        yield from _over(f"a month of {part.name}", month, part.month, rate)


def _over(what: str, parts: dict[Resource, float], ceiling: Ceiling, rate: float) -> Iterator[Sum]:
    total, limit = sum(parts.values()), ceiling.usd(rate)
    billing = tuple((usd, one) for one, usd in parts.items() if usd > 0)
    if total > limit and billing:
        yield Sum(what, total, ceiling, limit, billing)
