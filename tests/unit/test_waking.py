"""Whoever has a job that waits has the node woken: by a POST, by a GET, or by the schedule.

A real Redis, and an EC2 on loopback that boto3 speaks to over HTTP.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from tests import tokens
from tests.ec2 import UNCLEAR, Ec2, Fault, State
from tests.unit.waking_calls import (
    LATER,
    OTHER,
    WAYS,
    Way,
    accepted,
    ask,
    counted_starts,
    get,
    grow_old,
    left,
    post,
    scheduled,
)
from tinyllama.router import app as router
from tinyllama.utils.queue.job_id import id_for_key, new_id
from tinyllama.utils.queue.job_queue import JobQueue

pytestmark = pytest.mark.usefixtures("waking")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("state", "starts"), [("stopped", 1), ("pending", 0), ("running", 0), ("stopping", 0)]
)
def test_node_is_started_if_it_is_stopped_and_only_then(
    way: Way,
    state: State,
    starts: int,
    ec2: Ec2,
    jobs: JobQueue,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The job stays, its owner is told `starting`, and a start is counted once."""
    ec2.state = state
    if way == "POST":
        status, body = post()
        job = body["id"]
        assert (status, body) == (202, {"status": "starting", "eta": 90, "id": job})
    else:
        job = accepted(jobs)
        ask(way, job)
    assert (ec2.starts, counted_starts(capsys)) == (starts, starts)
    assert left(jobs, job) == "queued"


