"""The router wakes the node: once, only when it sleeps, and it says so when it cannot."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from botocore.stub import Stubber

from node.claims import Claims
from tests import tokens
from tests.unit.router_calls import get, lines, post, refusal
from tests.unit.test_compute import TAGS, launched
from tinyllama.router import app
from tinyllama.utils.aws import compute
from tinyllama.utils.queue.job_id import id_for_key

pytestmark = pytest.mark.usefixtures("router")


def node(state: str) -> str:
    """A node in that state, and its id."""
    ec2 = compute.client("eu-central-1")
    made = launched(ec2)
    if state == "stopped":
        ec2.stop_instances(InstanceIds=[made])
    return made


# ---- waking the node ----


def test_stopped_node_is_started_and_the_prompt_kept(
    redis_client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    """202 starting with the header, the job in the queue, the start counted once."""
    made = node("stopped")
    answer = post()
    job = answer["body"]["id"]
    assert answer == {
        "status": 202,
        "headers": {"X-GPU-ColdBoot": "true"},
        "body": {"status": "starting", "eta": 90, "id": job},
    }
    assert redis_client.exists(f"job:{job}") == 1
    assert _state(made) == "running"
    _, metrics = lines(capsys)
    assert metrics == ["EC2Starts"]
    assert post()["body"]["status"] == "starting"
    _, metrics = lines(capsys)
    assert metrics == []


def test_ten_requests_at_once_start_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten users find the node asleep at the same moment."""
    node("stopped")
    app.ec2()
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda n: post(sub=f"user-{n}"), range(10)))
    assert [answer["body"]["status"] for answer in found] == ["starting"] * 10
    _, metrics = lines(capsys)
    assert metrics == ["EC2Starts"]


def test_running_node_without_a_worker_is_starting(capsys: pytest.CaptureFixture[str]) -> None:
    """It runs, but nothing takes jobs yet: no second start."""
    node("running")
    assert post()["body"]["status"] == "starting"
    _, metrics = lines(capsys)
    assert metrics == []


@pytest.mark.parametrize(("state", "told"), [("pending", "starting"), ("stopping", "stopping")])
def test_node_on_its_way_is_not_started(
    state: str, told: str, redis_client: redis.Redis, stubbed_ec2: Stubber
) -> None:
    """It cannot be started now; a node that stops is left to whoever asks after 2 s."""
    stubbed_ec2.add_response("describe_instances", _described(state))
    assert post()["body"]["status"] == "starting"
    assert redis_client.get("node:start") == told
    stubbed_ec2.assert_no_pending_responses()


def test_others_go_by_what_one_saw_and_do_not_ask_ec2(
    redis_client: redis.Redis, stubbed_ec2: Stubber
) -> None:
    """While one looks the others are starting; what it saw is their answer too."""
    redis_client.set("node:start", "")
    assert post()["body"]["status"] == "starting"
    redis_client.set("node:start", "no_capacity")
    assert post() == refusal(503, error="node_unavailable", reason="no_capacity")
    stubbed_ec2.assert_no_pending_responses()


