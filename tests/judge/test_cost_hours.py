"""TL_COST_2: what is billed by the hour stands on demand."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.judge.cost_templates import HOURS, KEY, MACHINE, NAT, STAYS, body, findings, policy
from tests.judge.factory import of_type, template, word

# ---- hours on demand ----


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (NAT, "FAIL"),
        ({**NAT, "Condition": "On"}, "PASS"),
        (KEY, "PASS"),
        (of_type("AWS::EC2::Volume", {"Size": 1}), "PASS"),
        (of_type("AWS::EC2::EIP"), "FAIL"),
        (of_type("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Interface", "SubnetIds": ["a"]}),
         "FAIL"),
        (of_type("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Gateway"}), "PASS"),
        (of_type("AWS::EC2::VPCEndpoint", {"VpcEndpointType": {"Fn::If": ["On", "Interface",
                 "Gateway"]}, "SubnetIds": ["a"]}), "PASS"),
        (of_type("AWS::EC2::Instance", MACHINE), "FAIL"),
        (of_type("AWS::RDS::DBInstance"), "FAIL"),
        (of_type("AWS::ElastiCache::ReplicationGroup", {"CacheNodeType": "cache.t4g.micro"}),
         "FAIL"),
        (of_type("AWS::Lambda::Function"), "PASS"),
        (of_type("AWS::Bedrock::Agent"), "UNKNOWN"),
        (of_type("Custom::Maker", {"ServiceToken": "arn:f"}), "UNKNOWN"),
        (of_type("AWS::CloudFormation::Stack", {"TemplateURL": "https://x"}), "UNKNOWN"),
        (of_type("AWS::AutoScaling::AutoScalingGroup", {"MinSize": 0, "MaxSize": 2,
         "LaunchTemplate": {"LaunchTemplateId": "lt-1"}}), "UNKNOWN"),
    ],
)  # fmt: skip
def test_hours_are_on_demand(tmp_path: Path, resource: dict[str, Any], expected: str) -> None:
    """While the condition is off, nothing bills by the hour."""
    chosen = policy(tmp_path, 'on_demand = "On"')
    assert word(tmp_path, HOURS, body(R=resource), policy=chosen) == expected
    assert word(tmp_path, HOURS, body(R=resource)) == "PASS"  # nothing is on demand


def test_hours_of_a_stopped_instance_and_without_the_condition(tmp_path: Path) -> None:
    """One that is named as stopped is idle; where no template has the condition, all is off."""
    made = body(Node=of_type("AWS::EC2::Instance", MACHINE))
    still = '[[cost.stopped]]\nresource = "Node"\nreason = "stops itself"'
    stopped = policy(tmp_path, f'on_demand = "On"\n{still}')
    assert word(tmp_path, HOURS, made, policy=stopped) == "PASS"
    found = findings(tmp_path, template({"N": NAT}), policy=policy(tmp_path, 'on_demand = "On"'))
    assert [(o.rule, o.resource, o.message) for o in found] == [
        (HOURS, "N", "bills by the hour while On is off: NAT gateway, 32.85 USD a month")
    ]


def test_nested_stack_is_on_demand_with_its_parent(tmp_path: Path) -> None:
    """The parent's condition decides for the child, and a retained child keeps what it holds."""
    (tmp_path / "child.yaml").write_text(json.dumps(template({"N": NAT})))
    nested = of_type("AWS::CloudFormation::Stack", {"TemplateURL": "./child.yaml"})
    chosen = policy(tmp_path, 'on_demand = "On"\nnothing_survives = true')
    assert word(tmp_path, HOURS, body(S=nested), policy=chosen) == "FAIL"
    gated = {**nested, "Condition": "On"}
    assert word(tmp_path, HOURS, body(S=gated), policy=chosen) == "PASS"
    assert word(tmp_path, STAYS, body(S=gated), policy=chosen) == "PASS"
    kept = {**gated, "DeletionPolicy": "Retain"}
    assert word(tmp_path, STAYS, body(S=kept), policy=chosen) == "FAIL"
