"""No capacity: whoever gets 503 left nothing behind; whoever got 202 is told why not."""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import redis

from e2e.gaps.instance_behaviour import Behaviour
from e2e.run import Run, expect, wait_until
from e2e.stages.replies import answered
from e2e.waker import tick

TOO_OLD_MS = 231_000
# On a slow machine EC2 may not answer the waker in time, which then says so.
TRIES = 3
REFUSAL = {"error": "node_unavailable", "reason": "no_capacity"}


def run(run: Run) -> str:
    """EC2 has no machine for the stopped node: one prompt is refused; one that was accepted while
    another request looked for the node is failed by the waker, in time."""
    logs = (run.function_log("router"), run.function_log("waker"), "ministack")
    node = run.outputs["NodeId"]
    run.client("ec2").stop_instances(InstanceIds=[node])
    patience_s = run.target.patience.node_s
    wait_until(lambda: run.node_state() == "stopped", patience_s, "the node stops", logs=logs)
    with closing(run.servers.cache()) as cache, _full_zone(run):
        refused = wait_until(lambda: _refused(run, cache), patience_s, "an answer", logs=logs)
        expect(refused, (503, REFUSAL), "a prompt", logs=logs)
        left = sorted(cache.scan_iter("job:*")) + sorted(cache.scan_iter("waiting*"))
        expect(left, [], "what a refused prompt left in the queue", logs=logs)
        for _ in range(TRIES):
            told = _told(run, cache)
            if _is_of_the_node(told):
                break
        expect(told, {"status": "failed", **REFUSAL}, "what the owner is told", logs=logs)
        cache.flushdb()  # the outcome of that look, which the next requests would be told
    expect(run.node_state(), "stopped", "the node", logs=logs)
    return "503 and nothing left; an accepted job failed with the reason"


@contextmanager
def _full_zone(run: Run) -> Iterator[None]:
    run.servers.play(Behaviour(start_error="InsufficientInstanceCapacity"))
    try:
        yield
    finally:
        run.servers.play(Behaviour())


def _refused(run: Run, cache: redis.Redis) -> tuple[int, object] | None:
    """The answer to a prompt; None if cache, keys or EC2 were too slow for another answer."""
    cache.flushdb()  # what an answer that came too late to be read may have left
    answer = run.api.infer(run.users["emil"].token, "no machine for this")
    is_slow = answer.status in (429, 502, 503, 504) and not _is_of_the_node(answer.json)
    return None if is_slow else (answer.status, answer.json)


def _told(run: Run, cache: redis.Redis) -> dict[str, str]:
    """What the owner of an old job is told after a tick.

    The job is one of a request that came while another one looked for the node.
    """
    emil = run.users["emil"].token
    cache.set("node:start", "", ex=15)
    answer = run.api.send(emil, "accepted all the same", key=secrets.token_hex(8))
    cache.delete("node:start")
    expect(answer.status, 202, "a prompt while another request looks")
    job_id: str = answer.json["id"]
    members: Any = cache.zrange("waiting", 0, -1)
    for member in members:
        cache.zincrby("waiting", -TOO_OLD_MS, member)
    tick(run)
    document = answered(run, "emil", job_id)
    expect(document.pop("id"), job_id, "the job's id")
    return document


def _is_of_the_node(document: dict[str, str] | None) -> bool:
    """Whether this says something of the node, and not that EC2 did not answer in time."""
    said = document or {}
    return said.get("error") == "node_unavailable" and said.get("reason") != "refused"
