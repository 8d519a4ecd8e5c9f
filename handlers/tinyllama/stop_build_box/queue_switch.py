"""The stack that holds what bills by the hour: is it on, what of it exists, turning it off.

It is a nested stack of its own, without a function or a role, and is updated by itself: with its
own template and parameters, UseGpu alone is changed. So CloudFormation stays the owner, and the
update needs no permission but to delete what bills. The root stack still says `UseGpu=true`
afterwards, until the operator deploys it (ADR 0017).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_ec2 import EC2Client

SWITCH = "UseGpu"
GOING = ("deleting", "deleted")
BEGINNINGS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")
ASKED = ("AWS::ElastiCache::ReplicationGroup", "AWS::EC2::VPCEndpoint")
"""What bills, and is looked for itself."""
STUCK_S = 3600
"""Longer than a cache takes to come or go."""


@dataclass(frozen=True, slots=True)
class Switch:
    """A stack: its parameters by name, what it is doing, and since when (its last change began)."""

    parameters: tuple[str, ...]
    is_on: bool
    status: str
    changed_s: float

    @property
    def is_busy(self) -> bool:
        """Whether the stack refuses an update, because another one has not ended."""
        return self.status.endswith("_IN_PROGRESS")

    def is_stuck(self, now_s: float) -> bool:
        """Whether it is busy for so long that it will not end by itself."""
        return self.is_busy and now_s - self.changed_s > STUCK_S


def look(cloudformation: "CloudFormationClient", stack: str) -> Switch:
    """Read the queue's stack, or its root."""
    (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    parameters = {
        given["ParameterKey"]: given.get("ParameterValue", "")
        for given in found.get("Parameters", [])
    }
    changed = found.get("LastUpdatedTime", found["CreationTime"])
    return Switch(
        tuple(parameters),
        parameters.get(SWITCH) == "true",
        found["StackStatus"],
        changed.timestamp(),
    )


def turn_off(cloudformation: "CloudFormationClient", queue_stack: str, switch: Switch) -> None:
    """Begin the update; it takes some minutes on AWS, most of them for the cache."""
    cloudformation.update_stack(
        StackName=queue_stack,
        UsePreviousTemplate=True,
        Parameters=[
            {"ParameterKey": name, "ParameterValue": "false"}
            if name == SWITCH
            else {"ParameterKey": name, "UsePreviousValue": True}
            for name in switch.parameters
        ],
    )


def caches(elasticache: Any, queue_stack: str) -> list[str]:
    """The replication group of the queue's stack, while AWS has it and does not delete it.

    CloudFormation gives up a resource that it cannot delete, so the stack alone does not say.
    """
    from botocore.exceptions import ClientError

    # The piece of the stack's id that the ids of its resources end with, as in queue.yaml.
    name = f"tl-queue-{queue_stack.split('/')[-1].split('-')[0]}"
    try:
        answer = elasticache.describe_replication_groups(ReplicationGroupId=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ReplicationGroupNotFoundFault":
            return []
        raise
    return [name for group in answer["ReplicationGroups"] if group["Status"] not in GOING]


def given_up(cloudformation: "CloudFormationClient", queue_stack: str) -> list[str]:
    """What the last change of the stack could not delete, but for caches and endpoints: it bills
    nothing, and its name is not free when the queue is turned on again."""
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=queue_stack)
    return left_behind(event for page in pages for event in page["StackEvents"])


def left_behind(events: Iterable[Any]) -> list[str]:
    """The same, of the stack's events, the newest first."""
    last: dict[str, Any] = {}
    for event in events:
        if event.get("PhysicalResourceId") == event["StackId"]:
            if event["ResourceStatus"] in BEGINNINGS:
                break
        else:
            last.setdefault(event["LogicalResourceId"], event)
    return [
        str(event["PhysicalResourceId"])
        for event in last.values()
        if event["ResourceStatus"] == "DELETE_FAILED" and event["ResourceType"] not in ASKED
    ]


def endpoints(ec2: "EC2Client", stack: str) -> list[str]:
    """The ids of the stack's interface endpoints, while AWS has them and does not delete them."""
    name = f"{stack}-ec2-endpoint"
    answer = ec2.describe_vpc_endpoints(Filters=[{"Name": "tag:Name", "Values": [name]}])
    return [
        endpoint["VpcEndpointId"]
        for endpoint in answer["VpcEndpoints"]
        # Again, because an endpoint that knows no filter answers with every one.
        if {"Key": "Name", "Value": name} in endpoint.get("Tags", [])
        and endpoint["State"].lower() not in GOING
    ]
