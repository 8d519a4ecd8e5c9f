"""The router keeps what it promised: a job of two requests, of a worker, or past its time."""

from typing import Any

import pytest
import redis

from node.claims import Claims
from tests import tokens
from tests.queue_time import make_older
from tests.unit.router_calls import get, post, refusal
from tinyllama.router import app
from tinyllama.utils.aws import compute
from tinyllama.utils.queue.job_id import id_for_key


@pytest.fixture(autouse=True)
def surroundings(
    function_environment: dict[str, str],
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The function's variables, and an empty Redis reached without TLS."""
    monkeypatch.setattr(app, "connect", lambda *_: redis_client)


def test_job_of_two_requests_under_one_key_is_not_taken_back(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client gave up and asked again while its first request still looked: the second was told
    202, so the first leaves the job, and says so too."""
    headers = {"idempotency-key": "k"}
    told: list[Any] = []

    def fails_slowly(*_: object, **__: object) -> str:
        if told:
            return "joined"
        told.append(None)
        told.append(post(headers=headers))
        raise compute.NodeUnavailable("no_capacity")

    monkeypatch.setattr(app, "wake", fails_slowly)
    first = post(headers=headers)
    second = told[1]
    job = id_for_key(tokens.SUB, "k")
    assert (second["status"], second["body"]["status"]) == (202, "starting")
    assert (first["status"], first["body"]) == (202, {"status": "queued", "id": job})
    assert get(job)["body"] == {"id": job, "status": "queued"}
    assert redis_client.pttl(f"job:{job}") > 0


def test_defect_leaves_no_job_to_a_caller_who_is_told_500(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job that a worker took, or that an earlier request was promised, cannot be taken back:
    its owner is told 202, and the log has the defect."""

    def broken(*_: object, **__: object) -> None:
        if workers:
            assert Claims(redis_client, workers.pop(), life_s=300).next() is not None
        raise ZeroDivisionError("s3cr3t")

    monkeypatch.setattr(app, "wake", broken)
    workers: list[str] = []
    headers = {"idempotency-key": "k"}
    assert post(headers=headers) == refusal(500, error="internal")
    assert redis_client.exists("waiting") == 0
    workers = ["i-1"]
    assert post(headers=headers)["body"]["status"] == "queued"
    assert post(headers=headers)["body"]["status"] == "starting"
    logged = capsys.readouterr().out
    assert logged.count('"event": "wake", "why": "ZeroDivisionError", "at": ') == 2
    assert "s3cr3t" not in logged


def test_job_that_no_worker_begins_any_more_wakes_nobody(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its 300 s a job only waits for its owner to be told."""
    monkeypatch.setattr(app, "wake", lambda *_, **__: pytest.fail("woken"))
    headers = {"idempotency-key": "k"}
    redis_client.set("node:heartbeat", "1")
    job = post(headers=headers)["body"]["id"]
    redis_client.delete("node:heartbeat")
    make_older(redis_client, job, tokens.SUB, 300_000)
    assert get(job)["body"] == {"id": job, "status": "queued"}
    assert post(headers=headers)["body"] == {"id": job, "status": "queued"}
