"""The compute node: EC2 finds it by its three tags, starts it, stops it and changes its type.

`client` loads boto3, as most requests never need it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast

from tinyllama.utils.aws.errors import AwsError

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import FilterTypeDef

NodeState = Literal["running", "pending", "stopping", "stopped"]
_MOST_AWAKE_FIRST: tuple[NodeState, ...] = ("running", "pending", "stopping", "stopped")
_NO_CAPACITY = frozenset(
    {
        "InsufficientInstanceCapacity",
        "InsufficientHostCapacity",
        "InsufficientReservedInstanceCapacity",
        "InsufficientCapacityOnHost",
    }
)

_SERVER_ERROR = 500
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 1.0, 3.0

_QUOTA = frozenset({"VcpuLimitExceeded", "InstanceLimitExceeded"})
"""Until AWS raises the account's quota, which is often 0 for machines with a GPU.
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html"""

Reason = Literal["none", "no_capacity", "quota", "refused", "budget", "unconfirmed"]
"""`unconfirmed`: only of a stop that EC2 did not answer, and that nobody has seen it carry out."""
REASONS: dict[str, Reason] = {
    "none": "none",
    "no_capacity": "no_capacity",
    "quota": "quota",
    "refused": "refused",
    "budget": "budget",
}


class NodeUnavailable(AwsError):
    """No node can do the work; `reason` is public, `why` is for the log."""

    def __init__(self, reason: Reason, why: str | None = None) -> None:
        super().__init__(why or reason)
        self.reason = reason


class Refused(NodeUnavailable):
    """EC2 has answered no, and would again; it changed nothing."""


class WrongState(AwsError):
    """EC2 refused, because the node has changed its state meanwhile."""


class Unclear(AwsError):
    """EC2 was asked and gave no answer that can be read: it may have done what it was asked."""


@dataclass(frozen=True, slots=True)
class Node:
    """An instance that is neither terminated nor shutting down.

    `instance_type` and `state_reason`, EC2's own code such as `Client.UserInitiatedShutdown`, are
    empty where EC2 did not say them.
    """

    instance_id: str
    state: NodeState
    instance_type: str = field(default="", compare=False)
    state_reason: str = field(default="", compare=False)


def client(region: str) -> "EC2Client":
    """Make an EC2 client that never retries, and gives up after 1 s of connecting, 1 s of the
    handshake, or 3 s without a byte.

    A look makes three calls at most, and must end before the lock in the queue does, after 28 s.
    """
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"total_max_attempts": 1},
    )
    return boto3.client("ec2", region_name=region, config=config)


def find_node(ec2: "EC2Client", *, project: str, stack: str) -> Node | None:
    """Find the stack's node; the most awake if a replacement has made two; None if it has no node.

    Raises:
        NodeUnavailable: EC2 did not answer, not in its own form, or refused.
    """
    try:
        nodes = _nodes(ec2, project, stack)
    except Unclear as error:
        # Only asked, so nothing can have happened.
        raise NodeUnavailable("refused", str(error)) from error
    for state in _MOST_AWAKE_FIRST:
        for instance_id in sorted(nodes):
            if nodes[instance_id].state == state:
                return nodes[instance_id]
    return None


def _nodes(ec2: "EC2Client", project: str, stack: str) -> dict[str, Node]:
    """Every instance with the node's three tags, by its id."""
    filters: list[FilterTypeDef] = [
        {"Name": "tag:Project", "Values": [project]},
        {"Name": "tag:Role", "Values": ["gpu-node"]},
        {"Name": "tag:Stack", "Values": [stack]},
        {"Name": "instance-state-name", "Values": list(_MOST_AWAKE_FIRST)},
    ]
    nodes: dict[str, Node] = {}
    with _translated_errors():
        for page in ec2.get_paginator("describe_instances").paginate(Filters=filters):
            for reservation in page["Reservations"]:
                for instance in reservation["Instances"]:
                    nodes[instance["InstanceId"]] = Node(
                        instance["InstanceId"],
                        cast(NodeState, instance["State"]["Name"]),
                        instance.get("InstanceType", ""),
                        instance.get("StateReason", {}).get("Code", ""),
                    )
    return nodes


def require_node(ec2: "EC2Client", *, project: str, stack: str) -> Node:
    """Find the stack's node.

    Raises:
        NodeUnavailable: as `find_node`; also if there is none.
    """
    node = find_node(ec2, project=project, stack=stack)
    if node is None:
        raise NodeUnavailable("none")
    return node


def start(ec2: "EC2Client", node: Node) -> bool:
    """Start the node; True only if this call started it, so that each start is counted once.

    Raises:
        NodeUnavailable: no capacity, or EC2 could not be reached or refused; it started nothing.
        WrongState: the node is stopping or gone.
        Unclear: look at the node's state.
    """
    with _translated_errors():
        answer = ec2.start_instances(InstanceIds=[node.instance_id])
        before = [change["PreviousState"]["Name"] for change in answer["StartingInstances"]]
    return before == ["stopped"]


def stop(ec2: "EC2Client", node: Node) -> None:
    """Stop the node.

    Raises:
        NodeUnavailable: EC2 could not be reached or refused.
        WrongState: the node is still starting, or gone.
        Unclear: look at the node's state.
    """
    with _translated_errors():
        answer = ec2.stop_instances(InstanceIds=[node.instance_id])
        if [change["InstanceId"] for change in answer["StoppingInstances"]] != [node.instance_id]:
            raise Unclear("answer about another node")


def change_type(ec2: "EC2Client", node: Node, instance_type: str) -> None:
    """Change the type of a stopped node.

    EC2 may describe the old type for a while afterwards.
    https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html

    Raises:
        NodeUnavailable: EC2 could not be reached or refused.
        WrongState: the node is not stopped.
        Unclear: look at the node's type.
    """
    with _translated_errors():
        ec2.modify_instance_attribute(
            InstanceId=node.instance_id, InstanceType={"Value": instance_type}
        )


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Tell apart: refused for certain, never sent, and sent without an answer to rely on."""
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        ConnectTimeoutError,
        EndpointConnectionError,
        HTTPClientError,
        ProxyConnectionError,
        SSLError,
    )
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if code == "IncorrectInstanceState":
            raise WrongState from error
        if code in _NO_CAPACITY:
            raise Refused("no_capacity", code) from error
        if code in _QUOTA:
            raise Refused("quota", code) from error
        if status >= _SERVER_ERROR:
            raise Unclear(code) from error
        raise Refused("refused", code) from error
    except (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError) as error:
        raise NodeUnavailable("refused", type(error).__name__) from error
    except (HTTPClientError, ResponseParserError, SSLError) as error:
        raise Unclear(type(error).__name__) from error
    except BotoCoreError as error:
        raise NodeUnavailable("refused", type(error).__name__) from error
    except (KeyError, TypeError) as error:
        # Valid XML, but not the answer to this call.
        raise Unclear("answer of another form") from error
