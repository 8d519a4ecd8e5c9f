"""The ways in which a job that waits wakes the node, for the tests of waking."""

import json
import time
from typing import Any, Literal

import pytest
import redis

from tests import contract, tokens
from tests.events import event
from tinyllama.router import app as router
from tinyllama.utils.queue.job_id import new_id
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.waker import app as waker

Way = Literal["POST", "GET", "schedule"]
WAYS: tuple[Way, ...] = ("POST", "GET", "schedule")
LATER: tuple[Way, ...] = ("GET", "schedule")
"""The ways in which the node is woken for a job that was accepted before."""
OTHER = "0a1b2c3d-other-user"


def accepted(jobs: JobQueue, sub: str = tokens.SUB) -> str:
    """The id of a job that a POST left in the queue."""
    job = new_id(sub)
    jobs.accept(job_id=job, sub=sub, prompt="p", idle=5, now_ms=1)
    return job


def post(sub: str = tokens.SUB, key: str | None = None) -> tuple[int, dict[str, Any]]:
    """Status and body of POST /infer, held to the contract."""
    headers = {} if key is None else {"idempotency-key": key}
    return _called("post_infer", sub, body='{"prompt": "p"}', headers=headers)


def get(job: str, sub: str = tokens.SUB) -> tuple[int, dict[str, Any]]:
    """Status and body of GET /infer/{id}, held to the contract."""
    return _called("get_infer", sub, pathParameters={"id": job})


def scheduled() -> None:
    """What EventBridge does every minute."""
    waker.handler(event("scheduled"), None)


def _called(name: str, sub: str, **changes: Any) -> tuple[int, dict[str, Any]]:
    token = tokens.token(payload=tokens.claims(int(time.time()), sub=sub))
    sent = event(name, token=token, **changes)
    response = router.handler(sent, None)
    assert contract.faults(sent["routeKey"], response) == []
    return response["statusCode"], json.loads(response["body"])


def ask(way: Way, job: str) -> None:
    """Come in by this way, for a job that waits."""
    if way == "GET":
        assert get(job) == (200, {"id": job, "status": "queued"})
    else:
        scheduled()


def counted_starts(capsys: pytest.CaptureFixture[str]) -> int:
    """How many starts the metric has counted since the last call."""
    return sum(
        '"EC2Starts": 1' in line and '"Reason": "ColdBoot"' in line
        for line in capsys.readouterr().out.splitlines()
    )


def grow_old(client: redis.Redis, job: str, sub: str = tokens.SUB, age_s: int = 231) -> None:
    """Let the job have waited for so long."""
    client.zadd("waiting", {f"{job} {sub}": time.time() * 1000 - age_s * 1000})


def left(jobs: JobQueue, job: str) -> str:
    """Where the job stands; `gone` if nothing of it is left."""
    state = jobs.state(job, tokens.SUB)
    return "gone" if state is None else state.status
