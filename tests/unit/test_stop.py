"""POST /stop against a real Redis, with EC2 as moto plays it, and on loopback where it fails."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import redis
from botocore.stub import Stubber
from moto import mock_aws
from redis.backoff import NoBackoff
from redis.retry import Retry

from node.claims import Answer, Claims
from tests import contract, loopback, tokens
from tests.ec2 import UNCLEAR, Ec2, Fault
from tests.events import event
from tests.processes import free_port
from tests.unit.test_compute import launched
from tinyllama.stop import app
from tinyllama.utils.aws import compute
from tinyllama.utils.queue.errors import QueueUnavailable
from tinyllama.utils.queue.job_id import new_id
from tinyllama.utils.queue.job_queue import JobQueue, JobState

OTHER = "0a1b2c3d-other-user"
STOPPED = JobState("failed", error="node_stopped")
FORCE = '{"force": true}'
Told = tuple[int, dict[str, Any]]


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


@pytest.fixture
def jobs(redis_client: redis.Redis) -> JobQueue:
    """The queue."""
    return JobQueue(redis_client)


def accepted(jobs: JobQueue, sub: str = tokens.SUB) -> str:
    """A job that waits."""
    job = new_id(sub)
    jobs.accept(job_id=job, sub=sub, prompt="p", idle=5, now_ms=1)
    return job


def stopped(token: str | None = None, body: str | None = None, **changes: Any) -> Told:
    """Status and body, held to the contract."""
    made = token or user()
    response = app.handler(event("post_stop", token=made, body=body, **changes), None)
    assert contract.faults("POST /stop", response) == []
    return response["statusCode"], json.loads(response["body"])


def user(**claims: Any) -> str:
    """The token of a user in no group."""
    return tokens.token(payload=tokens.claims(int(time.time()), **claims))


def admin() -> str:
    """The token of another user, in the group `admins`."""
    return user(sub="admin-1", **{"cognito:groups": ["admins"]})


def running() -> str:
    """A running node."""
    return launched(compute.client("eu-central-1"))


def node() -> compute.Node | None:
    """The node as EC2 has it."""
    ec2 = compute.client("eu-central-1")
    return compute.find_node(ec2, project="tinyllama", stack="tinyllama-dev")


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
    """202 if the node stops, 503 if it runs on."""
    monkeypatch.setattr(compute, "READ_TIMEOUT_S", 0.25)
    played = Ec2(state="running", faults={"StopInstances": fault}, does_it=does_it)
    refused = (503, {"error": "node_unavailable", "reason": "refused"})
    with loopback.endpoint(played.answer) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", endpoint.url)
        wanted = (202, {"status": "stopping"}) if does_it == "at once" else refused
        assert stopped() == wanted


# ---- others use the node ----


@pytest.mark.parametrize("is_running", [False, True])
def test_node_that_others_use_is_not_stopped(
    is_running: bool, jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """409 while a job of another user waits or runs; the node, the job and EC2 are left alone."""
    made = running()
    theirs = accepted(jobs, OTHER)
    redis_client.set("node:heartbeat", "1")
    if is_running:
        assert Claims(redis_client, "i-1", life_s=300).next(0.01) is not None
    with Stubber(app.ec2()):
        assert stopped() == (409, {"error": "node_in_use"})
    assert node() == compute.Node(made, "running")
    assert jobs.state(theirs, OTHER) == JobState("running" if is_running else "queued")


def test_own_jobs_are_no_hindrance_and_their_owner_is_told(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """A job that runs and a job that waits: both failed, and the worker's answer comes too late."""
    running()
    ran, waited = accepted(jobs), accepted(jobs)
    worker = Claims(redis_client, "i-1", life_s=300)
    claim = worker.next(0.01)
    assert claim is not None
    assert stopped() == (202, {"status": "stopping"})
    assert [jobs.state(job, tokens.SUB) for job in (ran, waited)] == [STOPPED, STOPPED]
    assert worker.answer(claim, Answer("done", "late")) is False
    assert jobs.depth().waiting == 0


