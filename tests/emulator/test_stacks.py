"""Two stacks live side by side, and an update leaves the node as it was resized."""

import json
import secrets
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from e2e.run import Run, wait_until
from e2e.stages import deploy, destroy
from e2e.stages.deploy import settled
from e2e.targets.ministack import MiniStack
from tools.deploy import inventory, package, stack
from tools.deploy.environments import ROOT, handlers_python


def _deployed(account: MiniStack) -> Run:
    name = f"tl-test-{secrets.token_hex(3)}"
    run = Run(target=account, name=name, source=ROOT, handlers_python=handlers_python())
    deploy.run(run)
    return run


@pytest.fixture(scope="module")
def pair(account: MiniStack) -> Iterator[tuple[Run, Run]]:
    """Two deployed stacks in one account."""
    before = inventory.take(account)
    runs = _deployed(account), _deployed(account)
    yield runs
    for run in runs:
        destroy.run(run)
    assert inventory.take(account).minus(before) == []


def _update(run: Run, **tags: str) -> None:
    parameters, own = run.settings()
    run.client("cloudformation").update_stack(
        StackName=run.name,
        TemplateBody=run.packaged,
        Parameters=stack.as_list({**parameters, "UseGpu": "true"}, "Parameter"),
        Tags=stack.as_list({**own, **tags}, ""),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    settled(run, "UPDATE_COMPLETE")


def test_two_stacks_have_different_resources(pair: tuple[Run, Run]) -> None:
    """No name is shared, so neither can be mistaken for the other."""
    first, second = (
        {r["PhysicalResourceId"] for r in deploy.every_resource(run, run.name)} for run in pair
    )
    assert first & second == {"$default", "admins", "signing-keys"}


_START = b"""
import boto3

def handler(event, context):
    boto3.client("ec2").start_instances(InstanceIds=[event["node"]])
"""


@pytest.fixture
def probe(pair: tuple[Run, Run]) -> Iterator[str]:
    """A function that starts an instance under the first stack's router role."""
    run, _ = pair
    functions = run.client("lambda")
    role = functions.get_function_configuration(FunctionName=run.outputs["RouterFunction"])["Role"]
    functions.create_function(
        FunctionName="tl-test-probe",
        Runtime="python3.13",
        Role=role,
        Handler="probe.handler",
        Timeout=120,
        Code={"ZipFile": package.zip_bytes({"probe.py": _START})},
    )
    yield "tl-test-probe"
    functions.delete_function(FunctionName="tl-test-probe")
    run.client("logs").delete_log_group(logGroupName="/aws/lambda/tl-test-probe")


def test_router_may_start_its_own_node_and_not_another_stacks(
    pair: tuple[Run, Run], probe: str
) -> None:
    """The permission is bound to the stack's own tag; IAM decides, not the code."""
    outcomes = []
    for run in pair:
        answer = run.client("lambda").invoke(
            FunctionName=probe, Payload=json.dumps({"node": run.outputs["NodeId"]}).encode()
        )
        refusal = json.loads(answer["Payload"].read() or b"null")
        outcomes.append("not authorized" in str(refusal) if refusal else None)
    assert outcomes == [None, True]
    first = pair[0]
    first.client("ec2").stop_instances(InstanceIds=[first.outputs["NodeId"]])
    wait_until(lambda: first.node_state() == "stopped", 60, "the node is off")


def test_update_keeps_the_shape_of_a_resized_node(pair: tuple[Run, Run]) -> None:
    """A stack update changes tags and functions, never what /resize made of the node."""
    run, _ = pair
    ec2, node = run.client("ec2"), run.outputs["NodeId"]
    wait_until(lambda: run.node_state() == "stopped", 60, "the node is off")
    ec2.modify_instance_attribute(InstanceId=node, InstanceType={"Value": "g4dn.xlarge"})
    _update(run, CostCenter="changed")
    seen = ec2.describe_instances(InstanceIds=[node])["Reservations"][0]["Instances"][0]
    assert (seen["InstanceType"], seen["State"]["Name"]) == ("g4dn.xlarge", "stopped")


def test_shape_of_a_running_node_cannot_be_changed(pair: tuple[Run, Run]) -> None:
    """EC2 refuses, as it does on AWS."""
    run, _ = pair
    ec2, node = run.client("ec2"), run.outputs["NodeId"]
    ec2.start_instances(InstanceIds=[node])
    with pytest.raises(ClientError, match="IncorrectInstanceState"):
        ec2.modify_instance_attribute(InstanceId=node, InstanceType={"Value": "t3.small"})
    ec2.stop_instances(InstanceIds=[node])
    wait_until(lambda: run.node_state() == "stopped", 60, "the node is off")
