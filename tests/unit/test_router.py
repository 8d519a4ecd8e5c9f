"""The router against a real Redis, EC2 as moto plays it, and the keys over HTTP."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
import redis
from botocore.stub import Stubber
from moto import mock_aws
from redis.backoff import NoBackoff
from redis.retry import Retry

from node.claims import Claims
from tests import contract, loopback, tokens
from tests.events import event
from tests.processes import RedisServer, free_port
from tests.unit.test_compute import TAGS, launched
from tinyllama.router import app
from tinyllama.utils.aws import compute
from tinyllama.utils.queue.connection import QueuePool
from tinyllama.utils.queue.job_id import id_for_key, new_id, parse

BODY = '{"prompt": "s3cr3t prompt", "idle": 7}'
OTHER = "0a1b2c3d-other-user"
OK = 200


@pytest.fixture(autouse=True)
def surroundings(
    function_environment: dict[str, str],
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """The function's variables, an empty Redis reached without TLS, an EC2 without instances."""
    monkeypatch.setattr(app, "connect", lambda *_: redis_client)
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with mock_aws(config={"core": {"mock_credentials": False}}):
        yield


@pytest.fixture
def awake(redis_client: redis.Redis) -> None:
    """A worker's heartbeat."""
    redis_client.set("node:heartbeat", "1")


def good_token(sub: str = tokens.SUB, **changes: Any) -> str:
    """A token that is valid now."""
    return tokens.token(payload=tokens.claims(int(time.time()), sub=sub, **changes))


def post(body: str | None = BODY, sub: str = tokens.SUB, **changes: Any) -> dict[str, Any]:
    """POST /infer, and the answer held to the contract."""
    return called("post_infer", **{"token": good_token(sub), "body": body} | changes)


def get(job: str, sub: str = tokens.SUB, **changes: Any) -> dict[str, Any]:
    """GET /infer/{id}, and the answer held to the contract."""
    return called("get_infer", token=good_token(sub), pathParameters={"id": job}, **changes)


def called(name: str, **changes: Any) -> dict[str, Any]:
    """Status, headers beyond the usual, and body."""
    sent = event(name, **changes)
    response = app.handler(sent, None)
    assert contract.faults(sent["routeKey"], response) == []
    usual = ("content-type", "cache-control")
    return {
        "status": response["statusCode"],
        "headers": {k: v for k, v in response["headers"].items() if k not in usual},
        "body": json.loads(response["body"]),
    }


def refusal(status: int, **body: str) -> dict[str, Any]:
    """A refusal without headers of its own."""
    return {"status": status, "headers": {}, "body": body}


