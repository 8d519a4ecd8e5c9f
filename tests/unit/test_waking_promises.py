"""What a POST promises is kept, whatever fails after its job was accepted."""

from typing import Any

import pytest
import redis

from tests import tokens
from tests.ec2 import UNCLEAR, Ec2, Fault
from tests.unit.waking_calls import (
    accepted,
    counted_starts,
    left,
    post,
    scheduled,
)
from tinyllama.utils.aws import compute
from tinyllama.utils.queue.errors import QueueUnavailable
from tinyllama.utils.queue.job_id import id_for_key
from tinyllama.utils.queue.job_queue import JobQueue

pytestmark = pytest.mark.usefixtures("waking")


@pytest.mark.parametrize("silent", ["begin_start", "note_start", "take_start", "end_start"])
def test_queue_that_falls_silent_after_the_job_was_accepted_changes_no_promise(
    silent: str, ec2: Ec2, jobs: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """202: the job is in the queue, and the waker goes on."""

    def fail(*_: object) -> None:
        raise QueueUnavailable("timeout", outcome="unknown")

    monkeypatch.setattr(JobQueue, silent, fail)
    status, body = post()
    assert (status, body["status"]) == (202, "starting")
    assert left(jobs, body["id"]) == "queued"


@pytest.mark.fault(fault="the connection stalls or is cut", place="a job is taken back")
def test_job_that_may_still_be_queued_is_told_by_its_id(
    ec2: Ec2, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No capacity, and taking the job back was not answered: 503 with the outcome unknown."""
    ec2.faults["StartInstances"] = "no_capacity"

    def fail(_: JobQueue, job_id: str) -> bool:
        raise QueueUnavailable("timeout", outcome="unknown", job_id=job_id)

    monkeypatch.setattr(JobQueue, "withdraw", fail)
    unknown = {"error": "queue_unavailable", "outcome": "unknown"}
    assert post(key="k") == (503, unknown | {"id": id_for_key(tokens.SUB, "k")})


def test_job_that_cannot_be_taken_back_keeps_its_promise(
    ec2: Ec2, jobs: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No capacity, and the queue was not reached again: the job is queued, so 202."""
    ec2.faults["StartInstances"] = "no_capacity"

    def fail(*_: object) -> bool:
        raise QueueUnavailable("refused")

    monkeypatch.setattr(JobQueue, "withdraw", fail)
    status, body = post()
    assert (status, left(jobs, body["id"])) == (202, "queued")


def test_repeat_does_not_take_back_what_was_promised(
    ec2: Ec2, jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """The first request got 202; the same request again finds no capacity, and the job stays."""
    ec2.state = "stopping"
    first = post(key="k")
    assert first[0] == 202
    ec2.settle()
    ec2.faults["StartInstances"] = "no_capacity"
    assert post(key="k") == first
    assert left(jobs, first[1]["id"]) == "queued"


def test_defect_leaves_nothing_behind(
    jobs: JobQueue, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 to the POST: its job is taken back, and the next caller may look."""

    def broken(_: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(compute, "client", broken)
    assert post(key="k") == (500, {"error": "internal"})
    assert left(jobs, id_for_key(tokens.SUB, "k")) == "gone"
    assert redis_client.exists("node:start") == 0


@pytest.mark.fault(
    fault="the cache is full",
    place="the node is stopped",
    user_sees="nothing: the node starts",
    lost="nothing",
    recovers="waking needs no memory that a full cache lacks",
)
def test_full_cache_still_lets_the_node_be_started(
    ec2: Ec2, jobs: JobQueue, redis_client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    """At maxmemory, where jobs wait that only the node can take away."""
    accepted(jobs)
    redis_client.config_set("maxmemory", "1")
    try:
        scheduled()
    finally:
        redis_client.config_set("maxmemory", "0")
    assert (ec2.starts, counted_starts(capsys)) == (1, 1)


@pytest.mark.fault(
    fault="EC2 does not answer where the node is",
    place="POST /infer",
    user_sees="503 `node_unavailable`, `refused`",
    lost="nothing is left in the queue",
    recovers="send it again",
)
@pytest.mark.parametrize("fault", [*UNCLEAR, "refused"])
def test_question_that_ec2_does_not_answer_is_a_refusal(
    fault: Fault, ec2: Ec2, jobs: JobQueue
) -> None:
    """Nothing was started: 503 and nothing left; today's 500 for a body that is no XML is gone."""
    ec2.faults["DescribeInstances"] = fault
    assert post(key="k") == (503, {"error": "node_unavailable", "reason": "refused"})
    assert left(jobs, id_for_key(tokens.SUB, "k")) == "gone"


def test_start_that_an_operator_was_quicker_with_is_not_counted(
    ec2: Ec2, jobs: JobQueue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """EC2's answer says that the node was not stopped any more."""
    accepted(jobs)
    real = compute.start

    def late(client: Any, node: compute.Node) -> bool:
        ec2.state = "pending"
        return real(client, node)

    monkeypatch.setattr(compute, "start", late)
    scheduled()
    scheduled()
    assert (ec2.starts, counted_starts(capsys)) == (0, 0)
