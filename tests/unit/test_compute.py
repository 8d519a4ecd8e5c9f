"""The node is found by its three tags, and EC2's answers are told apart."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import Stubber
from moto import mock_aws

from tests import loopback
from tests.ec2 import NODE_ID, UNCLEAR, Ec2, Fault
from tinyllama.utils.aws import compute
from tinyllama.utils.aws.compute import (
    Node,
    NodeState,
    NodeUnavailable,
    Unclear,
    WrongState,
    client,
    find_node,
    start,
    stop,
)
from tinyllama.utils.http.responses import error_response

TAGS = {"Project": "tinyllama", "Role": "gpu-node", "Stack": "tinyllama-dev"}
NODE = Node("i-0123456789abcdef0", "stopped")


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An EC2 that is moto's."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with mock_aws():
        yield client("eu-central-1")


def launched(ec2: Any, **changes: str) -> str:
    """The id of a new running instance with the node's tags, changed."""
    tags = [{"Key": key, "Value": value} for key, value in (TAGS | changes).items()]
    made = ec2.run_instances(
        ImageId="ami-0123456789abcdef0",
        MinCount=1,
        MaxCount=1,
        InstanceType="t3.small",
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    return str(made["Instances"][0]["InstanceId"])


def found(ec2: Any) -> Node | None:
    """The node of the stack."""
    return find_node(ec2, project="tinyllama", stack="tinyllama-dev")


def test_node_is_found_by_all_three_tags(ec2: Any) -> None:
    """Another project's, another stack's and the builder are not the node."""
    assert found(ec2) is None
    for tag in TAGS:
        launched(ec2, **{tag: "other"})
    assert found(ec2) is None
    ours = launched(ec2)
    assert found(ec2) == Node(ours, "running")


def test_terminated_node_is_no_node(ec2: Any) -> None:
    """What is gone, or going, cannot be woken."""
    ours = launched(ec2)
    ec2.terminate_instances(InstanceIds=[ours])
    assert found(ec2) is None


def test_most_awake_node_is_the_node(ec2: Any) -> None:
    """While a replacement is under way there are two."""
    stopped, running = launched(ec2), launched(ec2)
    ec2.stop_instances(InstanceIds=[stopped])
    assert found(ec2) == Node(running, "running")
    ec2.terminate_instances(InstanceIds=[running])
    assert found(ec2) == Node(stopped, "stopped")


def test_node_on_a_later_page_is_found() -> None:
    """The answer of a large account comes in pages."""
    stubbed = boto3.client("ec2", "eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(stubbed) as stub:
        stub.add_response("describe_instances", {"Reservations": [], "NextToken": "more"})
        stub.add_response("describe_instances", _described("stopped"))
        assert found(stubbed) == NODE
        stub.assert_no_pending_responses()


def test_start_is_true_only_for_the_call_that_starts(ec2: Any) -> None:
    """A second call finds the node no longer stopped."""
    ours = launched(ec2)
    ec2.stop_instances(InstanceIds=[ours])
    node = Node(ours, "stopped")
    assert start(ec2, node) is True
    assert start(ec2, node) is False


def test_stopped_node_is_stopped(ec2: Any) -> None:
    """StopInstances does what it says."""
    ours = launched(ec2)
    stop(ec2, Node(ours, "running"))
    assert found(ec2) == Node(ours, "stopped")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("InsufficientInstanceCapacity", "no_capacity"),
        ("InsufficientHostCapacity", "no_capacity"),
        ("InsufficientReservedInstanceCapacity", "no_capacity"),
        ("VcpuLimitExceeded", "quota"),
        ("UnauthorizedOperation", "refused"),
        ("RequestLimitExceeded", "refused"),
    ],
)
def test_refusal_of_ec2_is_told_apart(code: str, reason: str) -> None:
    """The caller learns capacity or refusal, the log the code."""
    with pytest.raises(NodeUnavailable) as refused, _refusing("start_instances", code) as ec2:
        start(ec2, NODE)
    assert (refused.value.reason, str(refused.value)) == (reason, code)
    assert (
        error_response(refused.value)["body"]
        == f'{{"error":"node_unavailable","reason":"{reason}"}}'
    )
    assert error_response(refused.value)["statusCode"] == 503