def test_job_that_another_sends_during_the_stop_waits_on(
    jobs: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came after the question: the node is started again for it."""
    running()
    sent: list[str] = []
    real = compute.stop

    def stop_late(ec2: Any, found: compute.Node) -> None:
        sent.append(accepted(jobs, OTHER))
        real(ec2, found)

    monkeypatch.setattr(compute, "stop", stop_late)
    assert stopped() == (202, {"status": "stopping"})
    assert jobs.state(sent[0], OTHER) == JobState("queued")


def test_administrator_may_force(jobs: JobQueue) -> None:
    """Every owner is told."""
    made = running()
    theirs = accepted(jobs, OTHER)
    assert stopped(admin()) == (409, {"error": "node_in_use"})
    assert stopped(admin(), '{"force": false}') == (409, {"error": "node_in_use"})
    assert stopped(admin(), FORCE) == (202, {"status": "stopping"})
    assert node() == compute.Node(made, "stopped")
    assert jobs.state(theirs, OTHER) == STOPPED


@pytest.mark.parametrize("groups", [[], ["Admins"], ["operators", "admins "]])
def test_nobody_else_may_force(groups: list[str], jobs: JobQueue) -> None:
    """403 by the groups of the verified token, whatever the gateway wrote beside it: the event says
    `[admins …]` here."""
    made = running()
    theirs = accepted(jobs, OTHER)
    token = user(**{"cognito:groups": groups})
    assert stopped(token, FORCE) == (403, {"error": "forbidden"})
    assert node() == compute.Node(made, "running")
    assert jobs.state(theirs, OTHER) == JobState("queued")


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


def test_user_is_limited_as_on_infer(
    redis_client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    """The 21st request within a minute, to infer or to stop, is 429 and counted; EC2 is not asked
    for it."""
    now_us = int(time.time() * 1_000_000) - 10_000_000
    earlier = " ".join(str(now_us + number) for number in range(19))
    redis_client.set(f"throttle:{tokens.SUB}", earlier)
    assert stopped()[0] == 503
    with Stubber(app.ec2()):
        assert stopped() == (429, {"error": "rate_limited"})
    assert stopped(admin())[0] == 503
    assert capsys.readouterr().out.count('"ApiRateLimitBreaches": 1') == 1


# ---- without the queue ----


def test_node_can_be_stopped_while_there_is_no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """UseGpu is false, and somebody left the node running: whoever asks stops it."""
    for name in ("HOST", "PORT", "CACHE", "USER"):
        monkeypatch.setenv(f"TL_QUEUE_{name}", "")
    made = running()
    assert stopped() == (202, {"status": "stopping"})
    assert node() == compute.Node(made, "stopped")


def test_silent_queue_is_503_and_administrators_may_force(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody knows whether others use the node: only force passes."""
    made = running()
    with closing(redis.Redis(port=free_port(), retry=Retry(NoBackoff(), 0))) as dead:
        monkeypatch.setattr(app, "connect", lambda *_, **__: dead)
        for token in (user(), admin()):
            assert stopped(token) == (503, {"error": "queue_unavailable"})
        assert node() == compute.Node(made, "running")
        assert stopped(admin(), FORCE) == (202, {"status": "stopping"})
    assert node() == compute.Node(made, "stopped")


def test_question_that_may_have_been_counted_has_no_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The throttle may have counted, and that is of no interest: no `outcome` without a job."""

    def fail(*_: object, **__: object) -> bool:
        raise QueueUnavailable("timeout", outcome="unknown")

    monkeypatch.setattr(JobQueue, "stop_request", fail)
    assert stopped() == (503, {"error": "queue_unavailable"})


def test_owners_who_cannot_be_told_do_not_undo_the_stop(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The node stops; what the queue keeps is answered later, and the log says so."""
    running()

    def fail(*_: object, **__: object) -> int:
        raise QueueUnavailable("timeout", outcome="unknown")

    monkeypatch.setattr(JobQueue, "stop_jobs", fail)
    assert stopped() == (202, {"status": "stopping"})
    assert "jobs are not told: timeout" in capsys.readouterr().out


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
