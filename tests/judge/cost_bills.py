"""Templates and bills for the tests of `tl cost`."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.judge.factory import TODAY, of_type, template
from tljudge.cost.estimate import Estimate
from tljudge.cost.pricing import estimate
from tljudge.data import prices
from tljudge.engine import policy as policies
from tljudge.engine.policy import Policy

ROOT = Path(__file__).resolve().parents[2]
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