def lines(capsys: pytest.CaptureFixture[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """The log lines, and the names of the metrics, in order."""
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = [
        line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"]
        for line in found
        if "_aws" in line
    ]
    return [line for line in found if "_aws" not in line], names


def node(state: str) -> str:
    """A node in that state, and its id."""
    ec2 = compute.client("eu-central-1")
    made = launched(ec2)
    if state == "stopped":
        ec2.stop_instances(InstanceIds=[made])
    return made


# ---- taking a prompt ----


@pytest.mark.usefixtures("awake")
def test_prompt_is_queued(redis_client: redis.Redis, capsys: pytest.CaptureFixture[str]) -> None:
    """202 queued with the id; the job carries all that the worker needs."""
    answer = post()
    job = answer["body"]["id"]
    assert answer == {"status": 202, "headers": {}, "body": {"status": "queued", "id": job}}
    stored = json.loads(redis_client.get(f"job:{job}") or "")
    assert {name: stored[name] for name in ("id", "prompt", "idle", "sub", "reply")} == {
        "id": job,
        "prompt": "s3cr3t prompt",
        "idle": 7,
        "sub": tokens.SUB,
        "reply": f"reply:{job}",
    }
    assert abs(stored["ts"] - time.time() * 1000) < 5000
    (line,), metrics = lines(capsys)
    assert 0 < line.pop("latencyMs") < 5000
    assert line == {
        "level": "INFO",
        "requestId": "Rk3vPhyGliAEPmA=",
        "route": "POST /infer",
        "status": 202,
    }
    assert metrics == []


@pytest.mark.usefixtures("awake")
def test_prompt_in_base64_is_queued(redis_client: redis.Redis) -> None:
    """The gateway encodes bodies whose content type it does not take for text."""
    answer = called("post_infer_base64", token=good_token())
    stored = json.loads(redis_client.get(f"job:{answer['body']['id']}") or "")
    assert (stored["prompt"], stored["idle"]) == ("Why is the sky blue?", 10)


@pytest.mark.usefixtures("awake")
def test_repeat_under_a_key_gives_the_first_id(redis_client: redis.Redis) -> None:
    """One job, however often it is sent; another body under the same key is refused."""
    headers = {"idempotency-key": "order-1"}
    first, second = post(headers=headers), post(headers=headers)
    assert first == second
    assert first["body"]["id"] == id_for_key(tokens.SUB, "order-1")
    assert redis_client.zcard("waiting") == 1
    changed = post('{"prompt": "another"}', headers=headers)
    assert changed == refusal(422, error="idempotency_key_reused")
    assert post(sub=OTHER, headers=headers)["body"]["id"] != first["body"]["id"]


@pytest.mark.usefixtures("awake")
@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"body": '{"prompt": ""}'}, "prompt", "empty"),
        ({"body": '{"prompt": "a", "idle": 31}'}, "idle", "out of range"),
        ({"body": '{"prompt": "a", "s3cr3t field": 1}'}, "body", "unknown field"),
        ({"body": "s3cr3t"}, "body", "not JSON"),
        ({"isBase64Encoded": True}, "body", "not base64"),
        (
            {"headers": {"idempotency-key": ""}},
            "Idempotency-Key",
            "not 1 to 128 printable ASCII characters",
        ),
    ],
)
def test_wrong_request_is_refused_and_not_queued(
    changes: dict[str, Any],
    field: str,
    reason: str,
    redis_client: redis.Redis,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """400 naming the field; neither answer nor log repeats the value, and nothing is counted."""
    found = post(**changes)
    assert found == refusal(400, error="invalid_request", field=field, reason=reason)
    assert redis_client.dbsize() == 1  # the heartbeat
    assert "s3cr3t" not in capsys.readouterr().out


def test_body_may_be_absent() -> None:
    """The gateway leaves the member out."""
    sent = event("post_infer", token=good_token())
    del sent["body"]
    response = app.handler(sent, None)
    assert json.loads(response["body"])["reason"] == "missing"


@pytest.mark.usefixtures("awake")
def test_user_is_throttled_and_others_are_not(
    redis_client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sixth request within a second: 429, when to come back, and the metric."""
    found = [post() for _ in range(6)]
    assert [answer["status"] for answer in found] == [202] * 5 + [429]
    assert found[-1] == {
        "status": 429,
        "headers": {"Retry-After": "1"},
        "body": {"error": "rate_limited"},
    }
    assert redis_client.zcard("waiting") == 5
    assert post(sub=OTHER)["status"] == 202
    logged, metrics = lines(capsys)
    assert [line["status"] for line in logged] == [202] * 5 + [429, 202]
    assert metrics == ["ApiRateLimitBreaches"]


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


@pytest.mark.parametrize(("state", "told"), [("pending", "starting"), ("stopping", None)])
def test_node_on_its_way_is_not_started(
    state: str, told: str | None, redis_client: redis.Redis, stubbed_ec2: Stubber
) -> None:
    """It cannot be started now; one that stops is left for the next request to start."""
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
    """The state changed between the question and the start: the next request may try again."""
    stubbed_ec2.add_response("describe_instances", _described("stopped"))
    stubbed_ec2.add_client_error("start_instances", "IncorrectInstanceState")
    assert post()["body"]["status"] == "starting"
    assert redis_client.exists("node:start") == 0
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
    code: str, reason: str, redis_client: redis.Redis, stubbed_ec2: Stubber
) -> None:
    """503 with the reason, nothing left in the queue, and the reason for the next 2 s."""
    stubbed_ec2.add_response("describe_instances", _described("stopped"))
    stubbed_ec2.add_client_error("start_instances", code)
    assert post() == refusal(503, error="node_unavailable", reason=reason)
    assert set(redis_client.scan_iter()) == {"node:start", f"throttle:{tokens.SUB}"}
    assert 1 <= redis_client.ttl("node:start") <= 2


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
        assert Claims(redis_client, "i-1", life_s=300).next(0.01) is not None
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


# ---- handing the reply out ----


@pytest.mark.usefixtures("awake")
def test_owner_follows_the_job_to_its_reply(redis_client: redis.Redis) -> None:
    """queued, running, done: as the worker goes along."""
    job = post()["body"]["id"]
    assert get(job) == {"status": OK, "headers": {}, "body": {"id": job, "status": "queued"}}
    assert Claims(redis_client, "i-1", life_s=300).next(0.01) is not None
    assert get(job)["body"] == {"id": job, "status": "running"}
    _reply(redis_client, job, status="done", reply="\u00e9 42")
    assert get(job)["body"] == {"id": job, "status": "done", "reply": "\u00e9 42"}


@pytest.mark.usefixtures("awake")
def test_owner_learns_that_the_job_failed(redis_client: redis.Redis) -> None:
    """200 with the worker's code: the question was answered."""
    job = post()["body"]["id"]
    _reply(redis_client, job, status="failed", error="model_unavailable")
    assert get(job)["body"] == {"id": job, "status": "failed", "error": "model_unavailable"}


@pytest.mark.usefixtures("awake")
def test_foreign_and_unknown_ids_are_the_same_404() -> None:
    """Status, headers and body, to the byte."""
    theirs = post(sub=OTHER)["body"]["id"]
    unknown = [theirs, new_id(OTHER), theirs.upper(), "x", "", "../ping", theirs[:-1], f"{theirs}0"]
    responses = [
        app.handler(event("get_infer", token=good_token(), pathParameters={"id": one}), None)
        for one in unknown
    ]
    assert (responses[0]["statusCode"], responses[0]["body"]) == (404, '{"error":"not_found"}')
    assert responses == [responses[0]] * len(unknown)


@pytest.mark.usefixtures("awake")
def test_owner_learns_that_the_job_is_gone(redis_client: redis.Redis) -> None:
    """The cache lost everything: its owner is told, others still see nothing."""
    job = post()["body"]["id"]
    redis_client.flushall()
    assert get(job) == refusal(410, error="job_gone")
    assert get(job, sub=OTHER) == refusal(404, error="not_found")


@pytest.mark.usefixtures("awake")
def test_reply_of_another_under_the_own_id_is_not_shown(redis_client: redis.Redis) -> None:
    """Who may read a reply is decided by the owner stored with it, not by the id."""
    job = new_id(tokens.SUB)
    _reply(redis_client, job, sub=OTHER, status="done", reply="theirs")
    assert get(job) == refusal(410, error="job_gone")


# ---- what is refused before anything else ----


ROUTES = ["post_infer", "get_infer", "get_ping"]


def test_ping_is_answered() -> None:
    """With a good token, and nothing else needed."""
    assert called("get_ping", token=good_token()) == {
        "status": 200,
        "headers": {},
        "body": {"status": "ok"},
    }


@pytest.mark.parametrize("name", ROUTES)
@pytest.mark.parametrize("token", [None, "", "x", "expired", "id"])
def test_every_route_refuses_a_bad_token(
    name: str, token: str | None, redis_client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    """401, whatever the gateway thought of it; the log names the reason, not the token."""
    now = int(time.time())
    made = {
        "expired": tokens.token(payload=tokens.claims(now, exp=now - 60)),
        "id": tokens.token(payload=tokens.claims(now, token_use="id", aud=tokens.AUDIENCE)),
    }.get(token or "", token)
    sent = event(name, token=made)
    if made is None:
        del sent["headers"]["authorization"]
    response = app.handler(sent, None)
    assert (response["statusCode"], response["body"]) == (401, '{"error":"invalid_token"}')
    assert redis_client.dbsize() == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 1
    assert json.loads(out)["error"] == "invalid_token"
    assert not made or made == "x" or made not in out


@pytest.mark.parametrize("name", ROUTES)
def test_switch_refuses_at_once(
    name: str, monkeypatch: pytest.MonkeyPatch, key_table: loopback.Endpoint
) -> None:
    """503 before the token is looked at."""
    monkeypatch.setenv("TL_DISABLE_LAM_ROUTER", "1")
    for token in (good_token(), "x"):
        assert called(name, token=token) == refusal(503, error="router_disabled")
    assert key_table.requests == []


@pytest.mark.parametrize("name", ROUTES)
def test_no_keys_is_503(name: str, key_table: loopback.Endpoint) -> None:
    """Nobody is let in without keys."""
    key_table.answer = lambda _: loopback.Answer(500)
    assert called(name, token=good_token()) == refusal(503, error="keys_unavailable")


def test_no_queue_is_503(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While UseGpu=false there is nothing to queue in; that is no fault, so no metric."""
    for name in ("HOST", "PORT", "CACHE", "USER"):
        monkeypatch.setenv(f"TL_QUEUE_{name}", "")
    assert post() == refusal(503, error="queue_unavailable")
    assert get(new_id(tokens.SUB)) == refusal(503, error="queue_unavailable")
    assert called("get_ping", token=good_token())["status"] == OK
    _, metrics = lines(capsys)
    assert metrics == []


def test_dead_queue_is_503_and_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody listens: refused at once, not tried again, and the alarm's metric is sent."""
    with closing(impatient(free_port())) as dead:
        monkeypatch.setattr(app, "connect", lambda *_: dead)
        assert post() == refusal(503, error="queue_unavailable")
        assert get(new_id(tokens.SUB)) == refusal(503, error="queue_unavailable")
    logged, metrics = lines(capsys)
    assert [line["why"] for line in logged] == ["refused", "refused"]
    assert metrics == ["RedisEnqueueFail"]


def test_slow_queue_is_503(
    redis_server: RedisServer, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that holds its answer back for longer than 50 ms may have queued the job: the owner
    is told the job's id, under which they can see."""
    with closing(impatient(redis_server.port)) as client:
        monkeypatch.setattr(app, "connect", lambda *_: client)
        client.ping()
        redis_client.client_pause(300)
        unknown = {"outcome": "unknown", "id": id_for_key(tokens.SUB, "k")}
        try:
            refused = post(headers={"idempotency-key": "k"})
            assert refused == refusal(503, error="queue_unavailable", **unknown)
        finally:
            redis_client.client_unpause()


def test_wrong_setting_is_internal_and_named_in_the_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The operator reads which variable is wrong, on every request until it is set right."""
    monkeypatch.setenv("TL_DISABLE_LAM_ROUTER", "off")
    for _ in range(2):
        assert called("get_ping", token=good_token()) == refusal(500, error="internal")
    logged, _ = lines(capsys)
    assert [line["why"] for line in logged] == ['TL_DISABLE_LAM_ROUTER must be "0" or "1"'] * 2


@pytest.mark.parametrize(
    ("broken", "status"),
    [
        (None, 404),
        ([], 404),
        ({}, 404),
        ({"routeKey": "POST /infer"}, 401),
        ({"routeKey": "GET /infer/{id}", "headers": None}, 401),
    ],
)
def test_event_of_another_form_is_answered(broken: Any, status: int) -> None:
    """No event makes the function raise: without a route 404, without a token 401."""
    assert app.handler(broken, None)["statusCode"] == status


def impatient(port: int) -> redis.Redis:
    """A client with the router's limits: 50 ms, and no second try."""
    retry = Retry(NoBackoff(), 0)
    return redis.Redis.from_pool(QueuePool(port=port, protocol=2, socket_timeout=0.05, retry=retry))


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


def _reply(client: redis.Redis, job: str, *, sub: str = tokens.SUB, **said: str) -> None:
    assert parse(job) is not None
    client.set(f"reply:{job}", json.dumps({"sub": sub, "ts": 1, "body": "", **said}), ex=600)
