"""A job that waits gets its node, and nobody else's is taken away: the deployed functions, under
their own roles and cache users, on an EC2 whose `pending` and `stopping` last for a while."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import redis

from e2e import metrics
from e2e.gaps.instance_behaviour import Behaviour
from e2e.gaps.model_server import reply_to
from e2e.run import Run, wait_until
from e2e.targets.ministack import MiniStack

Way = Literal["POST", "GET", "schedule"]
SLOW = Behaviour(pending_s=0.5, stopping_s=1.5)
SCHEDULED = json.loads((Path(__file__).parents[1] / "fixtures/events/scheduled.json").read_text())
PATIENCE_S = 30


@pytest.fixture
def cache(account: MiniStack) -> redis.Redis:
    """The cache's administrator."""
    return account.cache()


@pytest.fixture(autouse=True)
def calm(account: MiniStack, run: Run, cache: redis.Redis) -> Iterator[None]:
    """A stopped node, an empty queue, and slow instances; no failure is left to the next test."""
    account.play(Behaviour())
    bring(run, cache, "stopped")
    cache.flushdb()
    account.play(SLOW)
    yield
    account.play(Behaviour())


def bring(run: Run, cache: redis.Redis, state: str) -> None:
    """Have the node in this state, by the operator's hand."""
    ec2, node = run.client("ec2"), run.outputs["NodeId"]
    wait_until(lambda: run.node_state() in ("stopped", "running"), PATIENCE_S, "the node is quiet")
    if state in ("stopped", "stopping"):
        if state == "stopping" and run.node_state() == "stopped":
            bring(run, cache, "running")
        ec2.stop_instances(InstanceIds=[node])
    else:
        ec2.start_instances(InstanceIds=[node])
    if state == "running":
        wait_until(lambda: cache.exists("node:heartbeat"), PATIENCE_S, "the worker is up")
    wait_until(lambda: run.node_state() == state, PATIENCE_S, f"the node is {state}")
    if state != "running":
        cache.delete("node:heartbeat")


def tick(run: Run) -> None:
    """What the rule does every minute."""
    answer = run.client("lambda").invoke(
        FunctionName=f"{run.name}-waker", Payload=json.dumps(SCHEDULED).encode()
    )
    assert (answer["StatusCode"], answer.get("FunctionError")) == (200, None)


def post(run: Run, prompt: str, name: str = "ada") -> str:
    """POST /infer once; the id of the accepted job."""
    answer = run.api.infer(run.users[name].token, prompt)
    assert answer.status == 202, answer.body
    job: str = answer.json["id"]
    return job


def leave(run: Run, cache: redis.Redis, prompt: str) -> str:
    """A job whose POST could not wake the node: another request was just looking for it."""
    cache.set("node:start", "", ex=15)
    job = post(run, prompt)
    cache.delete("node:start")
    return job


def ask(run: Run, way: Way, job: str) -> None:
    """Come in once by this way."""
    if way == "GET":
        assert run.api.reply(run.users["ada"].token, job).status == 200
    elif way == "schedule":
        tick(run)


def counted(run: Run) -> list[tuple[dict[str, str], float]]:
    """Each EC2Starts of router and waker so far."""
    return metrics.emitted(run, "router", "EC2Starts") + metrics.emitted(run, "waker", "EC2Starts")


def is_answered(cache: redis.Redis, job: str, prompt: str) -> bool:
    """Whether the reply is there; asked past the API, because a GET wakes the node."""
    stored = json.loads(cache.get(f"reply:{job}") or "{}")
    return bool(stored.get("reply") == reply_to(prompt))


