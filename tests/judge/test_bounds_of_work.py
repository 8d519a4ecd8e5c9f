"""Combinations, memory and processes: what lies beyond a bound is reported, never passed over.

The numbers stand here a second time on purpose: a bound that grows makes a test fail.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.judge.factory import DEFAULT, TAGS, TODAY, findings, of_type, template, word
from tljudge.engine import evaluate
from tljudge.engine.cost_policy import Ceiling
from tljudge.engine.evaluate import Judged
from tljudge.engine.policy import Policy
from tljudge.engine.rule import Verdict
from tljudge.resolve.deployment import Resource
from tljudge.resolve.scenarios import Choices, Memo, TooMany, explore
from tljudge.rules import ALL
from tljudge.runner import check as runner
from tljudge.runner import pool


def test_memo_remembers_a_million_values() -> None:
    """What comes later is computed again, and the same."""
    memo = Memo()
    computed: list[str] = []

    def compute() -> str:
        computed.append("now")
        return "value"

    memo.stored = 999_999
    for key in ("first", "first", "second", "second"):
        assert memo.get_or_compute(Choices(), key, compute) == "value"
    assert len(computed) == 3


def test_exploration_ends_at_its_cap() -> None:
    """Of 256 combinations unless the caller says another; beyond it, it says so."""
    for bits, is_too_many in ((8, False), (9, True)):
        seen = 0
        try:
            for choices in explore(Choices()):
                seen += 1
                for bit in range(bits):
                    choices.choose(str(bit), str(bit), (True, False))
        except TooMany:
            assert is_too_many
        else:
            assert not is_too_many
        assert seen == 256


def chosen(count: int) -> dict[str, Any]:
    """Sections with so many conditions, each of a parameter of its own."""
    return {
        "Parameters": {
            f"P{i}": {"Type": "String", "AllowedValues": ["a", "b"]} for i in range(count)
        },
        "Conditions": {f"C{i}": {"Fn::Equals": [{"Ref": f"P{i}"}, "a"]} for i in range(count)},
    }


def test_ten_thousand_combinations_of_a_deployment_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all its resources together, and the rest is reported."""
    monkeypatch.setattr(evaluate, "MAX_SECONDS", 60.0)  # the time is another bound
    rules = [
        {"IpProtocol": "-1", "CidrIp": {"Fn::If": [f"C{i}", "10.0.0.0/8", "10.0.0.0/9"]}}
        for i in range(8)
    ]
    for groups, messages in ((39, set()), (41, {"more than 10000 combinations"})):
        made = of_type("AWS::EC2::SecurityGroup", {"SecurityGroupEgress": rules})
        body = template({f"G{i:02}": made for i in range(groups)}, **chosen(8))
        found = findings(tmp_path, body, name="t.json")
        said = {one.message for one in found if one.rule == "TL_TEMPLATE_1"}
        assert {one.split(":")[0] for one in said} == messages


def test_ceilings_price_twenty_thousand_resources(tmp_path: Path) -> None:
    """In all scenarios together: many resources leave few scenarios, and it is said."""
    ceiling = replace(DEFAULT.cost, idle_month=Ceiling(1e9, "USD"), region="us-east-1")
    policy = replace(DEFAULT, cost=ceiling, scenario_cap=256)
    for topics, verdict in ((100, "PASS"), (994, "UNKNOWN")):
        made = {f"T{i}": of_type("AWS::SNS::Topic") for i in range(topics)}
        for i in range(5):
            made[f"A{i}"] = of_type("AWS::EC2::EIP", {"Domain": "vpc"}, Condition=f"C{i}")
        body = template(made, **chosen(5))
        assert word(tmp_path, "TL_COST_1", body, policy=policy, name="t.json") == verdict


def test_eight_scenarios_are_priced_however_many_resources(tmp_path: Path) -> None:
    """Three nested stacks of 900: twenty thousand would be fewer than eight times those."""
    topics = template({f"T{i}": of_type("AWS::SNS::Topic") for i in range(900)})
    (tmp_path / "child.json").write_text(json.dumps(topics))
    inside = {"TemplateURL": "./child.json"}
    made = {f"N{i}": of_type("AWS::CloudFormation::Stack", inside) for i in range(3)}
    for i in range(3):
        made[f"A{i}"] = of_type("AWS::EC2::EIP", {"Domain": "vpc"}, Condition=f"C{i}")
    ceiling = replace(DEFAULT.cost, idle_month=Ceiling(1e9, "USD"), region="us-east-1")
    body = template(made, **chosen(3))
    policy = replace(DEFAULT, cost=ceiling)
    assert word(tmp_path, "TL_COST_1", body, policy=policy, name="t.json") == "PASS"


def test_ceiling_names_the_four_dearest(tmp_path: Path) -> None:
    """And counts the rest."""
    made = {f"A{i}": of_type("AWS::EC2::EIP", {"Domain": "vpc"}) for i in range(10)}
    ceiling = replace(DEFAULT.cost, idle_month=Ceiling(1.0, "USD"), region="us-east-1")
    found = findings(tmp_path, template(made), policy=replace(DEFAULT, cost=ceiling))
    (message,) = [one.message for one in found if one.rule == "TL_COST_1"]
    assert (message.count(" A"), "6 more" in message) == (4, True), message


def test_rule_is_asked_no_more_when_time_ran_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every fourth combination looks at the clock."""
    asked = []

    def ask(resource: Resource, policy: Policy) -> Iterator[Verdict]:
        asked.append(resource.get("DisplayName"))
        yield from ()

    monkeypatch.setattr(evaluate, "MAX_SECONDS", -1.0)
    rule = replace(ALL[0], types=("AWS::SNS::Topic",), check=ask)
    name: Any = {"Fn::Join": ["", [{"Fn::If": [f"C{i}", "a", "b"]} for i in range(6)]]}
    path = tmp_path / "t.json"
    path.write_text(
        json.dumps(template({"T": of_type("AWS::SNS::Topic", {"DisplayName": name})}, **chosen(6)))
    )
    found = runner.check([path], DEFAULT, {"Tags": TAGS}, rules=[rule], today=TODAY)
    assert found.errors == []
    assert len(asked) == 4


def test_few_files_start_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From twenty on a second process is worth its start."""
    started: list[int] = []
    really = pool.judged

    def judged(tasks: Sequence[pool.Task], *more: Any) -> list[Judged]:
        started.append(len(tasks))
        return really(tasks, *more)

    monkeypatch.setattr(pool, "judged", judged)
    for files in (19, 20):
        folder = tmp_path / str(files)
        folder.mkdir()
        for index in range(files):
            (folder / f"{index}.json").write_text(json.dumps(template({"T": of_type("A::B::C")})))
        assert (
            runner.check([folder], DEFAULT, {"Tags": TAGS}, today=TODAY, processes=2).errors == []
        )
    assert started == [20]
