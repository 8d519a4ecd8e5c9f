"""Security groups: what leaves, in every spelling."""

from pathlib import Path
from typing import Any

import pytest

from tests.judge.factory import findings, of_type, ours, template, word

GROUP = "AWS::EC2::SecurityGroup"
RULE = "TL_EGRESS_1"


def to(cidr: Any = "10.0.0.0/16", **more: Any) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": cidr, **more}


def group(*rules: Any, **sections: Any) -> dict[str, Any]:
    return template({"G": of_type(GROUP, {"SecurityGroupEgress": list(rules)})}, **sections)


def test_omitted_egress_is_allow_all_in_the_scenario_that_has_the_group(tmp_path: Path) -> None:
    """A group that is off by default is judged as it is when somebody turns it on."""
    text = """\
Parameters:
  UseGpu: {Type: String, Default: "false"}
Conditions:
  Gpu: !Equals [!Ref UseGpu, "true"]
Resources:
  G:
    Type: AWS::EC2::SecurityGroup
    Condition: Gpu
    Properties: {GroupDescription: x}
"""
    (found,) = findings(tmp_path, text)
    assert found.as_json() == {
        "rule": RULE,
        "verdict": "FAIL",
        "file": str(tmp_path / "t.yaml"),
        "line": 6,
        "column": 3,
        "resource": "G",
        "message": "no egress declared, so AWS allows all",
        "fix": "declare SecurityGroupEgress with private ranges, groups or prefix lists only",
        "scenario": {"UseGpu": "true"},
        "waived": False,
        "reason": "",
        "baselined": False,
    }


@pytest.mark.parametrize(
    "rule",
    [
        to("0.0.0.0/0"), to("0.0.0.0/0", IpProtocol="-1"), to("0.0.0.0/0", IpProtocol=-1),
        to("0.0.0.0/0", IpProtocol="all"), to("0.0.0.0/0", IpProtocol="6"),
        {"IpProtocol": "tcp", "CidrIp": "0.0.0.0/0"}, to("0.0.0.0/0", FromPort=0, ToPort=65535),
        {"IpProtocol": "-1", "CidrIpv6": "::/0"}, {"IpProtocol": "-1", "CidrIpv6": "0::/0"},
        {"IpProtocol": "-1", "CidrIpv6": "0:0:0:0:0:0:0:0/0"}, to("8.8.8.8/32"), to("banana"),
        to({"Ref": "World"}), to({"Fn::If": ["C", "0.0.0.0/0", "10.0.0.0/8"]}),
        to({"Fn::Sub": "${Any}/0"}), {"DestinationPrefixListId": "pl-00000000"},
    ],
)  # fmt: skip
def test_way_to_the_internet_fails(tmp_path: Path, rule: dict[str, Any]) -> None:
    """Every spelling of the world, also behind a parameter or a branch."""
    sections = {
        "Parameters": {
            "World": {"Type": "String", "AllowedValues": ["10.0.0.0/8", "0.0.0.0/0"]},
            "S": {"Type": "String", "AllowedValues": ["a", "b"]},
            "Any": {"Type": "String"},
        },
        "Conditions": {"C": {"Fn::Equals": [{"Ref": "S"}, "b"]}},
    }
    assert word(tmp_path, RULE, group(rule, **sections)) == "FAIL"


@pytest.mark.parametrize("rules", [[], [{"Ref": "AWS::NoValue"}], [to({"Ref": "AWS::NoValue"})]])
def test_nothing_left_is_allow_all(tmp_path: Path, rules: list[Any]) -> None:
    """An empty list, and one whose elements or destinations are taken away."""
    assert word(tmp_path, RULE, group(*rules)) == "FAIL"


@pytest.mark.parametrize(
    "rule",
    [
        to("127.0.0.1/32", IpProtocol="-1"),
        {"IpProtocol": "icmp", "FromPort": 252, "ToPort": 86, "CidrIp": "255.255.255.255/32"},
        {"IpProtocol": "-1", "DestinationSecurityGroupId": {"Ref": "Other"}},
        to("10.20.0.0/22"), to({"Fn::GetAtt": ["Vpc", "CidrBlock"]}), to({"Ref": "Range"}),
        {"IpProtocol": "tcp", "DestinationPrefixListId": "pl-66a5400f"},
    ],
)  # fmt: skip
def test_private_destination_passes(tmp_path: Path, rule: dict[str, Any]) -> None:
    """Nowhere, another group, the VPC's range, a listed range, a gateway's prefix list."""
    body = group(rule, Parameters={"Range": {"Type": "String"}})
    body["Resources"]["Vpc"] = of_type("AWS::EC2::VPC", {"CidrBlock": {"Ref": "Range"}})
    body["Resources"]["Other"] = of_type(GROUP, {"SecurityGroupEgress": [to()]})
    assert word(tmp_path, RULE, body) == "PASS"


