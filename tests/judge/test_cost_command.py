"""`tl cost`: the bill as a table, as JSON and drawn; its verdict and its exit code."""

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.judge.commands import run
from tests.judge.factory import TODAY, of_type, ours, template
from tljudge.cli.clone import Clone
from tljudge.cli.errors import UsageError
from tljudge.cost.estimate import Estimate
from tljudge.cost.pricing import estimate
from tljudge.data import prices
from tljudge.engine import policy as policies
from tljudge.engine.policy import Policy
from tljudge.formatters import cost_chart, cost_json, cost_table

ROOT = Path(__file__).resolve().parents[2]
DEV = json.loads((ROOT / "cloudformation" / "parameters" / "dev.json").read_text())
NAT = of_type("AWS::EC2::NatGateway")
KEY = of_type("AWS::KMS::Key", {"Tags": [{"Key": "Component", "Value": "keys"}]})
SECTIONS: dict[str, Any] = {
    "Parameters": {
        "Turn": {"Type": "String", "Default": "off", "AllowedValues": ["off", "on"]},
        "Kind": {"Type": "String", "AllowedValues": ["t3.micro", "t3.small"]},
        "Chosen": {"Type": "String", "Default": "t3.micro",
                   "AllowedValues": ["t3.micro", "t3.small"]},
    },
    "Conditions": {
        "On": {"Fn::Equals": [{"Ref": "Turn"}, "on"]},
        "Here": {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-central-1"]},
    },
}  # fmt: skip


def machine(kind: Any) -> dict[str, Any]:
    properties = {
        "InstanceType": kind,
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/xvda",
             "Ebs": {"VolumeType": "gp3", "VolumeSize": 10, "DeleteOnTermination": True}}],
        "NetworkInterfaces": [{"AssociatePublicIpAddress": False}],
    }  # fmt: skip
    return of_type("AWS::EC2::Instance", properties)


def policy(folder: Path, text: str = "") -> Policy:
    path = folder / "policy.toml"
    path.write_text(f"[cost]\n{text}\n", "utf-8")
    return replace(policies.load(path), today=TODAY)


def priced(
    folder: Path,
    resources: dict[str, Any],
    text: str = "",
    given: dict[str, Any] | None = None,
    **sections: Any,
) -> Estimate:
    path = folder / "t.json"
    path.write_text(json.dumps(template(resources, **{**SECTIONS, **sections})))
    chosen = policy(folder, text)
    return estimate([path], chosen, prices.load(chosen.cost.prices), given)


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
    assert [one.split(": ", 1)[1] for one in found.errors] == ["Q: Type is no text; name a type"]


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
        "idle": 2.97, "active": 0.72, "with 25 active hours": 20.76,
        "ops": 0.0, "network": 0.3, "node": 19.45, "queue": 0.78,
        "edge": 0.17, "router": 0.07, "queue-health": 0.03, "mail": 0.0,
    }  # fmt: skip
    assert (found.verdict, found.left, found.unknown) == ("PASS", [], [])


