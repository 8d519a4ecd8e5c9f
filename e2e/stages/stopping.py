"""Stopping: a prompt that comes while the node stops is answered, and nobody sends it again."""

import json
import time
from collections.abc import Callable
from contextlib import closing

from e2e.gaps.instance_behaviour import Behaviour
from e2e.gaps.model_server import fingerprint, reply_to
from e2e.run import Run, StageFailed, expect, wait_until
from e2e.waker import tick

# How long the node is `stopping`. Where the machine is so slow that the prompt came later, it is
# tried again with a longer stop.
STOPS_S = (0.4, 4, 15)
COMES_IN_EVERY_S = 0.15


def run(run: Run) -> str:
    """One prompt whose owner only asks for the reply; one whose owner does not even ask."""
    for name in ("GET", "tick"):
        if not any(_is_answered(run, name, stopping_s) for stopping_s in STOPS_S):
            raise StageFailed("the node had stopped before the prompt came")
    return "answered by GET's wake, and by the waker's"


def _is_answered(run: Run, by: str, stopping_s: float) -> bool:
    """Send a prompt once, and see it answered; False if the node had stopped by then."""
    logs = (run.function_log("router"), run.function_log("waker"), "ministack")
    emil, patience_s = run.users["emil"].token, run.target.patience.node_s
    _bring_to_stopping(run, stopping_s, logs)
    prompt = f"sent while the node stops for {stopping_s} s, answered by {by}"
    sent = run.api.send(emil, prompt, key=fingerprint(prompt))
    was_stopping = run.node_state() == "stopping"
    expect(sent.status, 202, "the prompt", logs=logs)
    job_id: str = sent.json["id"]
    come_in: Callable[[], object] = (
        (lambda: run.api.reply(emil, job_id)) if by == "GET" else (lambda: tick(run))
    )
    with closing(run.servers.cache()) as cache:
        next_s = 0.0

        def reply() -> str | None:
            """Read past the API, where a GET wakes the node."""
            nonlocal next_s
            stored: str | None = json.loads(cache.get(f"reply:{job_id}") or "{}").get("reply")
            if stored is None and time.monotonic() > next_s:
                # What the last look saw is kept for 2 s, which this stage does not wait for.
                cache.delete("node:start")
                come_in()
                next_s = time.monotonic() + COMES_IN_EVERY_S
            return stored

        seen = wait_until(reply, patience_s, f"the answer by {by}", logs=logs)
    expect(seen, reply_to(prompt), "the reply", logs=logs)
    return was_stopping


def _bring_to_stopping(run: Run, stopping_s: float, logs: tuple[str, ...]) -> None:
    """Let the operator stop the node, which takes a while and leaves no worker behind."""
    ec2, node, patience_s = run.client("ec2"), run.outputs["NodeId"], run.target.patience.node_s
    run.servers.play(Behaviour())
    ec2.stop_instances(InstanceIds=[node])
    wait_until(lambda: run.node_state() == "stopped", patience_s, "the node stops", logs=logs)
    with closing(run.servers.cache()) as cache:
        cache.delete("node:start")  # the outcome of an earlier look, which the prompt would join
    run.servers.play(Behaviour(stopping_s=stopping_s))
    try:
        ec2.start_instances(InstanceIds=[node])
        ec2.stop_instances(InstanceIds=[node])
    finally:
        run.servers.play(Behaviour())
