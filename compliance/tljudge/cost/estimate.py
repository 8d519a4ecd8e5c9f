"""The result of `tl cost`: costs by resource, totals against ceilings, and residues."""

from dataclasses import dataclass, field

from tljudge.cost.meter import Charge
from tljudge.cost.survivors import STAYS
from tljudge.data.prices import Prices
from tljudge.engine.cost_policy import Ceiling, CostPolicy


@dataclass(frozen=True, slots=True)
class Row:
    """A resource that bills, in USD; `unknown` lists the charges without a price, with reasons."""

    file: str
    line: int
    resource: str
    type: str
    component: str
    idle_month_usd: float
    active_hour_usd: float
    charges: tuple[Charge, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Total:
    """A sum in USD over some resources, with its ceiling if the policy sets one."""

    name: str
    unit: str
    usd: float
    resources: int
    ceiling: Ceiling | None
    ceiling_usd: float | None

    @property
    def is_over(self) -> bool:
        """Whether the sum is over its ceiling."""
        return self.ceiling_usd is not None and self.usd > self.ceiling_usd


@dataclass(frozen=True, slots=True)
class Residue:
    """A residue of a deleted stack; `month_usd` is None if its cost is unknown."""

    file: str
    line: int
    resource: str
    what: str
    state: str
    month_usd: float | None


@dataclass(slots=True)
class Estimate:
    """The result of a run of `tl cost`.

    Attributes:
        region: the region whose prices apply.
        prices: the price file.
        policy: ceilings and assumptions.
        rows: resources that bill, the most expensive first.
        totals: the sums over all templates.
        components: the sums by component.
        left: residues of the deleted stacks.
        complaints: reasons why the bill may be wrong.
        errors: templates that could not be read.
        parameter_faults: lines about given parameters that no template takes as they are.
    """

    region: str
    prices: Prices
    policy: CostPolicy
    rows: list[Row] = field(default_factory=list)
    totals: list[Total] = field(default_factory=list)
    components: list[Total] = field(default_factory=list)
    left: list[Residue] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    parameter_faults: list[str] = field(default_factory=list)
    templates: int = 0
    """How many templates were priced, those that another nests not counted."""

    @property
    def unknown(self) -> list[tuple[Row, str]]:
        """Each row with a charge that has no price, and the charge."""
        return [(row, charge) for row in self.rows for charge in row.unknown]

    @property
    def verdict(self) -> str:
        """FAIL for a sum over its ceiling or a forbidden residue, else UNKNOWN or PASS."""
        survives = self.policy.nothing_survives and any(
            residue.state == STAYS for residue in self.left
        )
        if survives or any(total.is_over for total in (*self.totals, *self.components)):
            return "FAIL"
        return "UNKNOWN" if self.unknown or self.complaints else "PASS"

    def exit_code(self) -> int:
        """3 if a template could not be read, else 0 for PASS, else 1."""
        return 3 if self.errors else 0 if self.verdict == "PASS" else 1