@pytest.mark.parametrize("operation", ["start_instances", "stop_instances"])
@pytest.mark.parametrize(("code", "status"), [("InternalError", 500), ("Unavailable", 503)])
def test_failure_inside_ec2_is_unclear(operation: str, code: str, status: int) -> None:
    """A 5xx says nothing of whether the call was carried out; no capacity, also a 5xx, does."""
    act = start if operation == "start_instances" else stop
    with pytest.raises(Unclear, match=code), _refusing(operation, code, status) as ec2:
        act(ec2, NODE)
    capacity = "InsufficientInstanceCapacity"
    with pytest.raises(NodeUnavailable), _refusing(operation, capacity, status) as ec2:
        act(ec2, NODE)


@pytest.mark.parametrize("fault", UNCLEAR)
def test_answer_that_cannot_be_read_is_unclear(
    fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a start and a stop; to a question, after which nothing can have happened, a refusal."""
    monkeypatch.setattr(compute, "READ_TIMEOUT_S", 0.25)
    played = Ec2(
        faults=dict.fromkeys(("DescribeInstances", "StartInstances", "StopInstances"), fault)
    )
    with loopback.endpoint(played.answer) as endpoint:
        for name, value in (
            ("AWS_ACCESS_KEY_ID", loopback.ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", loopback.SECRET_KEY),
            ("AWS_ENDPOINT_URL_EC2", endpoint.url),
        ):
            monkeypatch.setenv(name, value)
        ec2 = client("eu-central-1")
        for act in (start, stop):
            with pytest.raises(Unclear):
                act(ec2, Node(NODE_ID, "stopped"))
        with pytest.raises(NodeUnavailable) as refused:
            found(ec2)
    assert refused.value.reason == "refused"
    assert played.asked == ["StartInstances", "StopInstances", "DescribeInstances"]


@pytest.mark.parametrize("operation", ["start_instances", "stop_instances"])
def test_wrong_state_is_told_apart(operation: str) -> None:
    """A node that is on its way to another state is not a failure."""
    with (
        pytest.raises(WrongState),
        _refusing(operation, "IncorrectInstanceState") as ec2,
    ):
        (start if operation == "start_instances" else stop)(ec2, NODE)


def test_silence_of_ec2_is_a_refusal(ec2: Any) -> None:
    """No answer in time is told by its kind."""

    def silent(**_: object) -> None:
        raise ConnectTimeoutError(endpoint_url="https://ec2.example")

    ec2.meta.events.register("before-send.ec2.DescribeInstances", silent)
    with pytest.raises(NodeUnavailable) as refused:
        found(ec2)
    assert (refused.value.reason, str(refused.value)) == ("refused", "ConnectTimeoutError")


def test_client_gives_up_soon(ec2: Any) -> None:
    """One try of 1 s to connect and 3 s to answer: three calls fit into a function's 15 s."""
    config = ec2.meta.config
    assert (config.connect_timeout, config.read_timeout) == (1, 3)
    assert config.retries["total_max_attempts"] == 1


class _refusing:  # noqa: N801 - used as a statement
    """A client whose next call of this operation is refused with this code."""

    def __init__(self, operation: str, code: str, status: int = 400) -> None:
        self._client = boto3.client(
            "ec2", "eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        self._stub = Stubber(self._client)
        self._stub.add_client_error(operation, code, http_status_code=status)

    def __enter__(self) -> Any:
        self._stub.activate()
        return self._client

    def __exit__(self, *_: object) -> None:
        self._stub.deactivate()


def _described(state: NodeState) -> dict[str, Any]:
    instance = {"InstanceId": NODE.instance_id, "State": {"Name": state}}
    return {"Reservations": [{"Instances": [instance]}]}
