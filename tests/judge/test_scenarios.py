"""Scenarios: reachable ones only, and all of them; nested stacks with their parent's parameters."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.judge.factory import DEFAULT, TAGS, TODAY, findings, of_type, template, word
from tljudge.runner.check import check

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
        "no combination of parameters can be deployed: a map has no key nobody",
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


CHOOSE = {"Fn::If": ["Open", "0.0.0.0/0", "10.0.0.0/8"]}


def ruled(*rules: dict[str, Any], **stage: Any) -> dict[str, Any]:
    """A group that is open when Exposure is open, in a template with rules."""
    return template(
        {"G": group(CHOOSE)},
        Parameters={
            "Exposure": {
                "Type": "String",
                "Default": "closed",
                "AllowedValues": ["closed", "open"],
            },
            "Stage": {"Type": "String", **(stage or {"AllowedValues": ["dev", "prod"]})},
            "Zones": {"Type": "CommaDelimitedList", "Default": "a,b"},
        },
        Conditions={"Open": equals("Exposure", "open"), "Prod": equals("Stage", "prod")},
        Rules={f"R{i}": rule for i, rule in enumerate(rules)},
    )


def asserts(assertion: Any, condition: Any = None) -> dict[str, Any]:
    rule = {"Assertions": [{"Assert": assertion, "AssertDescription": "not so"}]}
    return rule if condition is None else rule | {"RuleCondition": condition}


@pytest.mark.parametrize(
    "assertion",
    [
        equals("Exposure", "closed"),
        {"Fn::Not": [equals("Exposure", "open")]},
        {"Fn::Contains": [["closed", "shut"], {"Ref": "Exposure"}]},
        {"Fn::And": [equals("Stage", "dev"), equals("Exposure", "closed")]},
        {"Fn::Or": [equals("Exposure", "closed"), {"Fn::Contains": [["z"], {"Ref": "Exposure"}]}]},
        {"Fn::EachMemberIn": [[{"Ref": "Exposure"}], ["closed"]]},
        {"Fn::EachMemberEquals": [[{"Ref": "Exposure"}], "closed"]},
        {"Fn::EachMemberIn": [{"Ref": "Zones"}, ["a"]]},
        False,
    ],
    ids=["equals", "not", "contains", "and", "or", "each in", "each equals", "list", "never"],
)  # fmt: skip
def test_combination_that_a_rule_of_the_template_forbids_is_unreachable(
    tmp_path: Path, assertion: Any
) -> None:
    """What CloudFormation refuses to deploy is no counter-example."""
    assert word(tmp_path, EGRESS, ruled()) == "FAIL"
    assert word(tmp_path, EGRESS, ruled(asserts(assertion, equals("Exposure", "open")))) == "PASS"


@pytest.mark.parametrize(
    "rule",
    [
        asserts(equals("Stage", "dev")),
        asserts(equals("Exposure", "closed"), equals("Stage", "prod")),
        asserts(equals("Exposure", "open")),
        asserts({"Fn::Contains": [{"Fn::RefAll": "AWS::EC2::VPC::Id"}, {"Ref": "Exposure"}]}),
        asserts({"Fn::EachMemberIn": [{"Fn::ValueOfAll": ["AWS::EC2::VPC::Id", "x"]}, ["y"]]}),
        asserts({"Fn::Equals": [{"Fn::ValueOf": ["Exposure", "x"]}, "y"]}),
        asserts({"Fn::Contains": [["a"]]}),
        asserts("closed"),
        asserts({"Fn::Not": [{"Fn::Sometimes": []}]}),
        {"Assertions": "none"},
        {"Assertions": [equals("Exposure", "closed")]},
        "no rule",
    ],
)
def test_rule_that_is_not_decided_forbids_nothing(tmp_path: Path, rule: Any) -> None:
    """It depends on what was not asked for, or nobody understands it."""
    assert word(tmp_path, EGRESS, ruled(rule)) == "FAIL"


def test_rule_names_values_that_its_parameter_may_have(tmp_path: Path) -> None:
    """The default is forbidden, so the value that the rule wants is judged."""
    body = template(
        {"G": group({"Ref": "Range"})},
        Parameters={"Range": {"Type": "String", "Default": "10.0.0.0/8"}},
        Rules={"R": asserts({"Fn::Contains": [["0.0.0.0/0", "10.1.0.0/16"], {"Ref": "Range"}]})},
    )
    (found,) = findings(tmp_path, body)
    assert (found.verdict, found.scenario) == ("FAIL", {"Range": "0.0.0.0/0"})


def test_template_that_forbids_everything_is_unknown(tmp_path: Path) -> None:
    """Nothing can be deployed, and it says which rule is why."""
    found = findings(tmp_path, ruled(asserts(False)))
    assert {(one.verdict, one.message) for one in found} == {
        ("UNKNOWN", "no combination of parameters can be deployed: rule R0 forbids it: not so")
    }


def test_rule_of_a_nested_stack_forbids_what_its_parent_passes(tmp_path: Path) -> None:
    """The child refuses the world, so the parent cannot open it."""
    child = template(
        {"G": group({"Ref": "Range"})},
        Parameters={"Range": {"Type": "String"}},
        Rules={"R": asserts({"Fn::Not": [equals("Range", "0.0.0.0/0")]})},
    )
    inside = {"TemplateURL": "./child.json", "Parameters": {"Range": CHOOSE}}
    parent = ruled() | {"Resources": {"N": of_type("AWS::CloudFormation::Stack", inside)}}
    (tmp_path / "t.json").write_text(json.dumps(parent))
    for rules, verdicts in ((child["Rules"], set()), ({}, {"FAIL"})):
        (tmp_path / "child.json").write_text(json.dumps(child | {"Rules": rules}))
        found = check([tmp_path / "t.json"], DEFAULT, {"Tags": TAGS}, today=TODAY)
        assert found.errors == []
        assert {one.verdict for one in found.findings} == verdicts


@pytest.mark.parametrize("passed", [{"Ref": "Switch"}, {"Fn::Sub": "${Switch}"}])
@pytest.mark.parametrize("declared", [{"Default": "off"}, {}])
def test_switch_that_only_a_nested_stack_looks_at_is_turned_on(
    tmp_path: Path, passed: Any, declared: dict[str, Any]
) -> None:
    """The parent compares it with nothing; what the child compares it with is tried."""
    child = template(
        {"G": group("0.0.0.0/0") | {"Condition": "On"}},
        Parameters={"Given": {"Type": "String"}},
        Conditions={"On": equals("Given", "on")},
    )
    (tmp_path / "child.json").write_text(json.dumps(child))
    parameters = {"Switch": {"Type": "String", **declared}}
    body = {"TemplateURL": "./child.json", "Parameters": {"Given": passed}}
    parent = template({"C": of_type("AWS::CloudFormation::Stack", body)}, Parameters=parameters)
    found = [one for one in findings(tmp_path, parent) if one.rule == EGRESS]
    assert [(one.resource, one.scenario) for one in found] == [("G", {"Switch": "on"})]


@pytest.mark.parametrize(
    ("key", "expected"),
    [({"Ref": "AWS::Region"}, "FAIL"), ({"Fn::ImportValue": "k"}, "FAIL"), ("here", "PASS")],
)
def test_default_of_a_lookup_is_looked_at(tmp_path: Path, key: Any, expected: str) -> None:
    """Where nobody knows the key, it may be one that the map has not."""
    cidr = {"Fn::FindInMap": ["M", key, "cidr", {"DefaultValue": "0.0.0.0/0"}]}
    body = template(
        {"G": group(cidr)},
        Mappings={"M": {"here": {"cidr": "10.0.0.0/8"}}},
        Transform="AWS::LanguageExtensions",
    )
    assert word(tmp_path, EGRESS, body) == expected


@pytest.mark.parametrize(
    "declared",
    [
        {"Default": "{{resolve:ssm:/mutant/value}}"},
        {"Default": {"Fn::Sub": "s3:GetObject"}},
        {"Default": "s3:GetObject", "AllowedValues": ["s3:GetObject", {"Ref": "Other"}]},
    ],
)
def test_parameter_whose_declared_value_is_no_literal_is_not_known(
    tmp_path: Path, declared: dict[str, Any]
) -> None:
    """Only the deployment knows what a dynamic reference stands for, so nothing passes by it."""
    statement = {"Effect": "Allow", "Action": {"Ref": "Asked"}, "Resource": "arn:aws:s3:::bucket"}
    policy = of_type("AWS::IAM::ManagedPolicy", {"PolicyDocument": {"Statement": [statement]}})
    body = template({"Policy": policy}, Parameters={"Asked": {"Type": "String", **declared}})

    assert word(tmp_path, "TL_IAM_1", body) == "UNKNOWN"
