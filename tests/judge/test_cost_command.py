"""`tl cost`: the bill as a table, as JSON and drawn, and the command's exit code."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.judge.commands import run
from tests.judge.cost_bills import KEY, NAT, ROOT, machine, policy, priced
from tests.judge.factory import of_type, template
from tljudge.cli.clone import Clone
from tljudge.cli.errors import UsageError
from tljudge.cost.pricing import estimate
from tljudge.data import prices
from tljudge.formatters import cost_chart, cost_json, cost_table

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
        "t.json:1 K: waits 30 days for its deletion, not billed "
        "assumed of a month: 10 active hours, "
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
    assert by_name["A"]["unknown"] == ["it: the price file does not list AWS::Bedrock::Agent"]
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


def test_bill_without_a_template_names_no_sum(tmp_path: Path) -> None:
    """0.00 USD beside an error would read as a price."""
    (tmp_path / "t.yaml").write_text("Resources: [")
    found = estimate([tmp_path / "t.yaml"], policy(tmp_path), prices.load(), {})
    said, _, result = cost_table.render(found).partition("\n\n")
    assert "does not parse" in " ".join(said.split())
    assert result == "cost: COULD NOT FINISH: no template could be priced\n"


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
        assert last == "cost: PASS: idle 2.94 USD a month, active 0.719 an hour"


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