def test_look_that_broke_off_lets_the_next_request_look(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected error gives the right back."""

    def broken(_: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(compute, "client", broken)
    assert post() == refusal(500, error="internal")
    assert redis_client.exists("node:start") == 0


def test_node_that_began_to_stop_is_started_by_the_next_request(
    redis_client: redis.Redis, stubbed_ec2: Stubber, capsys: pytest.CaptureFixture[str]
) -> None:
    """The state changed between the question and the start: a request after 2 s may try again."""
    stubbed_ec2.add_response("describe_instances", _described("stopped"))
    stubbed_ec2.add_client_error("start_instances", "IncorrectInstanceState")
    assert post()["body"]["status"] == "starting"
    assert redis_client.get("node:start") == "stopping"
    redis_client.delete("node:start")  # 2 s later
    stubbed_ec2.add_response("describe_instances", _described("stopped"))
    stubbed_ec2.add_response("start_instances", _started("stopped"))
    assert post()["body"]["status"] == "starting"
    _, metrics = lines(capsys)
    assert metrics == ["EC2Starts"]


def test_start_that_was_somebody_elses_is_not_counted(
    stubbed_ec2: Stubber, capsys: pytest.CaptureFixture[str]
) -> None:
    """An operator started the node a moment before us."""
    stubbed_ec2.add_response("describe_instances", _described("stopped"))
    stubbed_ec2.add_response("start_instances", _started("pending"))
    assert post()["body"]["status"] == "starting"
    _, metrics = lines(capsys)
    assert metrics == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [("InsufficientInstanceCapacity", "no_capacity"), ("UnauthorizedOperation", "refused")],
)
def test_node_that_cannot_start_takes_the_prompt_back(
    code: str,
    reason: str,
    redis_client: redis.Redis,
    stubbed_ec2: Stubber,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """503 with the reason, nothing left in the queue, and the reason for those who ask next."""
    monkeypatch.setattr("tinyllama.utils.queue.job_queue._OUTCOME_LIFE_S", 600)
    stubbed_ec2.add_response("describe_instances", _described("stopped"))
    stubbed_ec2.add_client_error("start_instances", code)
    assert post() == refusal(503, error="node_unavailable", reason=reason)
    assert set(redis_client.scan_iter()) == {
        "node:refused", "node:start", f"throttle:{tokens.SUB}"
    }  # fmt: skip
    assert (redis_client.get("node:start"), redis_client.get("node:refused")) == (reason, reason)


def test_no_node_takes_the_prompt_back(redis_client: redis.Redis) -> None:
    """503 none; the id is the owner's, and gone."""
    headers = {"idempotency-key": "k"}
    assert post(headers=headers) == refusal(503, error="node_unavailable", reason="none")
    assert redis_client.zcard("waiting") == 0
    assert get(id_for_key(tokens.SUB, "k")) == refusal(410, error="job_gone")


def test_ec2_that_does_not_answer_is_a_refusal(stubbed_ec2: Stubber) -> None:
    """The question itself fails."""
    stubbed_ec2.add_client_error("describe_instances", "RequestLimitExceeded")
    assert post() == refusal(503, error="node_unavailable", reason="refused")


def test_job_that_a_worker_took_meanwhile_is_queued(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker came between enqueueing and giving up: the job will be answered, so 202."""

    def taken(*_: object, **__: object) -> None:
        assert Claims(redis_client, "i-1", life_s=300).next() is not None
        raise compute.NodeUnavailable("refused")

    monkeypatch.setattr(app, "wake", taken)
    answer = post()
    assert (answer["status"], answer["body"]["status"]) == (202, "queued")
    assert redis_client.exists(f"job:{answer['body']['id']}") == 1


def test_repeat_of_an_answered_job_wakes_nobody(
    redis_client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reply is there: no GPU is started to say so again."""
    made = node("stopped")
    headers = {"idempotency-key": "k"}
    redis_client.set("node:heartbeat", "1")
    job = post(headers=headers)["body"]["id"]
    stored = json.loads(redis_client.get(f"job:{job}") or "")
    done = {"sub": tokens.SUB, "status": "done", "reply": "42", "ts": 1, "body": stored["body"]}
    redis_client.set(f"reply:{job}", json.dumps(done))
    redis_client.delete("node:heartbeat", f"job:{job}")
    answer = post(headers=headers)
    assert (answer["status"], answer["body"]) == (202, {"status": "queued", "id": job})
    assert _state(made) == "stopped"
    _, metrics = lines(capsys)
    assert metrics == []


@pytest.fixture
def stubbed_ec2() -> Iterator[Stubber]:
    """The router's EC2 client, answering what a test says."""
    with Stubber(app.ec2()) as stub:
        yield stub


def _state(instance_id: str) -> str:
    found = compute.client("eu-central-1").describe_instances(InstanceIds=[instance_id])
    return str(found["Reservations"][0]["Instances"][0]["State"]["Name"])


def _described(state: str) -> dict[str, Any]:
    tags = [{"Key": key, "Value": value} for key, value in TAGS.items()]
    instance = {"InstanceId": "i-0123456789abcdef0", "State": {"Name": state}, "Tags": tags}
    return {"Reservations": [{"Instances": [instance]}]}


def _started(previous: str) -> dict[str, Any]:
    change = {
        "InstanceId": "i-0123456789abcdef0",
        "PreviousState": {"Name": previous},
        "CurrentState": {"Name": "pending"},
    }
    return {"StartingInstances": [change]}
