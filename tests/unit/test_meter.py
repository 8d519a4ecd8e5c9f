"""The meter's months, limits and prices."""

import json
import tomllib
from pathlib import Path

import pytest

from tinyllama.stop_build_box import meter, prices
from tinyllama.stop_build_box.meter import Machine, Sight

ROOT = Path(__file__).resolve().parents[2]
NOVEMBER_S = 1_793_491_200  # 2026-11-01T00:00:00Z


def test_month_is_that_of_the_bill() -> None:
    """UTC, from its first second on."""
    assert [meter.month_of(NOVEMBER_S + by) for by in (-1, 0)] == ["2026-10", "2026-11"]
    assert meter.month_began(NOVEMBER_S + 2_000_000) == NOVEMBER_S


def test_new_month_begins_at_its_first_second() -> None:
    """What an old sample leaves of the month before is not counted to the new one."""
    sight = Sight([Machine(1.0, NOVEMBER_S - 90_000)], 2.0)
    assert meter.spent_since(NOVEMBER_S - 3600, NOVEMBER_S + 1800, sight) == 1.5


def test_gap_counts_a_machine_from_its_start() -> None:
    """The meter did not run for ten hours; the machine has for one."""
    sight = Sight([Machine(0.66, NOVEMBER_S + 32_400)], 0.0)
    assert meter.spent_since(NOVEMBER_S, NOVEMBER_S + 36_000, sight) == pytest.approx(0.66)


@pytest.mark.parametrize(
    ("spent", "until", "verdict"),
    [
        (14.99, None, "fine"),
        (15, None, "warn"),
        (20.99, None, "warn"),
        (21, None, "kill"),
        (21, 26, "warn"),
        (26, 26, "kill"),
        (20, 10, "warn"),
    ],
)
def test_verdict(spent: float, until: float | None, verdict: str) -> None:
    """75 % warns, 105 % kills; a lift may raise the limit and never lowers it."""
    assert meter.verdict(spent, budget_usd=20, until_usd=until) == verdict


def test_prices_are_those_of_the_judge() -> None:
    """One place: the judge's dated price file; the idle share is its ceiling of 3 EUR."""
    judge = tomllib.loads((ROOT / "compliance/tljudge/data/prices.toml").read_text())
    policy = tomllib.loads((ROOT / "compliance/policy.toml").read_text())
    idle = policy["cost"]["idle_month_eur"] * judge["usd_per_eur"]["usd"] / 730
    own = json.loads((ROOT / "handlers/tinyllama/stop_build_box/prices.json").read_text())
    assert own == {
        region: {name: judge[region]["hour"][name]["usd"] for name in lines if name != "idle"}
        | {"idle": round(idle, 6)}
        for region, lines in own.items()
    }
    assert sorted(own) == ["eu-central-1", "us-east-1"]


def test_what_has_no_price_counts_as_the_dearest() -> None:
    """An unknown type, and an unknown region."""
    known = prices.table()
    home = prices.of_region("eu-central-1", known)
    assert home.machine("p5.48xlarge") == home.machine("g4dn.xlarge") == 0.663
    assert home.machine("t3.small") == 0.029
    assert home.steady(caches=1, endpoints=1) == pytest.approx(0.004274 + 0.042)
    abroad = prices.of_region("ap-south-1", known)
    assert abroad.machine("g4dn.xlarge") == 0.663
