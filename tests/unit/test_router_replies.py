"""The router hands a reply to its owner, and refuses everybody before anything else."""

import json
import time
from contextlib import closing
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from node.claims import Claims
from tests import loopback, tokens
from tests.events import event
from tests.processes import RedisServer, free_port, until
from tests.unit.conftest import key_item
from tests.unit.router_calls import OTHER, called, get, good_token, lines, post, refusal
from tinyllama.router import app
from tinyllama.utils.queue.connection import QueuePool
from tinyllama.utils.queue.job_id import id_for_key, new_id, parse

OK = 200


pytestmark = pytest.mark.usefixtures("router")


# ---- handing the reply out ----


@pytest.mark.usefixtures("awake")
def test_owner_follows_the_job_to_its_reply(redis_client: redis.Redis) -> None:
    """queued, running, done: as the worker goes along."""
    job = post()["body"]["id"]
    assert get(job) == {"status": OK, "headers": {}, "body": {"id": job, "status": "queued"}}
    assert Claims(redis_client, "i-1", life_s=300).next() is not None
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


@pytest.mark.fault(
    fault="the cache loses everything",
    place="while a job waits or after its answer",
    user_sees="410 `job_gone`",
    lost="waiting jobs; replies not read yet",
    recovers="sent again, an answered job comes from the node's journal, another runs",
)
@pytest.mark.fault(fault="the queue is switched off", place="the API")
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


@pytest.mark.fault(
    fault="the queue is switched off",
    place="the API",
    user_sees="503 `queue_unavailable`; 410 `job_gone` after it is on again",
    lost="jobs in the queue",
    recovers="send it again",
)
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


@pytest.mark.fault(fault="the cache is down", place="before a request")
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


@pytest.mark.fault(
    fault="the budget killer has deleted the cache",
    place="before a request",
    user_sees="503 `node_unavailable`, `budget`",
    lost="jobs in the queue",
    recovers="an operator lifts it and turns the queue on again",
)
@pytest.mark.parametrize("is_readable", [True, False])
def test_queue_that_the_killer_took_is_told_as_the_budget(
    is_readable: bool,
    monkeypatch: pytest.MonkeyPatch,
    key_table: loopback.Endpoint,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where the table says it, and then it is no fault of the queue's; a table that does not answer
    says nothing."""
    table = loopback.Table(item=key_item(), control={"latchedAt": {"N": "1796000000"}})
    table.control_refusal = None if is_readable else loopback.Answer(500)
    key_table.answer = table.answer
    with closing(impatient(free_port())) as dead:
        monkeypatch.setattr(app, "connect", lambda *_: dead)
        if is_readable:
            assert post() == refusal(503, error="node_unavailable", reason="budget")
        else:
            assert post() == refusal(503, error="queue_unavailable")
    _, metrics = lines(capsys)
    assert metrics == ([] if is_readable else ["RedisEnqueueFail"])


@pytest.mark.fault(
    fault="the cache is slow",
    place="a command takes longer than 50 ms",
    user_sees="503 `queue_unavailable`, of a POST with `outcome: unknown` and the id",
    lost="nothing",
    recovers="GET tells; the same `Idempotency-Key` is safe",
)
def test_slow_queue_is_503(
    redis_server: RedisServer, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that holds its answer back for longer than 50 ms may have queued the job: the owner
    is told the job's id, under which they can see."""
    with closing(impatient(redis_server.port)) as client:
        monkeypatch.setattr(app, "connect", lambda *_: client)
        until(lambda: _answers(client), what="an answer within 50 ms")
        # Scripts may write, so they wait; the command that ends the pause does not.
        redis_client.client_pause(60_000, all=False)
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


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def _reply(client: redis.Redis, job: str, *, sub: str = tokens.SUB, **said: str) -> None:
    assert parse(job) is not None
    client.set(f"reply:{job}", json.dumps({"sub": sub, "ts": 1, "body": "", **said}), ex=600)
