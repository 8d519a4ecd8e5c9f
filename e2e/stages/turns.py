"""Turns: the model thinks about as many prompts at once as it has slots (ADR 0015), and a user
with one prompt does not wait for all the jobs of another user (ADR 0009)."""

import json

from e2e.gaps.model_server import fingerprint
from e2e.run import Run, StageFailed, expect, wait_until
from e2e.stages.replies import answered

JOBS = 5
# How long the model thinks about what fills the slots. Where the machine is so slow that few jobs
# were left to wait when the other user came, it is tried again with longer thoughts.
THOUGHTS_S = (0.5, 2, 8)
# The slots come free one after the other, so that one alone takes what waits, in its order.
APART_S = 0.3
# While k users wait, a prompt is answered after at most k + 1 jobs: here the job that runs and one
# job of the one other user.
MOST_BEFORE = 2


def run(run: Run) -> str:
    """Every slot is busy, and bert has many jobs; then emil sends one, which the model gets after
    two of bert's at most."""
    document = run.client("ssm").get_parameter(Name=f"/{run.name}/node")["Parameter"]["Value"]
    slots: int = json.loads(document)["slots"]
    for thought_s in THOUGHTS_S:
        began_before = _jobs_before(run, slots, thought_s)
        if began_before is not None:
            if began_before > MOST_BEFORE:
                raise StageFailed(
                    f"{began_before} jobs of another user came before a single prompt, "
                    f"and {MOST_BEFORE} may",
                    logs=("ministack",),
                )
            return f"{slots} at once, then after {began_before} of {JOBS} jobs of another user"
    raise StageFailed("no job was left to wait for: the model was quicker than the requests")


def _jobs_before(run: Run, slots: int, thought_s: float) -> int | None:
    """How many of bert's jobs the model began between emil's request and emil's job; None if too
    few were left to tell turns from a single line."""
    busy = [f"[wait {thought_s + i * APART_S:.1f}] to fill slot {i}" for i in range(slots)]
    for i, prompt in enumerate(busy):
        _sent(run, ("ada", "dora")[i % 2], prompt)
    begun = {fingerprint(prompt) for prompt in busy}
    wait_until(lambda: begun <= run.servers.model_calls().keys(), run.target.patience.reply_s,
               "the model thinks about a prompt for each slot", logs=("ministack",))  # fmt: skip
    expect(run.servers.model_together(), slots, "prompts that the model thought about at once")
    many = [f"[wait 0.1] bert's job {i}, beside {thought_s} s" for i in range(JOBS)]
    single = f"emil's only prompt, beside jobs of {thought_s} s"
    ids = [_sent(run, "bert", prompt) for prompt in many]
    emils = _sent(run, "emil", single)
    waiting = {fingerprint(prompt) for prompt in many} - set(run.servers.model_calls())
    answered(run, "emil", emils)
    # The model's own list of first calls is in their order.
    order = list(run.servers.model_calls())
    before = waiting & set(order[: order.index(fingerprint(single))])
    answered(run, "bert", ids[-1])
    return len(before) if len(waiting) > MOST_BEFORE else None


def _sent(run: Run, name: str, prompt: str) -> str:
    answer = run.api.send(run.users[name].token, prompt, key=fingerprint(prompt))
    expect(answer.status, 202, f"{name}'s job", logs=(run.function_log("router"),))
    job_id: str = answer.json["id"]
    return job_id
