"""The router takes a prompt: queued once, throttled by user, refused in so many words."""

import json
import time
from functools import partial
from typing import Any

import pytest
import redis

from tests import tokens
from tests.events import event
from tests.unit.router_calls import OTHER, called, good_token, lines, post, refusal
from tinyllama.router import app
from tinyllama.utils.queue.job_id import id_for_key
from tinyllama.utils.queue.job_queue import JobQueue

pytestmark = pytest.mark.usefixtures("router")


# ---- taking a prompt ----


@pytest.mark.usefixtures("awake")
def test_prompt_is_queued(redis_client: redis.Redis, capsys: pytest.CaptureFixture[str]) -> None:
    """202 queued with the id; the job carries all that the worker needs."""
    began_ns = time.time_ns()
    answer = post()
    ended_ns = time.time_ns()
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
    assert began_ns // 10**6 <= stored["ts"] <= ended_ns // 10**6
    (line,), metrics = lines(capsys)
    # Rounded to a hundredth.
    assert 0 <= line.pop("latencyMs") <= (ended_ns - began_ns) / 1e6 + 0.005
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
    redis_client: redis.Redis,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sixth request within a second: 429, when to come back, and the metric."""
    # A second in which any machine sends six.
    monkeypatch.setattr(app, "JobQueue", partial(JobQueue, clock_us=lambda: 10**15))
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
