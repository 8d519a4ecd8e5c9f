"""Price templates for `tl cost`: the most expensive billing scenario with and without demand."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tljudge.cost.bill import Bill, Line, belongs, bill, component
from tljudge.cost.billing_scenarios import billing_scenarios, depends_on, switches
from tljudge.cost.estimate import Estimate, Residue, Row, Total
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
from tljudge.resolve.given import refused, undeclared
from tljudge.resolve.scenarios import Choices, TooMany, Unreachable


def estimate(
    paths: Sequence[Path], policy: Policy, prices: Prices, given: Given | None = None
) -> Estimate:
    """Price every deployment in `paths`, in the policy's region.

    A template that another template nests is part of that deployment.

    Args:
        paths: templates, and folders to walk.
        policy: ceilings, assumed use and on-demand condition.
        prices: the price file.
        given: `Parameters` and `Tags`, as in a parameter file.
    """
    cost = policy.cost
    result = Estimate(cost.region, prices, cost)
    if complaint := prices.complaint(policy.today):
        result.complaints.append(complaint)
    idle: list[Line] = []
    active: list[Line] = []
    deployments = _deployments(paths, given or {}, result)
    result.templates = len(deployments)
    result.parameter_faults = _parameter_faults(deployments, given or {}, paths, result)
    for deployment in deployments:
        _price(deployment, policy, result, idle, active)
    result.rows.sort(key=lambda row: (-row.idle_month_usd - row.active_hour_usd, row.resource))
    result.left.sort(key=lambda residue: (STAYS, MAY_STAY, UNBILLED).index(residue.state))
    _totals(result, idle, active)
    return result


def _deployments(paths: Sequence[Path], given: Given, result: Estimate) -> list[Deployment]:
    deployments = []
    parameters = given.get("Parameters", {})
    for path, named in templates(paths):
        try:
            template = load(path, parameters)
            declared = {k: v for k, v in parameters.items() if k in template.parameters}
            deployments.append(Deployment(template, declared, given.get("Tags")))
        except NotATemplate as error:
            if named:
                result.errors.append(str(error))
        except TemplateError as error:
            if named or is_meant_as_template(path):
                result.errors.append(str(error))
    nested = {
        Path(file).resolve()
        for deployment in deployments
        for file in deployment.files.keys() - {deployment.root.template.file}
    }
    return [d for d in deployments if Path(d.root.template.file).resolve() not in nested]


def _parameter_faults(
    deployments: Sequence[Deployment], given: Given, paths: Sequence[Path], result: Estimate
) -> list[str]:
    parameters = given.get("Parameters", {})
    templates = [deployment.root.template for deployment in deployments]
    faults = [line for template in templates for line in refused(template, parameters)]
    if templates and not result.errors:
        declared = {name for template in templates for name in template.parameters}
        faults += undeclared(parameters, declared, paths)
    return faults


@dataclass(slots=True)
class _Side:
    """The most expensive billing scenario with, or without, the on-demand part.

    Attributes:
        usd: its sum; -1 before the first scenario.
        choices: its choices.
        lines: its bill.
        amounts: every amount of each resource, over all scenarios.
        runs: number of scenarios.
        depends: labels of the choices that are neither given nor part of the switch.
    """

    usd: float = -1.0
    choices: Choices | None = None
    lines: tuple[Line, ...] = ()
    amounts: dict[Resource, set[float]] = field(default_factory=dict)
    runs: int = 0
    depends: dict[str, None] = field(default_factory=dict)

    def add(
        self,
        choices: Choices,
        scenario_bill: Bill,
        amounts: dict[Resource, float],
        labels: list[str],
    ) -> None:
        self.runs += 1
        self.depends.update(dict.fromkeys(labels))
        for resource, usd in amounts.items():
            self.amounts.setdefault(resource, {0.0} if self.runs > 1 else set()).add(round(usd, 9))
        for resource in self.amounts.keys() - amounts.keys():
            self.amounts[resource].add(0.0)
        if (total := sum(amounts.values())) > self.usd:
            self.usd, self.choices, self.lines = total, choices, scenario_bill.lines

    def varies(self, resource: Resource) -> bool:
        return len(self.amounts.get(resource, ())) > 1


def _price(
    deployment: Deployment, policy: Policy, result: Estimate, idle: list[Line], active: list[Line]
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
                scenario_bill = bill(deployment, cost, result.prices)
            except Unreachable:
                continue
            if forbidden(deployment):
                continue
            labels = depends_on(choices, keys)
            if not scenario_bill.on:
                amounts = {x.resource: x.idle_month_usd for x in scenario_bill.lines}
                off.add(choices, scenario_bill, amounts, labels)
            if scenario_bill.on is not False:
                amounts = {x.resource: x.active_hour_usd(hours) for x in scenario_bill.lines}
                on.add(choices, scenario_bill, amounts, labels)
    except TooMany:
        result.complaints.append(
            f"{file}: more than {policy.scenario_cap} combinations: not all were priced; "
            "pass the parameters"
        )
    if off.choices is None and on.choices is None:
        result.complaints.append(f"{file}: no combination of its parameters can be deployed")
    idle += off.lines
    active += on.lines
    rows: dict[Resource, Row] = {}
    for side in (off, on):
        for line in side.lines:
            rows[line.resource] = _row(line.resource, off, on, result)
    result.rows += rows.values()
    for stack in deployment.stacks:
        for hidden, mark, reason in stack.template.hidden:
            result.complaints.append(
                f"{stack.template.file}:{mark[0]} {hidden}: {reason}: the result was not priced; "
                "expand the template first"
            )
    result.left += _residues(deployment, (off, on), result)


def _row(resource: Resource, off: _Side, on: _Side, result: Estimate) -> Row:
    idle_line, active_line = (
        next((line for line in side.lines if line.resource is resource), None) for side in (off, on)
    )
    hours = result.policy.usage.active_hours_month
    either = active_line or idle_line
    all_charges = () if either is None else either.charges
    unknown = [
        f"{charge.what}: {charge.why}"
        for line in (idle_line, active_line)
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
        component=component(resource, result.policy),
        idle_month_usd=0.0 if idle_line is None else idle_line.idle_month_usd,
        active_hour_usd=0.0 if active_line is None else active_line.active_hour_usd(hours),
        charges=all_charges,
        unknown=tuple(dict.fromkeys(unknown)),
    )


def _residues(
    deployment: Deployment, sides: Sequence[_Side], result: Estimate
) -> Iterator[Residue]:
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
                for survivor in survivors(resource) if resource.exists() else ():
                    if (resource, survivor.what) not in seen:
                        seen.add((resource, survivor.what))
                        yield _residue(resource, survivor, billing.get(resource))


def _residue(resource: Resource, survivor: Survivor, line: Line | None) -> Residue:
    is_whole = survivor.state == STAYS and survivor.what.startswith("stays")
    usd = None
    if is_whole and line is not None and all(charge.usd is not None for charge in line.charges):
        usd = sum(c.hourly() for c in line.charges if c.when == ALWAYS) * HOURS_A_MONTH
    file = resource.stack.template.file
    return Residue(file, survivor.mark[0], resource.id, survivor.what, survivor.state, usd)


def _totals(result: Estimate, idle: list[Line], active: list[Line]) -> None:
    cost, rate = result.policy, result.prices.usd_per_eur.usd
    hours = cost.usage.active_hours_month

    def total(
        name: str, unit: str, usd: float, of: list[list[Line]], ceiling: Ceiling | None = None
    ) -> Total:
        count = len({line.resource for lines in of for line in lines})
        limit = None if ceiling is None else ceiling.usd(rate)
        return Total(name, unit, usd, count, ceiling, limit)

    def month(of: list[list[Line]]) -> float:
        idle_usd = sum(line.idle_month_usd for line in of[0]) * (1 - hours / HOURS_A_MONTH)
        return idle_usd + sum(line.active_hour_usd(hours) for line in of[1]) * hours

    sides = [idle, active]
    result.totals = [
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
            result.components.append(total(tag, "month", month(of), of))
    for part in cost.components:
        of = [[x for x in side if belongs(x.resource, part.name, part.resources, cost)]
              for side in sides]  # fmt: skip
        result.components.append(total(part.name, "month", month(of), of, part.month))
