"""A request whose connection to the queue fails at any round trip: the response is true."""

import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
import trustme
from moto import mock_aws

from tests import tokens
from tests.faults.faulty_front import FAULTS, Fault, FaultyFront
from tests.processes import RedisServer, access_string
from tests.unit.router_calls import post
from tinyllama.router import app
from tinyllama.utils.aws.sigv4 import Credentials
from tinyllama.utils.queue.client import connect
from tinyllama.utils.queue.job_id import id_for_key
from tinyllama.utils.settings import QueueAddress

KEY = {"idempotency-key": "k"}
JOB = id_for_key(tokens.SUB, "k")
MOST_ROUND_TRIPS = 20


@pytest.fixture
def front(
    function_environment: dict[str, str],
    redis_server: RedisServer,
    redis_client: redis.Redis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[FaultyFront]:
    """The way to Redis, for a user with the router's rights; an EC2 without a node."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    rules = ["on", "nopass", *access_string("RouterUser").split()]
    redis_client.execute_command(  # type: ignore[no-untyped-call]
        "ACL", "SETUSER", "router", "reset", *rules
    )
    with (
        FaultyFront(context, redis_server.port) as front,
        mock_aws(config={"core": {"mock_credentials": False}}),
    ):
        yield front
    redis_client.acl_deluser("router")


def answered(
    front: FaultyFront, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> tuple[int, dict[str, str]]:
    """POST /infer of a function that has just started, to a Redis that knows no script."""
    client.flushall()
    client.script_flush()
    address = QueueAddress("localhost", front.port, "the-cache", "router")
    credentials = Credentials("AKIAEXAMPLE", "secret", None)
    made = connect(address, lambda: credentials, "eu-central-1", timeout_s=0.15)
    with closing(made), monkeypatch.context() as patch:
        patch.setattr(app, "connect", lambda *_: made)
        app.job_queue.cache_clear()
        response = post(headers=KEY)
        app.job_queue.cache_clear()
    return response["status"], response["body"]


@pytest.mark.fault(fault="the connection stalls or is cut", place="any round trip of POST /infer")
@pytest.mark.parametrize("is_awake", [True, False], ids=["awake", "no node"])
@pytest.mark.parametrize("fault", FAULTS)
def test_refused_request_left_nothing_or_says_that_this_is_unknown(
    fault: Fault,
    is_awake: bool,
    front: FaultyFront,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At every round trip, also of the wake and of taking the job back: 202 means that the job is
    there; 503 that nothing is, unless it says `unknown` and names the job."""
    if is_awake:
        flush = redis_client.flushall

        def and_beat() -> None:
            flush()
            redis_client.set("node:heartbeat", "i-1")

        monkeypatch.setattr(redis_client, "flushall", and_beat)
    seen: list[tuple[int, str]] = []
    at = 0
    for _ in range(2 * MOST_ROUND_TRIPS):
        front.arm(fault, at)
        status, body = answered(front, redis_client, monkeypatch)
        is_reached = len(front.commands) > at
        if not is_reached and body.get("error") == "queue_unavailable":
            continue  # the machine was too slow for this connection: the same once more
        seen.append((status, body.get("outcome", body.get("reason", body.get("status", "none")))))
        # What arrived has been carried out by then, as Redis is asked after it.
        time.sleep(0.02)
        is_there = redis_client.exists(f"job:{JOB}") == 1
        assert is_there is (redis_client.zscore("waiting", f"{JOB} {tokens.SUB}") is not None)
        if status == 202:
            assert is_there, at
        elif "outcome" in body:
            assert body == {"error": "queue_unavailable", "outcome": "unknown", "id": JOB}
        else:
            assert not is_there, (at, body)
        if not is_reached:
            break
        at += 1
    assert at < MOST_ROUND_TRIPS, seen
    assert (503, "none") in seen
    assert (503, "unknown") in seen
    assert seen[-1] == ((202, "queued") if is_awake else (503, "none"))
