"""POST /stop, with EC2 as moto plays it."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber
from moto import mock_aws

from tests import contract, loopback, tokens
from tests.events import event
from tests.unit.test_compute import launched
from tinyllama.stop import app
from tinyllama.utils.aws import compute


@pytest.fixture(autouse=True)
def surroundings(
    function_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The function's variables, an EC2 without instances."""
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with mock_aws(config={"core": {"mock_credentials": False}}):
        yield


def stopped(token: str | None = None) -> tuple[int, dict[str, Any]]:
    """Status and body, held to the contract."""
    made = token or tokens.token(payload=tokens.claims(int(time.time())))
    response = app.handler(event("post_stop", token=made), None)
    assert contract.faults("POST /stop", response) == []
    return response["statusCode"], json.loads(response["body"])


def test_running_node_is_stopped() -> None:
    """202 stopping; asked again, it is stopped."""
    made = launched(compute.client("eu-central-1"))
    assert stopped() == (202, {"status": "stopping"})
    assert compute.find_node(app.ec2(), project="tinyllama", stack="tinyllama-dev") == compute.Node(
        made, "stopped"
    )
    assert stopped() == (200, {"status": "stopped"})


def test_no_node_is_503() -> None:
    """There is nothing to stop."""
    assert stopped() == (503, {"error": "node_unavailable", "reason": "none"})


@pytest.mark.parametrize(
    ("state", "answer"),
    [
        ("stopping", (202, {"status": "stopping"})),
        ("pending", (409, {"error": "node_starting"})),
    ],
)
def test_node_on_its_way_is_left_alone(state: str, answer: tuple[int, dict[str, str]]) -> None:
    """Stopping is what was asked for; starting cannot be stopped yet."""
    with Stubber(app.ec2()) as stub:
        stub.add_response("describe_instances", _described(state))
        assert stopped() == answer


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("IncorrectInstanceState", (409, {"error": "node_starting"})),
        ("UnauthorizedOperation", (503, {"error": "node_unavailable", "reason": "refused"})),
    ],
)
def test_refusal_of_ec2_is_answered(code: str, answer: tuple[int, dict[str, str]]) -> None:
    """The node was restarted meanwhile, or we may not stop it."""
    with Stubber(app.ec2()) as stub:
        stub.add_response("describe_instances", _described("running"))
        stub.add_client_error("stop_instances", code)
        assert stopped() == answer


def test_bad_token_stops_nothing() -> None:
    """401, and the node runs on."""
    made = launched(compute.client("eu-central-1"))
    bad = tokens.token(payload=tokens.claims(int(time.time())), signer=tokens.foreign())
    assert stopped(bad) == (401, {"error": "invalid_token"})
    found = compute.find_node(app.ec2(), project="tinyllama", stack="tinyllama-dev")
    assert found == compute.Node(made, "running")


def test_no_keys_is_503(key_table: loopback.Endpoint) -> None:
    """Nobody is let in without keys."""
    key_table.answer = lambda _: loopback.Answer(500)
    assert stopped() == (503, {"error": "keys_unavailable"})


def _described(state: str) -> dict[str, Any]:
    instance = {"InstanceId": "i-0123456789abcdef0", "State": {"Name": state}}
    return {"Reservations": [{"Instances": [instance]}]}
