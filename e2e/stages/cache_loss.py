"""Cache loss: a lost job is answered with 410, and runs once when it is sent again."""

from functools import partial

from e2e.api import Answer
from e2e.gaps.model_server import fingerprint, reply_to
from e2e.run import Run, expect, wait_until
from e2e.stages.replies import answered

PROMPTS = {
    "key-answered": "is answered before the cache dies",
    "key-running": "[wait 1.5] runs while the cache dies",
    "key-queued": "waits while the cache dies",
}


def run(run: Run) -> str:
    """One job is answered, one runs, one waits; the cache crashes; all are sent again.

    On a slow machine the one that runs may end, and the one that waits may run, before the crash:
    then the journal answers for them, and each prompt still runs once.
    """
    emil = run.users["emil"].token
    logs = (run.function_log("router"), "cache-front", "redis", "ministack")
    patience_s = run.target.patience.reply_s
    ids = {"key-answered": _sent(run, "key-answered")}
    answered(run, "emil", ids["key-answered"])
    ids |= {key: _sent(run, key) for key in ("key-running", "key-queued")}
    expect(_sent(run, "key-queued"), ids["key-queued"], "the id of a repeat", logs=logs)
    wait_until(partial(_is_begun, run, ids["key-running"]), patience_s, "the job runs", logs=logs)

    run.servers.kill_redis()
    down = wait_until(partial(_refused, run, emil), patience_s, "an answer", logs=logs)
    seen = (down.status, down.json)
    expect(seen, (503, {"error": "queue_unavailable"}), "without a cache", logs=logs)
    run.servers.start_redis()

    for key in ("key-queued", "key-answered"):
        gone = run.api.ask("GET", f"/infer/{ids[key]}", emil)
        seen = (gone.status, gone.json)
        expect(seen, (410, {"error": "job_gone"}), f"what became of {key}", logs=logs)
    for key in ("key-queued", "key-answered", "key-running"):
        expect(_sent(run, key), ids[key], f"the id under {key}", logs=logs)
    for key, prompt in PROMPTS.items():
        reply = answered(run, "emil", ids[key])["reply"]
        expect(reply, reply_to(prompt), f"the reply to {key}", logs=logs)
    calls = run.servers.model_calls()
    ran = {key: calls.get(fingerprint(prompt)) for key, prompt in PROMPTS.items()}
    expect(ran, dict.fromkeys(PROMPTS, 1), "how often each prompt ran", logs=logs)
    return "503, then 202; 410 for lost jobs; each ran once"


def _sent(run: Run, key: str) -> str:
    """Send a prompt under its key until it is accepted; return the job's id."""
    answer = run.api.send(run.users["emil"].token, PROMPTS[key], key=key)
    expect(answer.status, 202, f"sending {key}", logs=(run.function_log("router"),))
    job_id: str = answer.json["id"]
    return job_id


def _is_begun(run: Run, job_id: str) -> bool:
    document = run.api.reply(run.users["emil"].token, job_id).json or {}
    return document.get("status") in {"running", "done"}


def _refused(run: Run, token: str) -> Answer | None:
    """The answer while the cache is down.

    A router that has just started may lack keys first, and the prompt that the cache takes along
    while it goes down is told `outcome: unknown`.
    """
    answer = run.api.infer(token, "while the cache is down")
    is_early = answer.json == {"error": "keys_unavailable"} or "outcome" in (answer.json or {})
    return None if is_early else answer
