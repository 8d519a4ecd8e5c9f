"""POST /stop asks whether others use the node, and tells the owners of the jobs that it ends."""

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
from tests import tokens
from tests.processes import free_port
from tests.unit.stop_calls import FORCE, STOPPED, admin, node, running, stopped, user
from tests.unit.waking_calls import OTHER, accepted
from tinyllama.stop import app
from tinyllama.utils.aws import compute
from tinyllama.utils.queue.answers import JobState
from tinyllama.utils.queue.errors import QueueUnavailable
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


@pytest.mark.fault(
    fault="the node is stopped by POST /stop",
    place="jobs of others wait or run",
    user_sees="the caller 409 `node_in_use`; by an administrator's force, the owners job "
    "`failed`, `node_stopped`",
    lost="forced: every job",
    recovers="send it again",
)
@pytest.mark.parametrize("is_running", [False, True])
def test_node_that_others_use_is_not_stopped(
    is_running: bool, jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """409 while a job of another user waits or runs; the node, the job and EC2 are left alone."""
    made = running()
    theirs = accepted(jobs, OTHER)
    redis_client.set("node:heartbeat", "1")
    if is_running:
        assert Claims(redis_client, "i-1", life_s=300).next() is not None
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
    claim = worker.next()
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


def test_job_that_another_sends_while_the_node_is_looked_for_is_a_hindrance(
    jobs: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finding the node takes seconds; the question is put again directly before the stop, and the
    throttle counts the request once."""
    made = running()
    sent: list[str] = []
    real = compute.find_node

    def find_late(*given: Any, **named: Any) -> compute.Node | None:
        sent.append(accepted(jobs, OTHER))
        return real(*given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(compute, "find_node", find_late)
        assert stopped() == (409, {"error": "node_in_use"})
    assert node() == compute.Node(made, "running")
    assert jobs.state(sent[0], OTHER) == JobState("queued")


def test_throttle_counts_a_stop_once(redis_client: redis.Redis) -> None:
    """Though the queue is asked twice."""
    running()
    assert stopped() == (202, {"status": "stopping"})
    assert len(str(redis_client.get(f"throttle:{tokens.SUB}")).split()) == 1


@pytest.mark.fault(fault="the node is stopped by POST /stop", place="jobs of others wait or run")
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


def test_node_can_be_stopped_while_there_is_no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """UseGpu is false, and somebody left the node running: whoever asks stops it."""
    for name in ("HOST", "PORT", "CACHE", "USER"):
        monkeypatch.setenv(f"TL_QUEUE_{name}", "")
    made = running()
    assert stopped() == (202, {"status": "stopping"})
    assert node() == compute.Node(made, "stopped")


@pytest.mark.fault(
    fault="the cache is down",
    place="POST /stop",
    user_sees="503 `queue_unavailable`; an administrator may force",
    lost="nothing",
    recovers="jobs that nobody could be told of start the node again",
)
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


@pytest.mark.fault(fault="the cache is down", place="POST /stop")
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
