"""The waker tells the owners whose time is over, and reports each tick."""

import json
from typing import Any

import pytest
import redis

from tests import tokens
from tests.ec2 import Ec2
from tests.unit.waking_calls import (
    LATER,
    Way,
    accepted,
    get,
    grow_old,
    scheduled,
)
from tinyllama.utils.queue.answers import JobState, Sweep
from tinyllama.utils.queue.errors import QueueUnavailable
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.waker import app, tick

pytestmark = pytest.mark.usefixtures("waking")


@pytest.mark.fault(
    fault="the node boots too slowly",
    place="a job waits for 210 s",
    user_sees="job `failed`, `not_started`, before its 300 s",
    lost="that job",
    recovers="send it again",
)
@pytest.mark.parametrize(("age_s", "status"), [(205, "queued"), (211, "failed"), (290, "failed")])
def test_job_that_the_node_did_not_begin_is_failed_in_time(
    age_s: int, status: str, ec2: Ec2, jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """The node boots for too long: `not_started`, told before the job's 300 s are over."""
    ec2.state = "running"
    job = accepted(jobs)
    grow_old(redis_client, job, age_s=age_s)
    scheduled()
    error = {} if status == "queued" else {"error": "not_started"}
    assert get(job) == (200, {"id": job, "status": status} | error)


def test_busy_worker_does_not_keep_owners_in_the_dark(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """Too many jobs for one node: a worker beats, and still the owner is told."""
    redis_client.set("node:heartbeat", "1")
    job = accepted(jobs)
    grow_old(redis_client, job)
    scheduled()
    assert get(job) == (200, {"id": job, "status": "failed", "error": "not_started"})


@pytest.mark.fault(
    fault="the waker misses a tick",
    place="jobs wait",
    user_sees="told one minute later",
    lost="nothing: a job stays in the cache for 180 s after its life, so that its owner is told",
    recovers="the next tick; GET wakes the node too; two bad ticks of three raise an alarm",
)
# At 269 s the job was not old enough for the tick before, and its life is over at the tick after.
@pytest.mark.parametrize("age_s", [211, 269])
def test_tick_that_is_missed_is_made_up_for(
    age_s: int,
    jobs: JobQueue,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The tick a minute later tells the owner, also when the job's life has ended meanwhile."""
    redis_client.set("node:heartbeat", "1")
    job = accepted(jobs)
    grow_old(redis_client, job, age_s=age_s)
    with monkeypatch.context() as patched:
        patched.setattr(JobQueue, "sweep", _silent)
        scheduled()
    grow_old(redis_client, job, age_s=age_s + 60)
    scheduled()
    assert get(job) == (200, {"id": job, "status": "failed", "error": "not_started"})


def _silent(*_: object, **__: object) -> None:
    raise QueueUnavailable("timeout")


def report(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], float]:
    """The log line of the last tick, without its duration, and the waker's metric."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (log,) = [line for line in lines if "_aws" not in line]
    (metric,) = [line for line in lines if "WakerFailures" in line]
    assert metric["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "TinyLlama/tinyllama-dev"
    assert log.pop("latencyMs") >= 0
    return log, metric["WakerFailures"]


def test_tick_logs_what_it_saw(
    ec2: Ec2, jobs: JobQueue, redis_client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, one metric; a node that cannot be had is no failure of the waker."""
    ec2.state = None
    accepted(jobs)
    grow_old(redis_client, accepted(jobs))
    scheduled()
    line = {"level": "INFO", "route": "schedule", "waiting": 1, "inFlight": 0, "failed": 1}
    assert report(capsys) == (line | {"seen": "none", "code": "none"}, 0)


def test_tick_that_ec2_refuses_is_a_failure(
    ec2: Ec2, jobs: JobQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing permission would leave every job unanswered: the alarm's metric is 1."""
    ec2.faults["DescribeInstances"] = "refused"
    accepted(jobs)
    scheduled()
    line = {"level": "WARNING", "route": "schedule", "waiting": 1, "inFlight": 0, "failed": 0}
    assert report(capsys) == (line | {"seen": "refused", "code": "UnauthorizedOperation"}, 1)


@pytest.mark.fault(fault="the waker misses a tick", place="jobs wait")
@pytest.mark.parametrize(
    ("error", "line"),
    [
        (QueueUnavailable("timeout"), {"level": "WARNING", "why": "timeout"}),
        (ZeroDivisionError("s3cr3t"), {"level": "ERROR", "why": "ZeroDivisionError"}),
    ],
)
def test_tick_that_breaks_is_a_failure_and_raises_nothing(
    error: Exception,
    line: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A silent queue, and a defect, which is logged with its place and without its message."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(JobQueue, "sweep", fail)
    scheduled()
    log, failures = report(capsys)
    assert ("at" in log) is (line["level"] == "ERROR")
    log.pop("at", None)
    assert (log, failures) == (line | {"route": "schedule"}, 1)


@pytest.mark.parametrize("error", [QueueUnavailable("timeout"), ZeroDivisionError()])
def test_owners_are_told_although_the_look_breaks(
    error: Exception,
    jobs: JobQueue,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A defect that comes back at each tick leaves nobody in the dark; the tick still fails."""

    def fail(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(app, "wake", fail)
    accepted(jobs)  # wants the node
    job = accepted(jobs)
    grow_old(redis_client, job)
    scheduled()
    assert report(capsys)[1] == 1
    assert jobs.state(job, tokens.SUB) == JobState("failed", error="not_started")


def test_tick_before_the_cache_is_made_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Turning the queue on does not begin with an alarm."""
    for name in ("HOST", "PORT", "CACHE", "USER"):
        monkeypatch.setenv(f"TL_QUEUE_{name}", "")
    scheduled()
    assert report(capsys) == ({"level": "INFO", "route": "schedule", "seen": "no_queue"}, 0)


@pytest.mark.parametrize("name", ["TL_QUEUE_HOST", "TL_PROJECT"])
def test_tick_names_the_setting_that_is_wrong(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The operator reads which variable to set."""
    monkeypatch.setenv(name, "")
    scheduled()
    line = {"level": "WARNING", "route": "schedule", "why": f"{name} is not set"}
    assert report(capsys) == (line, 1)


@pytest.mark.parametrize("worth_a_start", [0, 1, 7])
@pytest.mark.parametrize("node_awake", [True, False])
def test_node_is_wanted_if_a_start_is_worth_it_and_no_worker_beats(
    worth_a_start: int, node_awake: bool
) -> None:
    """Every combination; jobs that a node could no longer answer want none."""
    sweep = Sweep(7, 1, node_awake=node_awake, failed=0, worth_a_start=worth_a_start)
    assert tick.is_node_wanted(sweep) is (not node_awake and worth_a_start > 0)


@pytest.mark.parametrize("way", LATER)
@pytest.mark.parametrize(("age_s", "starts"), [(119, 1), (121, 0), (205, 0), (299, 0)])
def test_node_is_started_for_nobody_who_is_told_that_it_was_not(
    way: Way, age_s: int, starts: int, ec2: Ec2, jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """A boot takes 90 s: a job that would be failed before it is over starts no node."""
    job = accepted(jobs)
    grow_old(redis_client, job, age_s=age_s)
    if way == "GET":
        assert get(job) == (200, {"id": job, "status": "queued"})
    else:
        scheduled()
    assert ec2.starts == starts


def test_reason_of_the_last_look_is_told_by_a_tick_that_does_not_look(
    ec2: Ec2, jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """No capacity while the job was young; when it is old, nobody asks EC2 for it again."""
    ec2.faults["StartInstances"] = "no_capacity"
    job = accepted(jobs)
    scheduled()
    redis_client.delete("node:start")
    ec2.faults.clear()
    grow_old(redis_client, job)
    scheduled()
    reason = {"error": "node_unavailable", "reason": "no_capacity"}
    assert get(job) == (200, {"id": job, "status": "failed"} | reason)
    assert ec2.starts == 0


def test_failure_has_a_reason_only_if_the_node_could_not_be_had() -> None:
    """Whatever a tick can see has one meaning for the owner of an old job."""
    reasons: tuple[tick.Seen, ...] = ("none", "no_capacity", "refused", "budget")
    assert [tick.failure(seen, None) for seen in reasons] == [
        ("node_unavailable", reason) for reason in reasons
    ]
    assert [tick.failure("not_looked", reason) for reason in reasons] == [
        ("node_unavailable", reason) for reason in reasons
    ]
    assert tick.failure("not_looked", "starting") == ("not_started", None)
    seen: list[tick.Seen] = ["starting", "stopping", "unclear", "joined", "not_looked"]
    assert [tick.failure(one, None) for one in seen] == [("not_started", None)] * 5
