"""POST /stop against a real Redis, with EC2 as moto plays it, and on loopback where it fails."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from botocore.stub import Stubber
from moto import mock_aws

from tests import loopback, tokens
from tests.ec2 import UNCLEAR, Ec2, Fault
from tests.unit.stop_calls import STOPPED, Told, admin, node, running, stopped
from tests.unit.waking_calls import accepted
from tinyllama.stop import app
from tinyllama.utils.aws import compute
from tinyllama.utils.queue.answers import JobState
from tinyllama.utils.queue.job_queue import JobQueue


@pytest.fixture(autouse=True)
def surroundings(
    function_environment: dict[str, str],
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """The function's variables, an empty Redis reached without TLS, an EC2 without instances."""
    monkeypatch.setattr(app, "connect", lambda *_, **__: redis_client)
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with mock_aws(config={"core": {"mock_credentials": False}}):
        yield


def test_running_node_is_stopped() -> None:
    """202 stopping; asked again, it is stopped."""
    made = running()
    assert stopped() == (202, {"status": "stopping"})
    assert node() == compute.Node(made, "stopped")
    assert stopped() == (200, {"status": "stopped"})


def test_no_node_is_503(jobs: JobQueue) -> None:
    """There is nothing to stop, and the caller's job is as it was."""
    job = accepted(jobs)
    assert stopped() == (503, {"error": "node_unavailable", "reason": "none"})
    assert jobs.state(job, tokens.SUB) == JobState("queued")


@pytest.mark.parametrize(
    ("state", "answer", "job_state"),
    [
        ("stopping", (202, {"status": "stopping"}), STOPPED),
        ("stopped", (200, {"status": "stopped"}), STOPPED),
        ("pending", (409, {"error": "node_starting"}), JobState("queued")),
    ],
)
def test_node_on_its_way_is_left_alone(
    state: str, answer: Told, job_state: JobState, jobs: JobQueue
) -> None:
    """Stopping is what was asked for, and the caller's job has nobody start the node again;
    starting cannot be stopped yet, and a refused request changes nothing."""
    job = accepted(jobs)
    with Stubber(app.ec2()) as stub:
        stub.add_response("describe_instances", _described(state))
        assert stopped() == answer
    assert jobs.state(job, tokens.SUB) == job_state


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("IncorrectInstanceState", (409, {"error": "node_starting"})),
        ("UnauthorizedOperation", (503, {"error": "node_unavailable", "reason": "refused"})),
    ],
)
def test_refusal_of_ec2_is_answered(code: str, answer: Told, jobs: JobQueue) -> None:
    """The node was restarted meanwhile, or we may not stop it: nobody's job is ended."""
    job = accepted(jobs)
    with Stubber(app.ec2()) as stub:
        stub.add_response("describe_instances", _described("running"))
        stub.add_client_error("stop_instances", code)
        assert stopped() == answer
    assert jobs.state(job, tokens.SUB) == JobState("queued")


@pytest.mark.parametrize("fault", UNCLEAR)
@pytest.mark.parametrize("does_it", ["at once", "never"])
def test_stop_that_ec2_did_not_answer_is_looked_into(
    fault: Fault, does_it: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """202 if the node stops; if it still runs, nobody knows whether it goes on doing so."""
    monkeypatch.setattr(compute, "READ_TIMEOUT_S", 0.25)
    played = Ec2(state="running", faults={"StopInstances": fault}, does_it=does_it)
    unconfirmed = (503, {"error": "node_unavailable", "reason": "unconfirmed"})
    with loopback.endpoint(played.answer) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", endpoint.url)
        wanted = (202, {"status": "stopping"}) if does_it == "at once" else unconfirmed
        assert stopped() == wanted


@pytest.mark.parametrize(
    ("body", "changes", "field", "reason"),
    [
        ("x", {}, "body", "not JSON"),
        ("[]", {}, "body", "not an object"),
        ('{"force": 1}', {}, "force", "not true or false"),
        ('{"force": "true"}', {}, "force", "not true or false"),
        ('{"force": null}', {}, "force", "not true or false"),
        ('{"force": true, "force": false}', {}, "force", "occurs twice"),
        ('{"forse": true}', {}, "forse", "unknown field"),
        ('{"force": true}', {"isBase64Encoded": True}, "body", "not base64"),
    ],
)
def test_wrong_body_stops_nothing(
    body: str, changes: dict[str, Any], field: str, reason: str
) -> None:
    """400 naming the field."""
    made = running()
    refused = {"error": "invalid_request", "field": field, "reason": reason}
    assert stopped(admin(), body, **changes) == (400, refused)
    assert node() == compute.Node(made, "running")


@pytest.mark.parametrize("body", [None, "", "{}", '{"force":false}'])
def test_body_is_optional(body: str | None) -> None:
    """Nothing, an empty object, and the default in so many words."""
    running()
    assert stopped(body=body) == (202, {"status": "stopping"})


def test_bad_token_stops_nothing() -> None:
    """401, and the node runs on."""
    made = running()
    bad = tokens.token(payload=tokens.claims(int(time.time())), signer=tokens.foreign())
    assert stopped(bad) == (401, {"error": "invalid_token"})
    assert node() == compute.Node(made, "running")


def test_no_keys_is_503(key_table: loopback.Endpoint) -> None:
    """Nobody is let in without keys."""
    key_table.answer = lambda _: loopback.Answer(500)
    assert stopped() == (503, {"error": "keys_unavailable"})


def _described(state: str) -> dict[str, Any]:
    instance = {"InstanceId": "i-0123456789abcdef0", "State": {"Name": state}}
    return {"Reservations": [{"Instances": [instance]}]}
