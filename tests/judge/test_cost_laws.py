"""Our own bill, and the law that no unresolvable value mends a finding about cost."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.judge.cost_templates import (
    CEILINGS,
    ELSEWHERE,
    GUARD,
    LB,
    MACHINE,
    NAT,
    body,
    disk,
    findings,
    policy,
)
from tests.judge.factory import of_type, ours, template
from tests.judge.places import places, replaced
from tljudge.cost.bill import bill
from tljudge.data import prices
from tljudge.decode.loader import load
from tljudge.resolve.deployment import Deployment

ROOT = Path(__file__).resolve().parents[2]


def test_default_policy_does_not_pay_for_prices(tmp_path: Path) -> None:
    """What prices and sums up is imported only when a policy asks for it."""
    path = tmp_path / "t.json"
    path.write_text(json.dumps(template({"N": NAT})))
    program = (
        "import sys\nfrom pathlib import Path\nfrom tljudge.engine import policy\n"
        "from tljudge.runner.check import check\ncheck([Path(sys.argv[1])], policy.load())\n"
        "print('tljudge.cost.services' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True, text=True, cwd=ROOT, timeout=300, check=True,
    )  # fmt: skip
    assert done.stdout == "False\n"


# ---- our own ----


def test_our_bill_while_idle_is_the_volume() -> None:
    """30 GiB of gp3, and what timers call; ten alarms are free."""
    deployment = Deployment(load(ROOT / "cloudformation" / "stack.yaml"), {"UseGpu": "false"}, {})
    found = bill(deployment, ours().cost, prices.load())
    parts = {line.resource.id: round(line.idle_month_usd, 3) for line in found.lines}
    assert {name: usd for name, usd in parts.items() if usd >= 0.001} == {
        "Node": 2.856,
        "SigningKeysFunction": 0.01,
        "ResizeMotorFunction": 0.052,
        "StopBuildBoxFunction": 0.016,
    }


# ---- the law ----

WHOLE = (
    "on_demand = 'On'\nnothing_survives = true\nidle_month_usd = 0.001\nactive_hour_usd = 0.000001"
)


@pytest.mark.parametrize(
    "resource",
    [
        of_type("AWS::EC2::Instance", {**MACHINE, "BlockDeviceMappings": [disk(
            VolumeType="gp3", DeleteOnTermination=False)], "DisableApiTermination": True}),
        of_type("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Interface", "SubnetIds": ["a"]}),
        of_type("AWS::ElastiCache::ReplicationGroup", {"Engine": "valkey",
                "CacheNodeType": "cache.t4g.small", "NumCacheClusters": 1}),
        of_type("AWS::EC2::Volume", {"Size": 100, "VolumeType": "gp3", "Iops": 4000}),
        of_type("AWS::CloudWatch::Alarm", {"Metrics": [{"MetricStat": {"Period": 60}}]}),
        of_type("AWS::DynamoDB::Table", {"ProvisionedThroughput": {
            "ReadCapacityUnits": 1, "WriteCapacityUnits": 1}, "DeletionProtectionEnabled": True}),
        of_type("AWS::Lambda::Function", {"MemorySize": 128, "Architectures": ["arm64"]}),
        of_type(LB, {"Subnets": ["a"], "LoadBalancerAttributes": GUARD}),
        of_type("AWS::ECR::Repository", {"EmptyOnDelete": False}),
        of_type("AWS::Cognito::UserPool", {"UserPoolTier": "LITE", "DeletionProtection": "ACTIVE"}),
    ],
    ids=lambda resource: resource["Type"].rsplit("::", 1)[-1],
)  # fmt: skip
def test_value_nobody_could_resolve_is_never_evidence(
    tmp_path: Path, resource: dict[str, Any]
) -> None:
    """Whatever becomes unresolvable, what failed is not a pass."""
    chosen = policy(tmp_path, WHOLE)
    rules = {o.rule for o in findings(tmp_path, body(R=resource), policy=chosen)}
    assert CEILINGS in rules
    for path in places(resource["Properties"]):
        changed = replaced(resource, ("Properties", *path), ELSEWHERE)
        found = findings(tmp_path, body(R=changed), policy=chosen)
        unclear = any(o.verdict == "UNKNOWN" for o in found)
        assert unclear or rules <= {o.rule for o in found}, path
