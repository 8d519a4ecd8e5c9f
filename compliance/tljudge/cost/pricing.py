"""Templates to a bill: the dearest likely scenario with the on-demand part, and without."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tljudge.cost.bill import Bill, Line, belongs, bill, component
from tljudge.cost.billing_scenarios import billing_scenarios, depends_on, switches
from tljudge.cost.estimate import Estimate, Left, Row, Total
from tljudge.cost.meter import ALWAYS
from tljudge.cost.survivors import HOLDERS, MAY_STAY, STAYS, UNBILLED, Survivor, survivors
from tljudge.data.prices import HOURS_A_MONTH, Prices
from tljudge.decode.errors import NotATemplate, TemplateError
from tljudge.decode.files import templates
from tljudge.decode.loader import load
from tljudge.decode.parameter_file import Given
from tljudge.decode.source import is_meant_as_template
from tljudge.engine.cost_policy import Ceiling
from tljudge.engine.policy import Policy
from tljudge.resolve.assertions import forbidden
from tljudge.resolve.deployment import Deployment, Resource
from tljudge.resolve.scenarios import Choices, TooMany, Unreachable


def estimate(
    paths: Sequence[Path], policy: Policy, prices: Prices, given: Given | None = None
) -> Estimate:
    """Price every deployment among `paths`, in the policy's region.

    Args:
        paths: templates, and folders that are walked.
        policy: ceilings, assumptions and what is on demand.
        prices: of the region.
        given: `Parameters` and `Tags` as a parameter file has them.
    """
    cost = policy.cost
    found = Estimate(cost.region, prices, cost)
    if complaint := prices.complaint(policy.today):
        found.complaints.append(complaint)
    idle: list[Line] = []
    active: list[Line] = []
    deployments = _deployments(paths, given or {}, found)
    found.templates = len(deployments)
    for deployment in deployments:
        _price(deployment, policy, found, idle, active)
    found.rows.sort(key=lambda row: (-row.idle_month_usd - row.active_hour_usd, row.resource))
    found.left.sort(key=lambda one: (STAYS, MAY_STAY, UNBILLED).index(one.state))
    _totals(found, idle, active)
    return found


def _deployments(paths: Sequence[Path], given: Given, found: Estimate) -> list[Deployment]:
    deployments = []
    parameters = given.get("Parameters", {})
    for path, named in templates(paths):
        try:
            template = load(path, parameters)
            known = {k: v for k, v in parameters.items() if k in template.parameters}
            deployments.append(Deployment(template, known, given.get("Tags")))
        except NotATemplate as error:
            if named:
                found.errors.append(str(error))
        except TemplateError as error:
            if named or is_meant_as_template(path):
                found.errors.append(str(error))
    nested = {
        Path(file).resolve()
        for deployment in deployments
        for file in deployment.files.keys() - {deployment.root.template.file}
    }
    return [one for one in deployments if Path(one.root.template.file).resolve() not in nested]


@dataclass(slots=True)
class _Side:
    """The dearest scenario with, or without, the on-demand part."""

    usd: float = -1.0
    choices: Choices | None = None
    lines: tuple[Line, ...] = ()
    amounts: dict[Resource, set[float]] = field(default_factory=dict)
    runs: int = 0
    depends: dict[str, None] = field(default_factory=dict)

    def add(
        self, choices: Choices, one: Bill, amounts: dict[Resource, float], more: list[str]
    ) -> None:
        self.runs += 1
        self.depends.update(dict.fromkeys(more))
        for resource, usd in amounts.items():
            self.amounts.setdefault(resource, {0.0} if self.runs > 1 else set()).add(round(usd, 9))
        for resource in self.amounts.keys() - amounts.keys():
            self.amounts[resource].add(0.0)
        if (total := sum(amounts.values())) > self.usd:
            self.usd, self.choices, self.lines = total, choices, one.lines

    def varies(self, resource: Resource) -> bool:
        return len(self.amounts.get(resource, ())) > 1


def _price(
    deployment: Deployment, policy: Policy, found: Estimate, idle: list[Line], active: list[Line]
) -> None:
    cost, hours = policy.cost, policy.cost.usage.active_hours_month
    off, on = _Side(), _Side()
    keys = switches(deployment, cost.on_demand)
    file = deployment.root.template.file
    try:
        for choices in billing_scenarios(
            deployment, cost.on_demand, cost.region, policy.scenario_cap
        ):
            deployment.choices = choices
            try:
                one = bill(deployment, cost, found.prices)
            except Unreachable:
                continue
            if forbidden(deployment):
                continue
            more = depends_on(choices, keys)
            if not one.on:
                off.add(choices, one, {x.resource: x.idle_month_usd for x in one.lines}, more)
            if one.on is not False:
                amounts = {x.resource: x.active_hour_usd(hours) for x in one.lines}
                on.add(choices, one, amounts, more)
    except TooMany:
        found.complaints.append(
            f"{file}: more than {policy.scenario_cap} combinations: not all were priced; "
            "give the parameters"
        )
    if off.choices is None and on.choices is None:
        found.complaints.append(f"{file}: no combination of its parameters can be deployed")
    idle += off.lines
    active += on.lines
    rows: dict[Resource, Row] = {}
    for side in (off, on):
        for line in side.lines:
            rows[line.resource] = _row(line.resource, off, on, found)
    found.rows += rows.values()
    for stack in deployment.stacks:
        for hidden, mark, what in stack.template.hidden:
            found.complaints.append(
                f"{stack.template.file}:{mark[0]} {hidden}: {what}: nobody saw the result, "
                "so it is not priced; expand it first"
            )
    found.left += _left(deployment, (off, on), found)


def _row(resource: Resource, off: _Side, on: _Side, found: Estimate) -> Row:
    one, other = (
        next((line for line in side.lines if line.resource is resource), None) for side in (off, on)
    )
    hours = found.policy.usage.active_hours_month
    all_charges = other.charges if other is not None else one.charges if one is not None else ()
    unknown = [
        f"{charge.what}: {charge.why}"
        for line in (one, other)
        if line is not None
        for charge in line.charges
        if charge.usd is None
    ]
    unknown += [
        f"depends on {', '.join(side.depends)}, which has no value"
        for side in (off, on)
        if side.varies(resource)
    ]
    return Row(
        file=resource.stack.template.file,
        line=resource.mark[0],
        resource=resource.id,
        type=resource.type,
        component=component(resource, found.policy),
        idle_month_usd=0.0 if one is None else one.idle_month_usd,
        active_hour_usd=0.0 if other is None else other.active_hour_usd(hours),
        charges=all_charges,
        unknown=tuple(dict.fromkeys(unknown)),
    )


def _left(deployment: Deployment, sides: Sequence[_Side], found: Estimate) -> Iterator[Left]:
    seen: set[tuple[Resource, str]] = set()
    for side in sides:
        if side.choices is None:
            continue
        deployment.choices = side.choices
        billing = {line.resource: line for line in side.lines}
        for stack in deployment.stacks:
            for resource in stack.resources.values():
                if resource not in billing and resource.type not in HOLDERS:
                    continue
                for one in survivors(resource) if resource.exists() else ():
                    if (resource, one.what) not in seen:
                        seen.add((resource, one.what))
                        yield _one_left(resource, one, billing.get(resource))


def _one_left(resource: Resource, one: Survivor, line: Line | None) -> Left:
    whole = one.state == STAYS and one.what.startswith("stays")
    usd = None
    if whole and line is not None and all(charge.usd is not None for charge in line.charges):
        usd = sum(c.hourly() for c in line.charges if c.when == ALWAYS) * HOURS_A_MONTH
    file = resource.stack.template.file
    return Left(file, one.mark[0], resource.id, one.what, one.state, usd)


def _totals(found: Estimate, idle: list[Line], active: list[Line]) -> None:
    cost, rate = found.policy, found.prices.usd_per_eur.usd
    hours = cost.usage.active_hours_month

    def total(
        name: str, unit: str, usd: float, of: list[list[Line]], ceiling: Ceiling | None = None
    ) -> Total:
        count = len({line.resource for lines in of for line in lines})
        limit = None if ceiling is None else ceiling.usd(rate)
        return Total(name, unit, usd, count, ceiling, limit)

    def month(of: list[list[Line]]) -> float:
        still = sum(line.idle_month_usd for line in of[0]) * (1 - hours / HOURS_A_MONTH)
        return still + sum(line.active_hour_usd(hours) for line in of[1]) * hours

    sides = [idle, active]
    found.totals = [
        total("idle", "month", sum(x.idle_month_usd for x in idle), [idle], cost.idle_month),
        total(
            "active",
            "hour",
            sum(x.active_hour_usd(hours) for x in active),
            [active],
            cost.active_hour,
        ),
        total(f"with {hours:g} active hours", "month", month(sides), sides),
    ]
    named = {part.name for part in cost.components}
    for tag in sorted({component(line.resource, cost) for line in (*idle, *active)}):
        if tag and tag not in named:
            of = [[x for x in side if component(x.resource, cost) == tag] for side in sides]
            found.components.append(total(tag, "month", month(of), of))
    for part in cost.components:
        of = [[x for x in side if belongs(x.resource, part.name, part.resources, cost)]
              for side in sides]  # fmt: skip
        found.components.append(total(part.name, "month", month(of), of, part.month))