@pytest.mark.fault(
    fault="EC2 has no node, no capacity, or refuses",
    place="POST /infer",
    user_sees="503 `node_unavailable` with the reason",
    lost="nothing is left in the queue",
    recovers="send it again later",
)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("state", "fault", "reason"),
    [
        (None, None, "none"),
        ("stopped", "no_capacity", "no_capacity"),
        ("stopped", "refused", "refused"),
    ],
)
def test_owner_is_told_that_the_node_cannot_be_had(
    way: Way, state: State | None, fault: Fault | None, reason: str, ec2: Ec2, jobs: JobQueue,
    redis_client: redis.Redis, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """By POST at once, and nothing is left; a job that was accepted before is kept while it has
    time, and then failed with the reason of the last look."""
    ec2.state = state
    if fault is not None:
        ec2.faults["StartInstances"] = fault
    if way == "POST":
        assert post(key="k") == (503, {"error": "node_unavailable", "reason": reason})
        assert left(jobs, id_for_key(tokens.SUB, "k")) == "gone"
        assert redis_client.zcard("waiting") == 0
    else:
        job = accepted(jobs)
        ask(way, job)
        assert left(jobs, job) == "queued"
        grow_old(redis_client, job)
        scheduled()
        failed = {"id": job, "status": "failed", "error": "node_unavailable", "reason": reason}
        assert get(job) == (200, failed)
    assert (ec2.starts, counted_starts(capsys)) == (0, 0)


@pytest.mark.fault(
    fault="EC2 does not answer a start, or late",
    place="POST, GET or waker",
    user_sees="202 `starting`",
    lost="nothing",
    recovers="the next look tells whether it starts; the start counts once",
)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", UNCLEAR)
@pytest.mark.parametrize("does_it", ["at once", "later", "never"])
def test_start_that_ec2_did_not_answer_is_looked_into(
    way: Way, fault: Fault, does_it: Any, ec2: Ec2, jobs: JobQueue, redis_client: redis.Redis,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Whether EC2 did it, does it later or never: the job stays, its owner is told `starting`, the
    node comes up without another POST, and the start is counted once."""
    ec2.faults["StartInstances"], ec2.does_it = fault, does_it
    if way == "POST":
        status, body = post()
        job = body["id"]
        assert (status, body["status"]) == (202, "starting")
    else:
        job = accepted(jobs)
        ask(way, job)
    assert left(jobs, job) == "queued"
    assert counted_starts(capsys) == (1 if does_it == "at once" else 0)
    ec2.settle()
    ec2.faults.clear()
    for _ in range(2):
        redis_client.delete("node:start")  # 2 s later
        scheduled()
    assert ec2.state in ("pending", "running")
    assert ec2.starts == 1
    assert counted_starts(capsys) == (0 if does_it == "at once" else 1)
    assert redis_client.exists("node:asked") == 0


@pytest.mark.fault(
    fault="the node is stopping",
    place="POST /infer",
    user_sees="202 `starting`, then the reply; no second POST",
    lost="nothing",
    recovers="the next GET or tick starts it",
)
@pytest.mark.parametrize("way", LATER)
@pytest.mark.parametrize("how", ["stopping", "wrong_state", "joined", "unclear"])
def test_node_that_could_not_be_started_is_started_without_a_second_post(
    way: Way, how: str, ec2: Ec2, redis_client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    """What stood in the way is over: the next GET or tick starts the node."""
    match how:
        case "stopping":
            ec2.state = "stopping"
        case "wrong_state":
            ec2.faults["StartInstances"] = "wrong_state"
        case "joined":
            redis_client.set("node:start", "", ex=15)
        case "unclear":
            ec2.faults["StartInstances"] = "empty"
    status, body = post()
    assert (status, body["status"]) == (202, "starting")
    assert ec2.starts == 0
    ec2.settle()
    ec2.faults.clear()
    redis_client.delete("node:start")  # its time is over
    ask(way, body["id"])
    assert (ec2.starts, counted_starts(capsys)) == (1, 1)


def test_client_that_polls_while_the_node_stops_asks_ec2_once_in_2_s(
    ec2: Ec2, jobs: JobQueue, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EC2 limits the questions of an account: one client must not use them up for the others."""
    monkeypatch.setattr("tinyllama.utils.queue.job_queue._OUTCOME_LIFE_S", 600)
    ec2.state = "stopping"
    job = accepted(jobs)
    for _ in range(10):
        ask("GET", job)
    assert ec2.asked == ["DescribeInstances"]
    ec2.settle()
    redis_client.delete("node:start")
    ask("GET", job)
    assert ec2.starts == 1


@pytest.mark.fault(
    fault="EC2 has no capacity",
    place="a job was accepted before",
    user_sees="job `failed`, `node_unavailable` with the reason, before its 300 s",
    lost="that job",
    recovers="GET and waker try again; capacity that comes back is used",
)
def test_nine_who_joined_a_look_without_capacity_are_told(
    ec2: Ec2, jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """One of ten looks and is refused; each of the others is refused too, or told before 300 s."""
    ec2.faults["StartInstances"] = "no_capacity"
    router.ec2()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda n: post(f"user-{n}"), range(10)))
    promised = {
        body["id"]: f"user-{number}"
        for number, (status, body) in enumerate(answers)
        if status == 202
    }
    unavailable = {"error": "node_unavailable", "reason": "no_capacity"}
    assert [body for status, body in answers if status != 202] == [unavailable] * (
        10 - len(promised)
    )
    # However the race went: one more who has joined a look.
    redis_client.set("node:start", "", ex=15)
    promised[post("user-10")[1]["id"]] = "user-10"
    for age_s in (60, 120, 180, 240):
        redis_client.delete("node:start")
        for job, sub in promised.items():
            if jobs.state(job, sub) is not None and get(job, sub)[1]["status"] == "queued":
                grow_old(redis_client, job, sub, age_s)
        redis_client.delete("node:start")
        scheduled()
    for job, sub in promised.items():
        assert get(job, sub) == (200, {"id": job, "status": "failed"} | unavailable)
    assert redis_client.zcard("waiting") == 0


@pytest.mark.fault(fault="EC2 has no capacity", place="a job was accepted before")
def test_capacity_that_comes_back_is_used(
    ec2: Ec2, jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """A minute later the same job has the node started."""
    ec2.faults["StartInstances"] = "no_capacity"
    job = accepted(jobs)
    scheduled()
    ec2.faults.clear()
    redis_client.delete("node:start")
    scheduled()
    assert (ec2.starts, left(jobs, job)) == (1, "queued")


@pytest.mark.fault(fault="the node is stopped by hand", place="a job runs")
def test_job_of_a_worker_that_is_gone_wakes_the_node(
    ec2: Ec2, jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """A stop while a job ran: nobody beats, the job has no owner's POST to come."""
    job = accepted(jobs)
    redis_client.delete("waiting", "turns", f"waiting:{tokens.SUB}")
    now_ms = int(time.time() * 1000)
    lease = {"consumer": "i-1", "until": now_ms + 60_000, "accepted": now_ms, "begun": 1}
    redis_client.hset("running", job, json.dumps(lease | {"sub": tokens.SUB}))
    scheduled()
    assert ec2.starts == 1


@pytest.mark.parametrize("way", WAYS)
def test_worker_that_beats_is_left_alone(
    way: Way, ec2: Ec2, jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """EC2 is not even asked."""
    redis_client.set("node:heartbeat", "1")
    if way == "POST":
        assert post()[1]["status"] == "queued"
    else:
        ask(way, accepted(jobs))
    assert ec2.asked == []


@pytest.mark.parametrize("status", ["done", "failed"])
def test_answered_job_and_empty_queue_wake_nobody(
    status: str, ec2: Ec2, redis_client: redis.Redis
) -> None:
    """A reply that is read while the node sleeps, and a tick without jobs."""
    job = new_id(tokens.SUB)
    said = {"reply": "42"} if status == "done" else {"error": "model_unavailable"}
    stored = {"sub": tokens.SUB, "ts": 1, "body": "", "status": status} | said
    redis_client.set(f"reply:{job}", json.dumps(stored))
    assert get(job) == (200, {"id": job, "status": status} | said)
    scheduled()
    assert ec2.asked == []


def test_foreign_id_wakes_nobody(ec2: Ec2, jobs: JobQueue) -> None:
    """404 before EC2 is thought of."""
    assert get(accepted(jobs, OTHER)) == (404, {"error": "not_found"})
    assert ec2.asked == []
