"""Whoever has a job that waits has the node woken: by a POST, by a GET, or by the schedule.

A real Redis, and an EC2 on loopback that boto3 speaks to over HTTP.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import pytest
import redis

from tests import contract, loopback, tokens
from tests.ec2 import UNCLEAR, Ec2, Fault, State
from tests.events import event
from tinyllama.router import app as router
from tinyllama.utils.aws import compute
from tinyllama.utils.queue.errors import QueueUnavailable
from tinyllama.utils.queue.job_id import id_for_key, new_id
from tinyllama.utils.queue.job_queue import JobQueue, Sweep
from tinyllama.waker import app as waker
from tinyllama.waker import tick

Way = Literal["POST", "GET", "schedule"]
WAYS: tuple[Way, ...] = ("POST", "GET", "schedule")
LATER: tuple[Way, ...] = ("GET", "schedule")
"""The ways in which the node is woken for a job that was accepted before."""
OTHER = "0a1b2c3d-other-user"


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ec2]:
    """The EC2 that the functions speak to; they wait for 0.25 s."""
    played = Ec2()
    monkeypatch.setattr(compute, "READ_TIMEOUT_S", 0.25)
    with loopback.endpoint(played.answer) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", endpoint.url)
        yield played


@pytest.fixture(autouse=True)
def surroundings(
    function_environment: dict[str, str],
    redis_client: redis.Redis,
    ec2: Ec2,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Router and waker with their variables, and an empty Redis reached without TLS."""
    for app in (router, waker):
        monkeypatch.setattr(app, "connect", lambda *_, **__: redis_client)


@pytest.fixture
def jobs(redis_client: redis.Redis) -> JobQueue:
    """The queue, to look into and to accept jobs as another function did."""
    return JobQueue(redis_client)


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
    assert waker.handler(event("scheduled"), None) is None


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


# ---- each state of the node, by each way ----


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


# ---- without a second POST ----


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
    if how in ("joined", "unclear"):
        redis_client.delete("node:start")  # its time is over
    ask(way, body["id"])
    assert (ec2.starts, counted_starts(capsys)) == (1, 1)


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


# ---- who is not woken for ----


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


# ---- time is over ----


@pytest.mark.parametrize(("age_s", "status"), [(225, "queued"), (231, "failed"), (290, "failed")])
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


# ---- what a POST promises ----


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


# ---- the question itself ----


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


# ---- the waker's own report ----


def report(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], float]:
    """The log line of the last tick, without its duration, and the waker's metric."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (log,) = [line for line in lines if "_aws" not in line]
    (metric,) = [line for line in lines if "WakerFailures" in line]
    assert metric["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "TinyLlama/tinyllama-dev"
    assert log.pop("latencyMs") > 0
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


@pytest.mark.parametrize("name", ["TL_QUEUE_HOST", "TL_PROJECT"])
def test_tick_names_the_setting_that_is_wrong(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The operator reads which variable to set."""
    for other in ("HOST", "PORT", "CACHE", "USER") if name == "TL_QUEUE_HOST" else ():
        monkeypatch.setenv(f"TL_QUEUE_{other}", "")
    monkeypatch.setenv(name, "")
    scheduled()
    line = {"level": "WARNING", "route": "schedule", "why": f"{name} is not set"}
    assert report(capsys) == (line, 1)


@pytest.mark.parametrize("waiting", [0, 1, 7])
@pytest.mark.parametrize("in_flight", [0, 1])
@pytest.mark.parametrize("node_awake", [True, False])
def test_node_is_wanted_if_there_are_jobs_and_no_worker(
    waiting: int, in_flight: int, node_awake: bool
) -> None:
    """Every combination."""
    sweep = Sweep(waiting, in_flight, node_awake=node_awake, failed=0)
    assert tick.is_node_wanted(sweep) is (not node_awake and (waiting > 0 or in_flight > 0))


def test_failure_has_a_reason_only_if_the_node_could_not_be_had() -> None:
    """Whatever a tick can see has one meaning for the owner of an old job."""
    assert {seen: tick.failure(seen) for seen in ("none", "no_capacity", "refused")} == {
        reason: ("node_unavailable", reason) for reason in ("none", "no_capacity", "refused")
    }
    seen: list[tick.Seen] = ["starting", "stopping", "unclear", "joined", "not_looked"]
    assert [tick.failure(one) for one in seen] == [("not_started", None)] * 5
