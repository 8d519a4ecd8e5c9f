"""`tl cost`: the bill, its verdict and what it depends on."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.judge.cost_bills import KEY, NAT, ROOT, SECTIONS, machine, policy, priced
from tests.judge.factory import TODAY, of_type, ours, template
from tljudge.cost.estimate import Estimate
from tljudge.cost.pricing import estimate
from tljudge.data import prices
from tljudge.formatters import cost_json, cost_table

DEV = json.loads((ROOT / "cloudformation" / "parameters" / "dev.json").read_text())


def amounts(found: Estimate) -> dict[str, tuple[float, float]]:
    return {
        row.resource: (round(row.idle_month_usd, 2), round(row.active_hour_usd, 4))
        for row in found.rows
    }


# ---- what is priced ----


def test_idle_and_active_are_two_scenarios(tmp_path: Path) -> None:
    """The on-demand part costs nothing idle, and by the hour when it is on."""
    found = priced(tmp_path, {"N": {**NAT, "Condition": "On"}, "K": KEY}, 'on_demand = "On"')
    assert amounts(found) == {"N": (0.0, 0.045), "K": (1.0, 0.0014)}
    assert [(one.name, round(one.usd, 4)) for one in found.totals] == [
        ("idle", 1.0), ("active", 0.0464), ("with 730 active hours", 33.85),
    ]  # fmt: skip
    assert (found.verdict, found.exit_code()) == ("PASS", 0)


def test_given_value_and_default_stay_as_they_are(tmp_path: Path) -> None:
    """A bill is for the values a parameter has, not for all that it may have."""
    by_default = priced(tmp_path, {"M": machine({"Ref": "Chosen"})})
    assert amounts(by_default)["M"] == (round(0.0104 * 730 + 0.8, 2), 0.0115)
    given = {"Parameters": {"Chosen": "t3.small"}}
    chosen = priced(tmp_path, {"M": machine({"Ref": "Chosen"})}, given=given)
    assert amounts(chosen)["M"] == (round(0.0208 * 730 + 0.8, 2), 0.0219)
    assert (by_default.verdict, chosen.verdict) == ("PASS", "PASS")


def test_price_that_depends_on_a_parameter_without_a_value_fails(tmp_path: Path) -> None:
    """The dearest is shown, and that nobody knows."""
    found = priced(tmp_path, {"M": machine({"Ref": "Kind"})})
    assert amounts(found)["M"] == (round(0.0208 * 730 + 0.8, 2), 0.0219)
    assert [what for _, what in found.unknown] == ["depends on Kind, which has no value"]
    assert (found.verdict, found.exit_code()) == ("UNKNOWN", 1)


def test_resource_that_may_not_exist_depends_too(tmp_path: Path) -> None:
    """A condition on a parameter without a value."""
    conditions = {**SECTIONS["Conditions"], "Small": {"Fn::Equals": [{"Ref": "Kind"}, "t3.small"]}}
    found = priced(tmp_path, {"N": {**NAT, "Condition": "Small"}}, Conditions=conditions)
    assert [what for _, what in found.unknown] == ["depends on Kind, which has no value"]


def test_region_decides_what_exists_and_what_it_costs(tmp_path: Path) -> None:
    """`AWS::Region` is the region of the prices."""
    there = {"N": {**NAT, "Condition": "Here"}, "K": KEY}
    assert set(amounts(priced(tmp_path, there))) == {"K"}
    here = priced(tmp_path, there, 'region = "eu-central-1"')
    assert amounts(here) == {"N": (37.96, 0.052), "K": (1.0, 0.0014)}


def test_nested_stack_is_part_of_its_parents_bill(tmp_path: Path) -> None:
    """Followed with the parent's parameters, and not priced twice."""
    (tmp_path / "child.json").write_text(json.dumps(template({"N": NAT})))
    nested = of_type("AWS::CloudFormation::Stack", {"TemplateURL": "./child.json"})
    (tmp_path / "root.json").write_text(json.dumps(template({"S": nested})))
    chosen = policy(tmp_path)
    found = estimate([tmp_path], chosen, prices.load())
    assert amounts(found) == {"N": (32.85, 0.045)}


def test_template_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """The rest is priced, and the exit code says so."""
    (tmp_path / "bad.yaml").write_text("Resources: {Q: {Type: 1}}\n# AWS::\n")
    (tmp_path / "good.json").write_text(json.dumps(template({"N": NAT})))
    (tmp_path / "other.yaml").write_text("- a list\n")
    found = estimate([tmp_path], policy(tmp_path), prices.load())
    assert (amounts(found), found.exit_code()) == ({"N": (32.85, 0.045)}, 3)
    assert [one.split(": ", 1)[1] for one in found.errors] == ["Q: Type is not text; name a type"]


