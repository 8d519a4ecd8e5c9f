"""TL_COST_1: the sums stay under the ceilings of the policy."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.judge.cost_templates import (
    CEILINGS,
    ELSEWHERE,
    KEY,
    MACHINE,
    NAT,
    body,
    findings,
    policy,
)
from tests.judge.factory import DEFAULT, of_type, ours, template, word
from tljudge.rules import ALL


def test_without_ceilings_nothing_is_said_of_sums(tmp_path: Path) -> None:
    """The built-in policy suits any project; the rule is not even asked."""
    assert word(tmp_path, CEILINGS, body(N=NAT, X=of_type("AWS::Bedrock::Agent"))) == "PASS"
    rule = next(rule for rule in ALL if rule.id == CEILINGS)
    assert rule.applies(DEFAULT) is False
    assert rule.applies(ours()) is True


@pytest.mark.parametrize(
    ("ceiling", "expected"),
    [("idle_month_usd = 34", "PASS"), ("idle_month_usd = 33.84", "FAIL"),
     ("idle_month_eur = 33", "PASS"), ("idle_month_eur = 32", "FAIL"),
     ("active_hour_usd = 0.05", "PASS"), ("active_hour_usd = 0.04", "FAIL")],
)  # fmt: skip
def test_ceiling_holds_or_not(tmp_path: Path, ceiling: str, expected: str) -> None:
    """NAT 32.85 and a key 1.00 a month; a ceiling in euro at the rate of the price file."""
    chosen = policy(tmp_path, ceiling)
    assert word(tmp_path, CEILINGS, body(N=NAT, K=KEY), policy=chosen) == expected


def test_sum_is_a_finding_of_what_costs_most(tmp_path: Path) -> None:
    """It lists the parts, and the combination that has them."""
    made = body(K=KEY, N={**NAT, "Condition": "On"}, S=of_type("AWS::SecretsManager::Secret"))
    found = findings(tmp_path, made, policy=policy(tmp_path, "idle_month_usd = 3"))
    assert [(o.rule, o.resource, o.verdict, o.message, o.scenario) for o in found] == [
        (CEILINGS, "N", "FAIL",
         "an idle month costs 34.25 USD, over 3.00: 32.85 N, 1.00 K, 0.40 S", {"Turn": "on"})
    ]  # fmt: skip


def test_idle_is_without_the_on_demand_part(tmp_path: Path) -> None:
    """Behind the condition it counts for an active hour only."""
    made = body(K=KEY, N={**NAT, "Condition": "On"})
    idle = policy(tmp_path, 'on_demand = "On"\nidle_month_usd = 1')
    assert word(tmp_path, CEILINGS, made, policy=idle) == "PASS"
    hour = policy(tmp_path, 'on_demand = "On"\nactive_hour_usd = 0.045')
    found = findings(tmp_path, made, policy=hour)
    assert [(o.resource, o.message, o.scenario) for o in found] == [
        ("N", "an active hour costs 0.05 USD, over 0.04: 0.04 N, 0.00 K", {"Turn": "on"})
    ]


def test_on_demand_by_a_parameter(tmp_path: Path) -> None:
    """Where no condition has a name of its own."""
    made = body(K=KEY, N={**NAT, "Condition": "On"})
    chosen = policy(tmp_path, 'on_demand = "Turn=on"\nidle_month_usd = 1')
    assert word(tmp_path, CEILINGS, made, policy=chosen) == "PASS"


def test_stopped_instance_counts_as_idle(tmp_path: Path) -> None:
    """Its volume bills; running, it is as dear as the dearest type it may have."""
    made = body(Node=of_type("AWS::EC2::Instance", MACHINE))
    idle = policy(tmp_path, "idle_month_usd = 3")
    assert word(tmp_path, CEILINGS, made, policy=idle) == "FAIL"
    still = '[[cost.stopped]]\nresource = "Node"\nreason = "r"\nruns_as = ["g4dn.xlarge"]'
    stopped = policy(tmp_path, f"idle_month_usd = 3\n{still}")
    assert word(tmp_path, CEILINGS, made, policy=stopped) == "PASS"
    hour = policy(tmp_path, f"active_hour_usd = 0.5\n{still}")
    found = findings(tmp_path, made, policy=hour)
    assert [(o.resource, o.message) for o in found] == [
        ("Node", "an active hour costs 0.53 USD, over 0.50: 0.53 Node")
    ]


@pytest.mark.parametrize(
    ("resource", "ceiling", "expected"),
    [
        (of_type("AWS::Bedrock::Agent"), "idle_month_usd", "UNKNOWN"),
        (of_type("AWS::RDS::DBInstance", {"DBClusterIdentifier": "c"}), "idle_month_usd",
         "UNKNOWN"),
        (of_type("AWS::EC2::Instance", {**MACHINE, "InstanceType": {"Ref": "Free"}}),
         "idle_month_usd", "UNKNOWN"),
        (of_type("AWS::CodeBuild::Project"), "idle_month_usd", "PASS"),
        (of_type("AWS::CodeBuild::Project"), "active_hour_usd", "UNKNOWN"),
        (of_type("AWS::IAM::Group"), "idle_month_usd", "PASS"),
        (of_type("AWS::CloudFormation::Stack", {"TemplateURL": ELSEWHERE}), "idle_month_usd",
         "UNKNOWN"),
    ],
)  # fmt: skip
def test_unknown_price_is_never_free(
    tmp_path: Path, resource: dict[str, Any], ceiling: str, expected: str
) -> None:
    """What bills by use alone costs nothing while idle."""
    chosen = policy(tmp_path, f"{ceiling} = 1000")
    assert word(tmp_path, CEILINGS, body(R=resource), policy=chosen) == expected


def test_component_has_a_ceiling_of_its_own(tmp_path: Path) -> None:
    """By its tag, also from a stack tag, or by names; for a month of the assumed use."""
    tagged = of_type("AWS::SNS::Topic", {"Tags": [{"Key": "Component", "Value": "mail"}]})
    made = body(T=tagged, K=KEY)
    usage = "[cost.usage]\nrequests_month = 1_000_000"

    def by(ceiling: float, names: str = "") -> str:
        part = f'[[cost.components]]\nname = "mail"\nmonth_usd = {ceiling}\n{names}\n'
        return word(tmp_path, CEILINGS, made, policy=policy(tmp_path, part + usage))

    assert (by(0.5), by(0.49)) == ("PASS", "FAIL")
    assert (by(1.0, 'resources = ["K"]'), by(0.99, 'resources = ["K*"]')) == ("PASS", "FAIL")
    assert by(0.0, 'resources = ["Nothing*"]') == "PASS"
    stack = {"Tags": {"Component": "mail"}}
    part = '[[cost.components]]\nname = "mail"\nmonth_usd = 1.4\n'
    chosen = policy(tmp_path, part + usage)
    assert word(tmp_path, CEILINGS, made, policy=chosen, given=stack) == "FAIL"


def test_component_adds_idle_and_active_hours(tmp_path: Path) -> None:
    """1 USD of key all month, and a NAT for 10 hours."""
    made = body(K=KEY, N={**NAT, "Condition": "On"})
    part = '[[cost.components]]\nname = "x"\nresources = ["*"]\nmonth_usd = '
    usage = "\n[cost.usage]\nactive_hours_month = 10"
    demand = 'on_demand = "On"\n'
    within = policy(tmp_path, f"{demand}{part}1.46{usage}")
    assert word(tmp_path, CEILINGS, made, policy=within) == "PASS"
    over = policy(tmp_path, f"{demand}{part}1.44{usage}")
    found = findings(tmp_path, made, policy=over)
    assert [(o.resource, o.message) for o in found] == [
        ("K", "a month of x costs 1.45 USD, over 1.44: 1.00 K, 0.45 N")
    ]


def test_old_prices_are_a_finding(tmp_path: Path) -> None:
    """Never silence; once, on the first resource that bills."""
    chosen = replace(policy(tmp_path, "idle_month_usd = 100"), today=date(2027, 6, 1))
    found = findings(tmp_path, body(G=of_type("AWS::IAM::Group"), K=KEY, N=NAT), policy=chosen)
    assert [(o.rule, o.resource, o.verdict) for o in found] == [(CEILINGS, "K", "UNKNOWN")]
    assert "191 days old, and the limit is 180" in found[0].message


def test_every_combination_is_priced_or_said_not_to_be(tmp_path: Path) -> None:
    """Twenty independent switches are a million combinations."""
    names = [f"P{i}" for i in range(20)]
    made = template(
        {f"R{i}": {**NAT, "Condition": f"C{i}"} for i in range(20)},
        Parameters={n: {"Type": "String", "AllowedValues": ["a", "b"]} for n in names},
        Conditions={f"C{i}": {"Fn::Equals": [{"Ref": n}, "a"]} for i, n in enumerate(names)},
    )
    found = findings(tmp_path, made, policy=policy(tmp_path, "idle_month_usd = 100"))
    assert {(o.resource, o.verdict) for o in found if o.rule == CEILINGS} == {
        ("R0", "FAIL"),
        ("R0", "UNKNOWN"),
    }
