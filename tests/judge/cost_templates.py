"""Templates, policies and findings for the tests of the cost rules."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.judge import factory
from tests.judge.factory import DEFAULT, TODAY, of_type, template
from tljudge.cost.bill import charges
from tljudge.data import prices
from tljudge.decode.loader import read
from tljudge.engine import policy as policies
from tljudge.engine.findings import Finding
from tljudge.engine.policy import Policy
from tljudge.resolve.deployment import Deployment

CEILINGS, HOURS, STAYS, SILENT = "TL_COST_1", "TL_COST_2", "TL_COST_3", "TL_COST_4"
ELSEWHERE = {"Fn::ImportValue": "elsewhere"}
NOTHING = {"Ref": "AWS::NoValue"}
ON = {"On": {"Fn::Equals": [{"Ref": "Turn"}, "on"]}}
PARAMETERS = {
    "Turn": {"Type": "String", "Default": "off", "AllowedValues": ["off", "on"]},
    "Free": {"Type": "String"},
    "Size": {"Type": "String", "AllowedValues": ["t3.micro", "t3.small"]},
}


def body(**resources: Any) -> dict[str, Any]:
    return template(resources, Parameters=PARAMETERS, Conditions=ON)


def findings(folder: Path, made: dict[str, Any], **how: Any) -> list[Finding]:
    """What the cost rules find."""
    return [one for one in factory.findings(folder, made, **how) if "_COST_" in one.rule]


def policy(folder: Path, text: str) -> Policy:
    """A policy with this [cost], in us-east-1, looked at on the tests' day."""
    path = folder / "policy.toml"
    path.write_text(f"[cost]\n{text}\n", "utf-8")
    return replace(policies.load(path), today=TODAY)


# ---- what each type is charged for ----


def charged(kind: str, properties: dict[str, Any], **others: Any) -> list[tuple[Any, ...]]:
    """(what, when, per, USD or why not) of a resource, in us-east-1 with the built-in usage."""
    made = body(R=of_type(kind, properties), **others)
    deployment = Deployment(read(json.dumps(made)), {}, {})
    found = charges(deployment.root.resources["R"], DEFAULT.cost, prices.load())
    return [
        (one.what, one.when, one.per, one.why if one.usd is None else round(one.usd, 6))
        for one in found
    ]


VOLUME = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeType": "gp3", "VolumeSize": 30}}
NO_ADDRESS = {"NetworkInterfaces": [{"DeviceIndex": "0", "AssociatePublicIpAddress": False}]}
MACHINE = {"InstanceType": "t3.small", "BlockDeviceMappings": [VOLUME], **NO_ADDRESS}


# ---- ceilings ----

NAT = of_type("AWS::EC2::NatGateway")
KEY = of_type("AWS::KMS::Key")


# ---- what stays ----


def disk(**ebs: Any) -> dict[str, Any]:
    return {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8, **ebs}}


LB = "AWS::ElasticLoadBalancingV2::LoadBalancer"
GUARD = [{"Key": "deletion_protection.enabled", "Value": "true"}]