# ---- ceilings, what stays, and age ----


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("idle_month_usd = 33.9", "PASS"), ("idle_month_usd = 33.8", "FAIL"),
        ("active_hour_usd = 0.05", "PASS"), ("active_hour_usd = 0.04", "FAIL"),
        ('[[cost.components]]\nname = "keys"\nmonth_usd = 1', "PASS"),
        ('[[cost.components]]\nname = "keys"\nmonth_eur = 0.9', "FAIL"),
        ('[[cost.components]]\nname = "x"\nresources = ["N"]\nmonth_usd = 32', "FAIL"),
    ],
)  # fmt: skip
def test_ceilings_decide(tmp_path: Path, text: str, verdict: str) -> None:
    """Sums and components beside theirs."""
    found = priced(tmp_path, {"N": NAT, "K": KEY}, text)
    assert (found.verdict, found.exit_code()) == (verdict, int(verdict == "FAIL"))


def test_rule_and_command_agree_on_our_templates() -> None:
    """Both say that our own stay under the plan's ceilings."""
    chosen = replace(ours(), today=TODAY)
    found = estimate([ROOT / "cloudformation"], chosen, prices.load(), DEV)
    sums = {one.name: round(one.usd, 2) for one in (*found.totals, *found.components)}
    assert sums == {
        "idle": 2.94, "active": 0.72, "with 25 active hours": 20.81,
        "ops": 0.01, "node": 19.45, "queue": 1.05, "waker": 0.01,
        "edge": 0.07, "router": 0.07, "queue-health": 0.02, "mail": 0.01,
        "guard": 0.02, "report": 0.01, "resize": 0.1,
    }  # fmt: skip
    assert (found.verdict, found.left, found.unknown) == ("PASS", [], [])


def test_what_stays_is_priced(tmp_path: Path) -> None:
    """What is kept whole goes on billing; a key waits for its end without a bill."""
    kept = {"N": {**NAT, "DeletionPolicy": "Retain"}, "K": KEY}
    found = priced(tmp_path, kept)
    assert [(one.resource, one.what, one.month_usd) for one in found.left] == [
        ("N", "stays after the stack: DeletionPolicy Retain", pytest.approx(32.85)),
        ("K", "waits 30 days for its deletion", None),
    ]
    assert found.verdict == "PASS"  # this policy lets it stay
    assert priced(tmp_path, kept, "nothing_survives = true").verdict == "FAIL"


def test_old_prices_are_a_complaint(tmp_path: Path) -> None:
    """In the output, and in the exit code."""
    path = tmp_path / "t.json"
    path.write_text(json.dumps(template({"N": NAT})))
    chosen = replace(policy(tmp_path), today=date(2027, 6, 1))
    found = estimate([path], chosen, prices.load())
    assert (found.verdict, found.exit_code()) == ("UNKNOWN", 1)
    assert "191 days old" in " ".join(cost_table.render(found).split())
    assert "191 days old" in json.loads(cost_json.render(found))["complaints"][0]


# ---- what AWS gives for ever ----

ALARM = of_type("AWS::CloudWatch::Alarm", {"MetricName": "M", "Period": 60})
FAST = of_type("AWS::CloudWatch::Alarm", {"MetricName": "M", "Period": 10})
PAIR = of_type(
    "AWS::CloudWatch::Alarm",
    {
        "Metrics": [
            {"Id": name, "MetricStat": {"Metric": {"MetricName": "M"}, "Period": 60, "Stat": "Sum"}}
            for name in ("a", "b")
        ]
    },
)
BOARD = of_type("AWS::CloudWatch::Dashboard", {"DashboardBody": "{}"})


def test_free_alarms_and_dashboards_are_deducted_once(tmp_path: Path) -> None:
    """As many as the policy names, in the order of the template; what is left over is billed."""
    resources = {"A": ALARM, "B": PAIR, "C": ALARM, "D": BOARD, "E": BOARD}
    free = "always_free = { alarm = 2, dashboard = 1 }"
    found = priced(tmp_path, resources, free)
    assert {n: usd for n, (usd, _) in amounts(found).items()} == {
        "A": 0.0, "B": 0.1, "C": 0.1, "D": 0.0, "E": 3.0,
    }  # fmt: skip
    assert found.totals[0].usd == pytest.approx(3.2)
    whats = {row.resource: row.charges[0].what for row in found.rows}
    assert whats == {
        "A": "alarm, 1 free", "B": "alarm on 2 metrics, 1 free", "C": "alarm",
        "D": "dashboard, 1 free", "E": "dashboard",
    }  # fmt: skip


def test_nothing_is_free_unless_the_policy_says_so(tmp_path: Path) -> None:
    """Other stacks of the account may have taken it; a high-resolution alarm is never free."""
    assert priced(tmp_path, {"A": ALARM}).totals[0].usd == pytest.approx(0.1)
    fast = priced(tmp_path, {"F": FAST}, "always_free = { alarm = 10 }")
    assert fast.totals[0].usd == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no free tier is deducted"),
        ("always_free = { alarm = 10 }", "of free tiers only 10 alarms are deducted"),
        ("always_free = { alarm = 10, dashboard = 3 }",
         "of free tiers only 10 alarms and 3 dashboards are deducted"),
    ],
)  # fmt: skip
def test_bill_says_what_it_deducts(tmp_path: Path, text: str, words: str) -> None:
    """In its last lines, as it says all that it assumes."""
    table = " ".join(cost_table.render(priced(tmp_path, {"A": ALARM}, text)).split())
    assert words in table
