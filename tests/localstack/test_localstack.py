"""The second CloudFormation engine: what of ours it deploys, and that the rest is said, not hidden.

LocalStack without a licence knows no HTTP API, user pool or cache, and runs no function, so the
smoke cannot pass there. It must fail at the stage where that shows, and leave nothing.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from e2e.gaps.outside import LOCALSTACK, NO_SERVERS
from e2e.targets.endpoint import Endpoint
from tools.deploy import inventory
from tools.deploy.environments import ROOT

NOT_LISTED = (
    "replication-group",
    "cache-cluster",
    "cache-snapshot",
    "cache-user",
    "cache-user-group",
    "cache-subnet-group",
    "cache-parameter-group",
    "http-api",
    "user-pool",
    "table",
    "repository",
)
NETWORK = ROOT / "cloudformation" / "network.yaml"


@pytest.fixture
def account(endpoint: str) -> Endpoint:
    """The account behind the endpoint."""
    return Endpoint("localstack", endpoint)


def test_network_deploys_on_a_second_engine(account: Endpoint) -> None:
    """Made by another reading of the template than the smoke's: the same network."""
    cloudformation, ec2 = account.client("cloudformation"), account.client("ec2")
    vpcs = {vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"]}
    given = {"Name": "second", "UseGpu": "false", "DynamoDbPrefixListId": "pl-66a5400f"}
    cloudformation.create_stack(
        StackName="second",
        TemplateBody=NETWORK.read_text(),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()],
    )
    try:
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName="second", WaiterConfig={"Delay": 1, "MaxAttempts": 250}
        )
        (made,) = [vpc for vpc in ec2.describe_vpcs()["Vpcs"] if vpc["VpcId"] not in vpcs]
        own = [{"Name": "vpc-id", "Values": [made["VpcId"]]}]
        subnets = ec2.describe_subnets(Filters=own)["Subnets"]
        endpoints = ec2.describe_vpc_endpoints(Filters=own)["VpcEndpoints"]
        nats = ec2.describe_nat_gateways(Filters=own)["NatGateways"]
        seen = (
            made["CidrBlock"],
            sorted(subnet["MapPublicIpOnLaunch"] for subnet in subnets),
            [one["VpcEndpointType"] for one in endpoints],
            nats,
        )
        assert seen == ("10.20.0.0/22", [False] * 3, ["Gateway"], [])
    finally:
        cloudformation.delete_stack(StackName="second")
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName="second", WaiterConfig={"Delay": 1, "MaxAttempts": 250}
        )


def test_smoke_fails_where_localstack_lacks_something_and_says_what(
    account: Endpoint, tmp_path: Path
) -> None:
    """What cannot be listed cannot be proved gone: it ends before anything is deployed."""
    before = inventory.take(account)
    report, code, said = _smoke(account, tmp_path / "smoke.json")
    assert (code, report["target"], report["passed"]) == (1, "localstack", False)
    assert [(s["name"], s["passed"]) for s in report["stages"]] == [
        ("package", True),
        ("boot", False),
    ]
    assert report["failure"]["cause"] == f"cannot list {', '.join(NOT_LISTED)}"
    assert [gap["name"] for gap in report["gaps"]] == [g.name for g in (LOCALSTACK, *NO_SERVERS)]
    assert report["failure"]["left"] == ""
    assert inventory.take(account).minus(before) == []
    assert "Traceback" not in said


def _smoke(account: Endpoint, file: Path) -> tuple[dict[str, Any], int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tljudge", "smoke", "--target", "localstack",
         "--endpoint", account.endpoint, "--json", str(file)],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return json.loads(file.read_text()), done.returncode, done.stderr