@pytest.mark.parametrize(
    "rule",
    [to({"Ref": "P"}), to({"Fn::ImportValue": "x"}), to("{{resolve:ssm:x}}"),
     {"DestinationPrefixListId": {"Ref": "P"}}],
)  # fmt: skip
def test_unresolved_destination_is_unknown(tmp_path: Path, rule: dict[str, Any]) -> None:
    """A parameter without default, another stack, a dynamic reference."""
    body = group(rule, Parameters={"P": {"Type": "String"}})
    assert word(tmp_path, RULE, body) == "UNKNOWN"


@pytest.mark.parametrize(
    "named",
    [{"Ref": "G"}, {"Fn::GetAtt": ["G", "GroupId"]}, {"Fn::Sub": "${G}"},
     {"Fn::Sub": "${G.GroupId}"}, {"Fn::ImportValue": "x"}],
)  # fmt: skip
def test_standalone_rule_is_judged_with_its_group(tmp_path: Path, named: Any) -> None:
    """However it names the group; halves of the world are found on either side."""
    body = group(to("0.0.0.0/1"))
    half = to("128.0.0.0/1") | {"GroupId": named}
    body["Resources"]["S"] = of_type("AWS::EC2::SecurityGroupEgress", half)
    found = {(one.resource, one.verdict) for one in findings(tmp_path, body) if one.rule == RULE}
    assert found == {("G", "FAIL"), ("S", "FAIL")}


def test_ranges_that_are_the_world_together_fail(tmp_path: Path) -> None:
    """Each half may be listed in the policy; both are the internet."""
    text = "".join(
        f'[[egress.allow]]\ncidr = "{half}"\nname = "h"\nreason = "r"\n'
        for half in ("0.0.0.0/1", "128.0.0.0/1")
    )
    (tmp_path / "p.toml").write_text(text)
    from tljudge.engine import policy as policies

    policy = policies.load(tmp_path / "p.toml")
    one, both = group(to("0.0.0.0/1")), group(to("0.0.0.0/1"), to("128.0.0.0/1"))
    assert word(tmp_path, RULE, one, policy=policy) == "PASS"
    assert word(tmp_path, RULE, both, policy=policy) == "FAIL"


def test_policy_names_who_may_reach_the_internet_and_how(tmp_path: Path) -> None:
    """443 by TCP from the named group; another port or group fails."""
    named = {"NodeSecurityGroup": of_type(GROUP, {"SecurityGroupEgress": [to("0.0.0.0/0")]})}
    assert word(tmp_path, RULE, template(named), policy=ours()) == "PASS"
    wider = to("0.0.0.0/0", ToPort=444)
    named["NodeSecurityGroup"]["Properties"]["SecurityGroupEgress"] = [wider]
    assert word(tmp_path, RULE, template(named), policy=ours()) == "FAIL"
    assert word(tmp_path, RULE, group(to("0.0.0.0/0")), policy=ours()) == "FAIL"


@pytest.mark.parametrize(
    ("kind", "properties", "expected"),
    [
        ("AWS::Lambda::Function", {"VpcConfig": {"SubnetIds": ["s"]}}, "FAIL"),
        ("AWS::Lambda::Function", {}, "PASS"),
        ("AWS::ElastiCache::ReplicationGroup", {}, "FAIL"),
        ("AWS::ElastiCache::ReplicationGroup",
         {"SecurityGroupIds": [{"Fn::GetAtt": ["V", "DefaultSecurityGroup"]}]}, "FAIL"),
        ("AWS::ElastiCache::ReplicationGroup", {"SecurityGroupIds": [{"Ref": "G"}]}, "PASS"),
        ("AWS::ElastiCache::ReplicationGroup",
         {"SecurityGroupIds": [{"Fn::ImportValue": "g"}]}, "UNKNOWN"),
        ("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Interface"}, "FAIL"),
        ("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Gateway"}, "PASS"),
    ],
)  # fmt: skip
def test_default_group(
    tmp_path: Path, kind: str, properties: dict[str, Any], expected: str
) -> None:
    """Named or taken because nothing is named."""
    body = group(to())
    body["Resources"] |= {"V": of_type("AWS::EC2::VPC"), "X": of_type(kind, properties)}
    assert word(tmp_path, "TL_EGRESS_2", body) == expected


def test_egress_that_is_one_rule_instead_of_a_list_is_judged_where_it_stands(
    tmp_path: Path,
) -> None:
    """A rule without a destination has no place of its own: the property's is said."""
    text = """\
Resources:
  G:
    Type: AWS::EC2::SecurityGroup
    Properties:
      SecurityGroupEgress: {IpProtocol: "-1"}
"""
    (found,) = [one for one in findings(tmp_path, text) if one.rule == RULE]
    assert (found.verdict, found.line, found.message) == (
        "FAIL",
        5,
        "an egress rule names no destination",
    )
