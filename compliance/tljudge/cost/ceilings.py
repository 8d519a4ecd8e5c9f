"""Compare the costs of every scenario with the policy's ceilings, for TL_COST_1."""

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

# Maximum of resources times scenarios that are priced for a deployment: about a second of work.
_MAX_PRICED = 20_000
_LISTED = 4
_NOTE = "cost"


@dataclass(slots=True)
class Survey:
    """Results over all scenarios of a deployment.

    Attributes:
        sums: sums over their ceiling in some scenario, by the most expensive resource.
        idle: component name to USD by resource, in its most expensive idle month.
        anchor: the resource that carries findings about the whole deployment.
        complete: whether every scenario was priced.
    """

    sums: dict[Resource, list["Sum"]] = field(default_factory=dict)
    idle: dict[str, dict[Resource, float]] = field(default_factory=dict)
    anchor: Resource | None = None
    complete: bool = True


def judged(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the charges of a resource, and the sums of which it is the most expensive part.

    A sum over its ceiling is a finding on its most expensive resource, and lists its parts.
    """
    cost = policy.cost
    prices = load(cost.prices)
    yield from _unpriced(resource, cost, prices)
    survey = _survey(resource.deployment, policy, prices)
    if resource is survey.anchor:
        if complaint := prices.complaint(policy.today):
            yield unknown(complaint, resource.mark)
        if not survey.complete:
            yield unknown("too many combinations of parameters: not all were priced", resource.mark)
    if resource in survey.sums:
        sums = survey.sums[resource]
        if survey.complete:  # sum this scenario again, so that the finding names it
            current = _sums(bill(resource.deployment, cost, prices), cost, prices, survey)
            sums = [over for over in current if over.most_expensive() is resource]
        for over in sums:
            yield fail(over.message(), resource.mark)


def _unpriced(resource: Resource, cost: CostPolicy, prices: Prices) -> Iterator[Verdict]:
    counts_use = cost.active_hour is not None or bool(cost.components)
    for charge in charges(resource, cost, prices):
        if charge.usd is None and (counts_use or charge.when in (ALWAYS, RUNNING)):
            yield unknown(f"the cost of {charge.what} is unknown: {charge.why}", resource.mark)


def _survey(deployment: Deployment, policy: Policy, prices: Prices) -> Survey:
    """Price every scenario, once for a deployment."""
    stored = deployment.notes.get("survey")
    if isinstance(stored, Survey):
        return stored
    survey = deployment.notes["survey"] = Survey()
    count = sum(len(stack.resources) for stack in deployment.stacks)
    cap = max(8, min(policy.scenario_cap, _MAX_PRICED // max(1, count)))
    before, bills = deployment.choices, []
    try:
        for choices in explore(Choices(), cap):
            deployment.choices = choices
            try:
                scenario_bill = bill(deployment, policy.cost, prices)
            except Unreachable:
                continue
            if not forbidden(deployment):
                bills.append(scenario_bill)
    except TooMany:
        survey.complete = False
    finally:
        deployment.choices = before
    for scenario_bill in bills:
        for part in policy.cost.components if not scenario_bill.on else ():
            lines = _of(scenario_bill, part, policy.cost)
            parts = {line.resource: line.idle_month_usd for line in lines}
            if sum(parts.values()) >= sum(survey.idle.get(part.name, {}).values()):
                survey.idle[part.name] = parts
    for scenario_bill in bills:
        if scenario_bill.lines and survey.anchor is None:
            survey.anchor = min((line.resource for line in scenario_bill.lines), key=_name)
        for over in _sums(scenario_bill, policy.cost, prices, survey):
            survey.sums.setdefault(over.most_expensive(), []).append(over)
    return survey


def _name(resource: Resource) -> tuple[str, str]:
    """Sort key that separates resources of equal cost."""
    return resource.stack.path, resource.id


def _of(scenario_bill: Bill, part: Component, cost: CostPolicy) -> Iterator[Line]:
    for line in scenario_bill.lines:
        if belongs(line.resource, part.name, part.resources, cost):
            yield line


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum over its ceiling, with its parts in USD."""

    what: str
    total_usd: float
    ceiling: Ceiling
    ceiling_usd: float
    parts: tuple[tuple[float, Resource], ...]

    def most_expensive(self) -> Resource:
        """The resource with the largest part; the first by name among equals."""
        return min(self.parts, key=lambda part: (-part[0], *_name(part[1])))[1]

    def message(self) -> str:
        """The sum, the ceiling and the largest parts, for a finding."""
        parts = sorted(self.parts, key=lambda part: (-part[0], *_name(part[1])))
        listed = ", ".join(f"{usd:.2f} {resource.id}" for usd, resource in parts[:_LISTED])
        rest = len(parts) - _LISTED
        more = f" and {rest} more" if rest > 0 else ""
        limit = f"{self.ceiling_usd:.2f}"
        if self.ceiling.currency != "USD":
            limit += f" ({self.ceiling.amount:g} {self.ceiling.currency})"
        return f"{self.what} costs {self.total_usd:.2f} USD, over {limit}: {listed}{more}"


def _sums(scenario_bill: Bill, cost: CostPolicy, prices: Prices, survey: Survey) -> Iterator[Sum]:
    hours, rate = cost.usage.active_hours_month, prices.usd_per_eur.usd
    idle = {line.resource: line.idle_month_usd for line in scenario_bill.lines}
    active = {line.resource: line.active_hour_usd(hours) for line in scenario_bill.lines}
    if cost.idle_month and not scenario_bill.on:
        yield from _over("an idle month", idle, cost.idle_month, rate)
    if cost.active_hour and scenario_bill.on is not False:
        yield from _over("an active hour", active, cost.active_hour, rate)
    for part in cost.components:
        members = [line.resource for line in _of(scenario_bill, part, cost)]
        idle_part = survey.idle.get(part.name, {})
        if not scenario_bill.on:
            idle_part = {resource: idle[resource] for resource in members}
        idle_share = 1 - hours / HOURS_A_MONTH
        month = {r: idle_part.get(r, 0.0) * idle_share for r in (*members, *idle_part)}
        if scenario_bill.on is not False:
            for resource in members:
                month[resource] += active[resource] * hours
        yield from _over(f"a month of {part.name}", month, part.month, rate)


def _over(name: str, parts: dict[Resource, float], ceiling: Ceiling, rate: float) -> Iterator[Sum]:
    total, limit = sum(parts.values()), ceiling.usd(rate)
    billing = tuple((usd, resource) for resource, usd in parts.items() if usd > 0)
    if total > limit and billing:
        yield Sum(name, total, ceiling, limit, billing)