def test_what_stays_is_priced(tmp_path: Path) -> None:
    """What is kept whole goes on billing; a key waits for its end without a bill."""
    kept = {"N": {**NAT, "DeletionPolicy": "Retain"}, "K": KEY}
    found = priced(tmp_path, kept)
    assert [(one.resource, one.what, one.month_usd) for one in found.left] == [
        ("N", "stays after the stack: DeletionPolicy Retain", pytest.approx(32.85)),
        ("K", "waits 30 days for its end", None),
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


# ---- how it is shown ----

HOSTILE = "\x1b[31mNode</text><script>alert(1)</script>"


def test_table_is_readable_at_80_columns_and_safe(tmp_path: Path) -> None:
    """Whole, once; and no line longer, whatever a resource is called."""
    found = priced(
        tmp_path,
        {"N": {**NAT, "Condition": "On", "DeletionPolicy": "Retain"}, "K": KEY},
        'on_demand = "On"\nidle_month_usd = 5\n[cost.usage]\nactive_hours_month = 10',
        {"Tags": {"Component": "network"}},
    )
    where = f"{tmp_path}/t.json:1"
    shown = cost_table.render(found).replace(where, "t.json:1")
    start, _, rest = shown.partition("after the stack is deleted:")
    assert start == (
        "resource                   what                                   idle   active\n"
        "USD, us-east-1                                                  /month    /hour\n"
        + "─" * 79 + "\n"
        "keys                                                              1.00   0.0014\n"
        "  K                        key                                    1.00   0.0014\n"
        + "─" * 79 + "\n"
        "network                                                              –   0.0450\n"
        "  N                        NAT gateway                               –   0.0450\n"
        "\n"
        "month, idle                       1.00 USD  within 5.00\n"
        "hour, active                    0.0464 USD\n"
        "month, with 10 active hours       1.45 USD\n"
        "\n"
    )  # fmt: skip
    assert " ".join(rest.split()).startswith(
        "t.json:1 N: stays after the stack: DeletionPolicy Retain, 32.85 USD a month "
        "t.json:1 K: waits 30 days for its end, not billed assumed of a month: 10 active hours, "
    )
    assert shown.endswith("cost: PASS: idle 1.00 USD a month, active 0.046 an hour\n")
    wild = priced(tmp_path, {HOSTILE: machine({"Ref": "Kind"}), "N" * 90: NAT})
    raw = cost_table.render(wild)
    assert "\x1b" not in raw
    assert max(map(len, raw.splitlines())) <= 80
    assert "\x1b[1m" in cost_table.render(wild, colour=True)


def test_json_has_what_the_contract_says(tmp_path: Path) -> None:
    """An amount that nobody knows is null; sources and assumptions stand beside the sums."""
    odd = of_type("AWS::Bedrock::Agent")
    found = priced(tmp_path, {"N": NAT, "A": odd}, "idle_month_usd = 100")
    document = json.loads(cost_json.render(found))
    assert document.keys() == {
        "schema_version", "verdict", "region", "prices", "assumed", "assumed_of", "not_counted",
        "free_tiers_deducted", "resources", "totals", "components", "survivors", "complaints",
        "errors",
    }  # fmt: skip
    assert (document["schema_version"], document["verdict"]) == (1, "UNKNOWN")
    by_name = {one["resource"]: one for one in document["resources"]}
    assert by_name["N"]["charges"] == [
        {"what": "NAT gateway", "when": "always", "per": "hour", "usd": 0.045, "why": "",
         "confirmed": True, "sources": ["https://aws.amazon.com/vpc/pricing/"]}
    ]  # fmt: skip
    assert by_name["A"]["charges"][0]["usd"] is None
    assert by_name["A"]["unknown"] == ["it: no list says what AWS::Bedrock::Agent bills"]
    assert document["totals"][0] == {
        "name": "idle", "unit": "month", "usd": 32.85, "ceiling_usd": 100.0, "over": False,
    }  # fmt: skip


def test_chart_is_a_picture_and_nothing_else(tmp_path: Path) -> None:
    """Well-formed, with the sums in it; a hostile name is text, and nothing is fetched or run."""
    found = priced(
        tmp_path,
        {HOSTILE: NAT, **{f"R{i}": KEY for i in range(14)}, "A": of_type("AWS::Bedrock::Agent")},
        "idle_month_usd = 40",
    )
    text = cost_chart.render(found)
    root = ET.fromstring(text)  # noqa: S314 - our own
    tags = {element.tag.rsplit("}", 1)[-1] for element in root.iter()}
    assert tags == {"svg", "title", "rect", "path", "text"}
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    words = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert "46.85 USD of 40.00" in words
    assert "and 5 more: 5.00" in words
    assert "1 amount is unknown: see tl cost" in words


def test_chart_of_nothing(tmp_path: Path) -> None:
    """What is free draws no bar, and no error."""
    found = priced(tmp_path, {"R": of_type("AWS::IAM::Role")})
    ET.fromstring(cost_chart.render(found))  # noqa: S314 - our own
    assert cost_table.render(found).startswith("no resource here is billed\n")


# ---- the command ----


def cost(*arguments: str) -> int:
    """`tl cost` in a clone."""
    return run("cost", *arguments, clone=Clone(root=ROOT))


def test_without_a_path_it_prices_this_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the repository, and from elsewhere."""
    monkeypatch.setattr(prices, "MAX_AGE_DAYS", 100_000)  # whatever day it is
    for folder in (ROOT, tmp_path):
        monkeypatch.chdir(folder)
        assert cost() == 0
        last = capsys.readouterr().out.splitlines()[-1]
        assert last == "cost: PASS: idle 2.97 USD a month, active 0.716 an hour"


def test_picture_in_the_docs_is_the_bill_of_today(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tl cost --chart docs/cost.svg` after a change of templates, policy or prices."""
    monkeypatch.setattr(prices, "MAX_AGE_DAYS", 100_000)  # whatever day it is
    monkeypatch.chdir(ROOT)
    chart = tmp_path / "cost.svg"
    assert cost("--chart", str(chart)) == 0
    assert chart.read_text() == (ROOT / "docs" / "cost.svg").read_text()


def test_command_writes_json_and_a_chart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The document alone on standard output."""
    monkeypatch.setattr(prices, "MAX_AGE_DAYS", 100_000)  # whatever day it is
    path, chart = tmp_path / "t.json", tmp_path / "c.svg"
    path.write_text(json.dumps(template({"N": NAT})))
    assert cost(str(path), "--json", "--chart", str(chart), "--region", "eu-central-1") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["totals"][0]["usd"] == 37.96
    assert err == f"cost: drew {chart}\n"
    assert chart.read_text().startswith("<svg ")


@pytest.mark.parametrize(
    "arguments",
    [("nowhere.json",), ("t.json", "--policy", "nowhere"), ("t.json", "--parameters", "nowhere"),
     ("t.json", "--region", "nowhere"), ("t.json", "--chart", "nowhere/c.svg")],
)  # fmt: skip
def test_usage_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """What the user named is not there."""
    monkeypatch.chdir(tmp_path)
    Path("t.json").write_text(json.dumps(template({"N": NAT})))
    with pytest.raises(UsageError, match="nowhere"):
        cost(*arguments)
