"""The section [cost] of a policy: checked before it is used; each error names file and key."""

from pathlib import Path

import pytest

from tests.judge.factory import DEFAULT, ours
from tljudge.engine import policy as policies
from tljudge.engine.cost_policy import Ceiling, Component
from tljudge.engine.policy import PolicyError


def load(folder: Path, text: str) -> policies.Policy:
    path = folder / "p.toml"
    path.write_text(text, "utf-8")
    return policies.load(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cost = 1", "[cost] is not a table"),
        ("[cost]\nidle = 3", "unknown key cost.idle; known are region"),
        ("[cost]\nidle_month_eur = 'x'", "cost.idle_month_eur is 'x'; it takes a number of EUR"),
        ("[cost]\nidle_month_usd = -1", "cost.idle_month_usd is -1; it takes a number of USD"),
        ("[cost]\nidle_month_usd = true", "cost.idle_month_usd is True"),
        ("[cost]\nidle_month_usd = 1\nidle_month_eur = 1", "are both set; keep one"),
        ("[cost]\nactive_hour_eur = nan", "cost.active_hour_eur is nan"),
        ("[cost]\nregion = 1", "cost.region is 1; it takes a region"),
        ("[cost]\nregion = 'mars'\nidle_month_usd = 1", "cost.region is 'mars';"),
        ("[cost]\non_demand = 1", "cost.on_demand is 1; it takes a condition's name"),
        ("[cost]\nnothing_survives = 1", "cost.nothing_survives is 1; it takes true or false"),
        ("[cost]\ncomponent_tag = ''", "cost.component_tag is ''"),
        ("[cost]\nprices = 'nowhere.toml'", "nowhere.toml: cannot be read"),
        ("[cost.usage]\nrequests = 1", "unknown key cost.usage.requests; known are active_hours"),
        ("[cost.usage]\nrequests_month = -1", "cost.usage.requests_month is -1"),
        ("[cost.usage]\nactive_hours_month = 0", "takes more than 0 and at most 730"),
        ("[cost.usage]\nactive_hours_month = 731", "takes more than 0 and at most 730"),
        ("[cost]\nusage = 1", "cost.usage is 1; write a table"),
        ("[cost]\ncomponents = 1", "cost.components is 1; it takes tables with name"),
        ("[[cost.components]]\nname = 'x'", "cost.components 'x' has no month_usd and no month"),
        ("[[cost.components]]\nmonth_usd = 1", "cost.components has ['month_usd']; it takes"),
        ("[[cost.components]]\nname = 1\nmonth_usd = 1", "cost.components.name is 1; it takes"),
        ("[[cost.components]]\nname = 'x'\nmonth_usd = 1\nresources = []",
         "cost.components.resources is []; it takes a list of texts"),
        ("[[cost.stopped]]\nresource = 'N'", "cost.stopped has ['resource']; it takes tables"),
        ("[[cost.stopped]]\nresource = 'N'\nreason = 'r'\nruns_as = 'x'",
         "cost.stopped.runs_as is 'x'; it takes a list of texts"),
        ("[[cost.free]]\ntype = 'T'", "cost.free has ['type']; it takes tables with type and"),
        ("[cost.always_free]\nmetric = 1", "unknown key cost.always_free.metric; known are alarm,"),
        ("[cost.always_free]\nalarm = -1", "cost.always_free.alarm is -1; it takes a number, 0"),
        ("[cost]\nalways_free = 1", "cost.always_free is 1; write a table"),
        ("[[cost.usage_of]]\nresource = 'R'\nrequests = 1", "cost.usage_of has"),
        ("[[cost.usage_of]]\nresource = 'R'\nmetrics = 'x'", "cost.usage_of.metrics is 'x'"),
        ("[[cost.usage_of]]\nresource = 'R'\nactive_hours_month = 1", "cannot differ"),
    ],
)  # fmt: skip
def test_impossible_section_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """Before anything is priced."""
    with pytest.raises(PolicyError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "p.toml"))
    assert words in str(caught.value)


def test_default_limits_nothing() -> None:
    """It suits any project: no ceiling, nothing on demand, everything may stay that says so."""
    cost = DEFAULT.cost
    assert (cost.has_ceilings, cost.on_demand, cost.nothing_survives) == (False, "", False)
    assert (cost.region, cost.stopped, cost.free) == ("us-east-1", (), ())


def test_single_keys_replace_the_default(tmp_path: Path) -> None:
    """In tables within, too."""
    found = load(tmp_path, "[cost.usage]\nusers_month = 3\n").cost
    assert found.usage.users_month == 3
    assert found.usage.requests_month == DEFAULT.cost.usage.requests_month
    assert found.prices == DEFAULT.cost.prices


def test_usage_of_one_resource(tmp_path: Path) -> None:
    """By a pattern; the rest as for all."""
    found = load(tmp_path, "[[cost.usage_of]]\nresource = 'Slow*'\nfunction_ms = 900\n").cost
    assert found.usage_for("SlowOne").function_ms == 900
    assert found.usage_for("Other") == found.usage


def test_price_file_beside_the_policy(tmp_path: Path) -> None:
    """A project may bring its own, for its own region."""
    (tmp_path / "mine.toml").write_text(
        'dated = 2026-01-01\nusd_per_eur = {usd = 1, source = "s"}\n'
        '[sources]\ns = {url = "https://example.com", seen = "read"}\n'
        '[eu-west-1.hour]\nnat_gateway = {usd = 1, source = "s"}\n'
    )
    found = load(tmp_path, "[cost]\nprices = 'mine.toml'\nregion = 'eu-west-1'\n").cost
    assert found.prices == tmp_path / "mine.toml"
    with pytest.raises(PolicyError, match="has eu-west-1"):
        load(tmp_path, "[cost]\nprices = 'mine.toml'\n")


def test_our_ceilings_are_the_plans() -> None:
    """EC2-001, API-003, LAM-001, RED-002, OPS-003."""
    cost = ours().cost
    assert cost.idle_month == Ceiling(3, "EUR")
    assert cost.components == (
        Component("edge", (), Ceiling(0.5, "EUR")),
        Component("router", (), Ceiling(0.1, "EUR")),
        Component("queue-health", ("QueueHealth*",), Ceiling(0.1, "EUR")),
        Component("mail", ("CostSummary*", "Mail*"), Ceiling(0.05, "EUR")),
    )
    assert [(one.resource, one.runs_as) for one in cost.stopped] == [
        ("Node", ("t3.small", "g4dn.xlarge"))
    ]
    assert [one for one in cost.stopped if not one.reason] == []
