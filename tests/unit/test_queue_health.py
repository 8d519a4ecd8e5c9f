"""GET /queue-health against a real Redis."""

import json
import time
from contextlib import closing
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from node.claims import Claims
from tests import contract, tokens
from tests.events import event
from tests.processes import free_port, until
from tinyllama.queue_health import app
from tinyllama.utils.queue.answers import QueueHealth
from tinyllama.utils.queue.errors import QueueUnavailable
from tinyllama.utils.queue.job_id import new_id
from tinyllama.utils.queue.job_queue import JobQueue


@pytest.fixture(autouse=True)
def surroundings(
    function_environment: dict[str, str],
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The function's variables, an empty Redis reached without TLS."""
    monkeypatch.setattr(app, "connect", lambda *_, **__: redis_client)


def asked(**claims: Any) -> tuple[int, dict[str, Any]]:
    """Status and body, held to the contract."""
    made = tokens.token(payload=tokens.claims(int(time.time()), **claims))
    response = app.handler(event("get_queue_health", token=made), None)
    assert contract.faults("GET /queue-health", response) == []
    return response["statusCode"], json.loads(response["body"])


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    """The metrics that were sent, by name."""
    found: dict[str, float] = {}
    for line in map(json.loads, capsys.readouterr().out.splitlines()):
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
            assert directive["Namespace"] == "TinyLlama/tinyllama-dev"
            name = directive["Metrics"][0]["Name"]
            found[name] = line[name]
    return found


def test_healthy_queue_is_measured(
    redis_client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    """One job waits, one is being worked on; the PING took less than 200 ms."""
    queue = JobQueue(redis_client)
    for sub in ("a", "b"):
        queue.accept(job_id=new_id(sub), sub=sub, prompt="p", idle=5, now_ms=1)
    assert Claims(redis_client, "i-1", life_s=300).next() is not None
    # A machine that is busy with something else is slow, says so, and is asked again.
    answers: list[tuple[int, dict[str, Any]]] = []

    def is_fast() -> bool:
        capsys.readouterr()
        answers.append(asked())
        return answers[-1][0] == 200

    until(is_fast, what="a fast PING")
    status, body = answers[-1]
    assert 0 <= body.pop("latencyMs") < 200
    assert (status, body) == (200, {"redis": "ok", "depth": 1, "inFlight": 1})
    assert metrics(capsys) == {"QueueDepth": 1, "QueueHealthFailures": 0}


def test_dead_queue_is_503(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody listens."""
    with closing(redis.Redis(port=free_port(), retry=Retry(NoBackoff(), 0))) as dead:
        monkeypatch.setattr(app, "connect", lambda *_, **__: dead)
        assert asked() == (503, {"redis": "fail", "error": "refused"})
    assert metrics(capsys) == {"QueueHealthFailures": 1}


@pytest.mark.parametrize("code", ["timeout", "refused", "auth", "error"])
def test_failure_is_told_by_its_code(
    code: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the queue says was wrong."""

    def fails(_: JobQueue) -> QueueHealth:
        raise QueueUnavailable(code)

    monkeypatch.setattr(JobQueue, "health", fails)
    assert asked() == (503, {"redis": "fail", "error": code})
    assert metrics(capsys) == {"QueueHealthFailures": 1}


@pytest.mark.parametrize(
    ("latency_ms", "status", "failures"), [(199.9, 200, 0), (200.0, 503, 1), (450.0, 503, 1)]
)
def test_slow_queue_is_503(
    latency_ms: float,
    status: int,
    failures: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From 200 ms on it is slow; how much waits is known all the same."""
    monkeypatch.setattr(JobQueue, "health", lambda _: QueueHealth(latency_ms, 3, 0))
    found, body = asked()
    assert found == status
    assert body.get("error") == ("slow" if failures else None)
    assert metrics(capsys) == {"QueueDepth": 3, "QueueHealthFailures": failures}


@pytest.mark.parametrize("groups", [None, [], ["users"], ["Admins"], ["admins "]])
def test_others_than_admins_are_refused(
    groups: list[str] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """403, and nothing is measured."""
    assert asked(**{"cognito:groups": groups}) == (403, {"error": "forbidden"})
    assert metrics(capsys) == {}


def test_bad_token_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """401, and nothing is measured."""
    assert asked(token_use="id") == (401, {"error": "invalid_token"})
    assert metrics(capsys) == {}


def test_queue_that_is_off_is_503_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The function outlives the queue; the alarm, made after the queue, finds metrics of before."""
    for name in ("HOST", "PORT", "CACHE", "USER"):
        monkeypatch.setenv(f"TL_QUEUE_{name}", "")
    assert asked() == (503, {"redis": "fail", "error": "off"})
    assert metrics(capsys) == {"QueueHealthFailures": 0}
    response = app.handler({"source": "aws.events", "detail-type": "Scheduled Event"}, None)
    assert response["statusCode"] == 503
    assert metrics(capsys) == {"QueueHealthFailures": 0}


def test_half_an_address_is_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A queue without its port is not an absent queue: nothing is sent, so the alarm rises."""
    monkeypatch.setenv("TL_QUEUE_PORT", "")
    assert asked() == (500, {"error": "internal"})
    assert metrics(capsys) == {}


def test_schedule_is_measured_without_a_token(
    redis_client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    """The alarm's look a minute: EventBridge has no token, and no client can send its event."""
    response = app.handler({"source": "aws.events", "detail-type": "Scheduled Event"}, None)
    assert response["statusCode"] == 200
    assert metrics(capsys) == {"QueueDepth": 0, "QueueHealthFailures": 0}


def test_client_cannot_pass_for_the_schedule() -> None:
    """What a client sends stands in headers and body, never beside `routeKey`."""
    forged = event("get_queue_health", token=None)
    forged["headers"]["source"] = "aws.events"
    forged["body"] = json.dumps({"source": "aws.events"})
    response = app.handler(forged, None)
    assert (response["statusCode"], json.loads(response["body"])) == (
        401,
        {"error": "invalid_token"},
    )
