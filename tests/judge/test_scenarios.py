"""Scenarios: reachable ones only, and all of them; nested stacks with their parent's parameters."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from compliance.check import check
from tests.judge.factory import DEFAULT, TAGS, TODAY, findings, of_type, template, word

EGRESS = "TL_EGRESS_1"


def group(cidr: Any) -> dict[str, Any]:
    rule = {"IpProtocol": "-1", "CidrIp": cidr}
    return of_type("AWS::EC2::SecurityGroup", {"SecurityGroupEgress": [rule]})


def equals(name: str, value: str) -> dict[str, Any]:
    return {"Fn::Equals": [{"Ref": name}, value]}


def test_correlated_conditions_stay_correlated(tmp_path: Path) -> None:
    """The world only where both hold, and they exclude each other."""
    inner = {"Fn::If": ["B", "0.0.0.0/0", "10.0.0.0/8"]}
    sections = {
        "Parameters": {"S": {"Type": "String"}},
        "Conditions": {"A": equals("S", "a"), "B": equals("S", "b")},
    }
    body = template({"G": group({"Fn::If": ["A", inner, "10.0.0.0/8"]})}, **sections)
    assert word(tmp_path, EGRESS, body) == "PASS"
    sections["Conditions"]["B"] = {"Fn::Not": [{"Condition": "A"}]}
    assert word(tmp_path, EGRESS, body | sections) == "PASS"
    sections["Conditions"]["B"] = {"Fn::Or": [{"Condition": "A"}, equals("S", "c")]}
    assert word(tmp_path, EGRESS, body | sections) == "FAIL"


def test_counter_example_names_the_values_that_break_it(tmp_path: Path) -> None:
    """Two parameters together, a given one among them."""
    both = {"Fn::And": [equals("A", "on"), equals("B", "on")]}
    body = template(
        {"G": group({"Fn::If": ["Both", "0.0.0.0/0", "10.0.0.0/8"]})},
        Parameters={"A": {"Type": "String", "Default": "off"}, "B": {"Type": "String"}},
        Conditions={"Both": both},
    )
    (found,) = findings(tmp_path, body, given={"Parameters": {"A": "off"}, "Tags": TAGS})
    assert found.scenario == {"A": "on", "B": "on"}


def test_condition_nobody_can_know_is_looked_at_both_ways(tmp_path: Path) -> None:
    """Another stack's value decides, so both branches are judged."""
    unclear = {"Fn::Equals": [{"Fn::ImportValue": "x"}, "y"]}
    body = template(
        {"G": group({"Fn::If": ["C", "10.0.0.0/8", "0.0.0.0/0"]})}, Conditions={"C": unclear}
    )
    assert word(tmp_path, EGRESS, body) == "FAIL"


def test_cap_is_reported(tmp_path: Path) -> None:
    """What was not looked at is never passed over."""
    names = [f"P{i}" for i in range(20)]
    rules = [
        {"Fn::If": [n, {"IpProtocol": "-1", "CidrIp": "10.0.0.0/8"}, {"Ref": "AWS::NoValue"}]}
        for n in names
    ]
    ends = {"IpProtocol": "-1", "CidrIp": "10.0.0.0/8"}
    body = template(
        {"G": of_type("AWS::EC2::SecurityGroup", {"SecurityGroupEgress": [ends, *rules]})},
        Parameters={n: {"Type": "String", "Default": "a"} for n in names},
        Conditions={n: equals(n, "b") for n in names},
    )
    (found,) = findings(tmp_path, body, policy=replace(DEFAULT, scenario_cap=64))
    assert (found.rule, found.verdict) == (EGRESS, "UNKNOWN")
    assert found.message.startswith("more than 64 combinations")


def test_intrinsics_are_resolved(tmp_path: Path) -> None:
    """Each way to write the world."""
    sections = {
        "Parameters": {"Ranges": {"Type": "CommaDelimitedList", "Default": "10.0.0.0/8,0.0.0.0/0"}},
        "Mappings": {"M": {"a": {"b": "0.0.0.0/0"}}},
    }
    for cidr in (
        {"Fn::Select": [1, {"Ref": "Ranges"}]},
        {"Fn::Select": ["1", {"Fn::Split": ["|", "x|0.0.0.0/0"]}]},
        {"Fn::Sub": ["${A}.0.0/0", {"A": "0.0"}]},
        {"Fn::Join": ["", ["0.0.0.0/", 0]]},
        {"Fn::FindInMap": ["M", "a", "b"]},
        {"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "b"]},
    ):
        assert word(tmp_path, EGRESS, template({"G": group(cidr)}, **sections)) == "FAIL", cidr


def test_lookup_that_cannot_be_deployed_is_unknown(tmp_path: Path) -> None:
    """Every combination ends in a map that has no such key."""
    cidr = {"Fn::FindInMap": ["M", "a", "nobody"]}
    body = template({"G": group(cidr)}, Mappings={"M": {"a": {"b": "c"}}})
    (found,) = findings(tmp_path, body)
    assert (found.verdict, found.message) == (
        "UNKNOWN",
        "no combination can be deployed: a map has no key nobody",
    )


def nest(folder: Path, passed: str) -> list[tuple[str, str, dict[str, str]]]:
    (folder / "child.yaml").write_text(
        "Parameters: {Range: {Type: String}}\nResources:\n  G:\n    Type: AWS::EC2::SecurityGroup\n"
        "    Properties:\n      SecurityGroupEgress: [{IpProtocol: '-1', CidrIp: !Ref Range}]\n"
    )
    (folder / "parent.yaml").write_text(
        "Parameters: {Open: {Type: String, AllowedValues: ['no', 'yes']}}\n"
        "Conditions: {Open: !Equals [!Ref Open, 'yes']}\n"
        "Resources:\n  Child:\n    Type: AWS::CloudFormation::Stack\n    Properties:\n"
        f"      TemplateURL: ./child.yaml\n      Parameters: {{Range: {passed}}}\n"
    )
    found = check([folder], DEFAULT, {"Tags": TAGS}, today=TODAY)
    assert found.errors == []
    return [(Path(f.file).name, f.verdict, f.scenario) for f in found.findings]


def test_nested_stack_is_judged_with_what_its_parent_passes(tmp_path: Path) -> None:
    """The finding stands in the child, its counter-example names the parent's parameter."""
    assert nest(tmp_path, "10.0.0.0/8") == []
    assert nest(tmp_path, "!If [Open, 0.0.0.0/0, 10.0.0.0/8]") == [
        ("child.yaml", "FAIL", {"Open": "yes"})
    ]
    assert nest(tmp_path, "!ImportValue x") == [("child.yaml", "UNKNOWN", {})]


def test_nested_stack_elsewhere_is_shown(tmp_path: Path) -> None:
    """A template behind a URL was not looked at."""
    body = template({"N": of_type("AWS::CloudFormation::Stack", {"TemplateURL": "https://x/y"})})
    (tmp_path / "t.json").write_text(json.dumps(body))
    found = check([tmp_path / "t.json"], DEFAULT, {"Tags": TAGS}, today=TODAY)
    assert found.summary["not_followed"] == [f"{tmp_path}/t.json:1 N"]
