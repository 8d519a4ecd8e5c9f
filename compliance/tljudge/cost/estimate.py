"""A bill for a person: what each resource costs, against the ceilings, and what would stay."""

from dataclasses import dataclass, field

from tljudge.cost.meter import Charge
from tljudge.cost.survivors import STAYS
from tljudge.data.prices import Prices
from tljudge.engine.cost_policy import Ceiling, CostPolicy


@dataclass(frozen=True, slots=True)
class Row:
    """One resource that bills; `unknown` says what of it nobody can price."""

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
    """A sum, of how many resources, beside its ceiling if it has one."""

    name: str
    unit: str
    usd: float
    resources: int
    ceiling: Ceiling | None
    ceiling_usd: float | None

    @property
    def is_over(self) -> bool:
        """Whether the ceiling is passed."""
        return self.ceiling_usd is not None and self.usd > self.ceiling_usd


@dataclass(frozen=True, slots=True)
class Left:
    """What a deleted stack leaves; `month_usd` where it is known."""

    file: str
    line: int
    resource: str
    what: str
    state: str
    month_usd: float | None


@dataclass(slots=True)
class Estimate:
    """Everything about one run of `tl cost`."""

    region: str
    prices: Prices
    policy: CostPolicy
    rows: list[Row] = field(default_factory=list)
    totals: list[Total] = field(default_factory=list)
    components: list[Total] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    templates: int = 0
    """How many templates were priced, those that another nests not counted."""

    @property
    def unknown(self) -> list[tuple[Row, str]]:
        """What nobody can price."""
        return [(row, what) for row in self.rows for what in row.unknown]

    @property
    def verdict(self) -> str:
        """FAIL, UNKNOWN or PASS."""
        survives = self.policy.nothing_survives and any(o.state == STAYS for o in self.left)
        if survives or any(one.is_over for one in (*self.totals, *self.components)):
            return "FAIL"
        return "UNKNOWN" if self.unknown or self.complaints else "PASS"

    def exit_code(self) -> int:
        """3 when a template could not be read, 1 for what fails or nobody knows, else 0."""
        return 3 if self.errors else 0 if self.verdict == "PASS" else 1