@pytest.mark.fault(fault="the node is stopping", place="POST /infer")
@pytest.mark.parametrize("way", ["POST", "GET", "schedule"])
@pytest.mark.parametrize("state", ["stopped", "pending", "stopping", "no capacity", "lost answer"])
def test_job_is_answered_without_a_second_post(
    account: MiniStack, run: Run, cache: redis.Redis, state: str, way: Way
) -> None:
    """One POST in each state of the node; then only this way in, by which a job is answered.

    By POST alone where the POST can start the node, else by the schedule that follows it.
    """
    if state in ("pending", "stopping"):
        bring(run, cache, state)
    refused = Behaviour(SLOW.pending_s, SLOW.stopping_s, start_error="InsufficientInstanceCapacity")
    lost = Behaviour(SLOW.pending_s, SLOW.stopping_s, lose_answer=True)
    account.play({"no capacity": refused, "lost answer": lost}.get(state, SLOW))
    before = len(counted(run))
    prompt = f"{state} by {way}"
    if way != "POST" or state == "no capacity":
        job = leave(run, cache, prompt)
    else:
        job = post(run, prompt)
    if state == "stopping":
        assert run.node_state() == "stopping"
    follow: Way = "schedule" if way == "POST" and state in ("stopping", "no capacity") else way
    if state == "no capacity":
        ask(run, follow, job)
        assert cache.exists(f"job:{job}") == 1
        account.play(SLOW)
        cache.delete("node:start")  # 2 s later
    deadline = time.monotonic() + PATIENCE_S
    while not is_answered(cache, job, prompt):
        assert time.monotonic() < deadline, f"{state} by {way}: not answered"
        ask(run, follow, job)
        time.sleep(0.2)
    assert cache.exists("node:asked") == 0
    # The operator's own start, in `pending`, is not counted.
    wanted = 0 if state == "pending" else 1
    wait_until(lambda: len(counted(run)) - before >= wanted, PATIENCE_S, "EC2Starts")
    assert len(counted(run)) - before == wanted
    assert counted(run) == [({"Reason": "ColdBoot"}, 1.0)] * len(counted(run))


@pytest.mark.fault(fault="EC2 has no capacity", place="a job was accepted before")
def test_owner_is_told_that_there_was_no_capacity(
    account: MiniStack, run: Run, cache: redis.Redis
) -> None:
    """By the waker, under its own cache user, before the job's 300 s are over."""
    account.play(Behaviour(start_error="InsufficientInstanceCapacity"))
    job = leave(run, cache, "never")
    tick(run)  # looks, because the job is young
    members: Any = cache.zrange("waiting", 0, -1)
    for member in members:
        cache.zincrby("waiting", -231_000, member)
    tick(run)
    answer = run.api.reply(run.users["ada"].token, job)
    failed = {"id": job, "status": "failed", "error": "node_unavailable", "reason": "no_capacity"}
    assert (answer.status, answer.json) == (200, failed)


@pytest.mark.fault(fault="the node is stopped by POST /stop", place="jobs of others wait or run")
def test_node_is_stopped_for_its_only_user_and_for_an_administrator(
    run: Run, cache: redis.Redis
) -> None:
    """409 for another user, 403 for a force that is not an administrator's; the owner is told."""
    bring(run, cache, "running")
    ada, bert, operator = (run.users[name].token for name in ("ada", "bert", "operator"))
    job = post(run, "[wait 20] a long one", "bert")
    wait_until(lambda: run.api.reply(bert, job).json["status"] == "running", PATIENCE_S, "it runs")
    said = [
        run.api.call("POST", "/stop", ada),
        run.api.call("POST", "/stop", ada, {"force": True}),
        run.api.call("POST", "/stop", operator),
    ]
    assert [(one.status, one.json["error"]) for one in said] == [
        (409, "node_in_use"),
        (403, "forbidden"),
        (409, "node_in_use"),
    ]
    assert run.node_state() == "running"
    forced = run.api.call("POST", "/stop", operator, {"force": True})
    assert (forced.status, forced.json) == (202, {"status": "stopping"})
    told = run.api.reply(bert, job)
    assert told.json == {"id": job, "status": "failed", "error": "node_stopped"}
    wait_until(lambda: run.node_state() == "stopped", PATIENCE_S, "the node stops")
    tick(run)
    assert run.node_state() == "stopped"
    assert run.api.call("POST", "/stop", bert).status == 200


def test_rule_wakes_the_node_by_itself(run: Run, cache: redis.Redis) -> None:
    """A prompt is left behind, and nobody comes in: the rule of the template calls the waker."""
    job = leave(run, cache, "by the rule")
    wait_until(lambda: is_answered(cache, job, "by the rule"), 90, "a minute passes")
