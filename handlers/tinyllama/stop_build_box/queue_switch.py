"""The stack that holds what bills by the hour: is it on, what of it exists, turning it off.

It is a nested stack of its own, without a function or a role, and is updated by itself: with its
own template and parameters, UseGpu alone is changed. So CloudFormation stays the owner, and the
update needs no permission but to delete what bills. The root stack still says `UseGpu=true`
afterwards, until the operator deploys it (ADR 0017).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_ec2 import EC2Client

SWITCH = "UseGpu"
GOING = ("deleting", "deleted")


@dataclass(frozen=True, slots=True)
class Switch:
    """The queue's stack: its parameters by name, and what it is doing."""

    parameters: tuple[str, ...]
    is_on: bool
    status: str

    @property
    def is_busy(self) -> bool:
        """Whether the stack refuses an update, because another one has not ended."""
        return self.status.endswith("_IN_PROGRESS")


def look(cloudformation: "CloudFormationClient", queue_stack: str) -> Switch:
    """Read the stack."""
    (found,) = cloudformation.describe_stacks(StackName=queue_stack)["Stacks"]
    parameters = {
        given["ParameterKey"]: given.get("ParameterValue", "")
        for given in found.get("Parameters", [])
    }
    return Switch(tuple(parameters), parameters.get(SWITCH) == "true", found["StackStatus"])


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

    name = f"tl-queue-{queue_stack.split('/')[-1].split('-')[0]}"
    try:
        answer = elasticache.describe_replication_groups(ReplicationGroupId=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ReplicationGroupNotFoundFault":
            return []
        raise
    return [name for group in answer["ReplicationGroups"] if group["Status"] not in GOING]


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
