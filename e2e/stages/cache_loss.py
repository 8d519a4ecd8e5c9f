"""Cache loss: a lost job is answered with 410, and runs once when it is sent again."""

from functools import partial

from e2e.gaps.model_server import fingerprint, reply_to
from e2e.run import Run, expect, wait_until
from e2e.stages.replies import answered

PROMPTS = {
    "key-answered": "is answered before the cache dies",
    "key-running": "[wait 1.5] runs while the cache dies",
    "key-queued": "waits while the cache dies",
}


def run(run: Run) -> str:
    """One job is answered, one runs, one waits; the cache crashes; all are sent again."""
    emil = run.users["emil"].token
    logs = (run.function_log("router"), "cache-front", "redis", "ministack")
    ids = {"key-answered": _sent(run, "key-answered")}
    answered(run, "emil", str(ids["key-answered"]))
    ids |= {key: _sent(run, key) for key in ("key-running", "key-queued")}
    expect(_sent(run, "key-queued"), ids["key-queued"], "the id of a repeat", logs=logs)
    wait_until(partial(_is_running, run, ids["key-running"]), 5, "the job runs", logs=logs)

    run.servers.kill_redis()
    down = run.api.infer(emil, "while the cache is down")
    seen = (down.status, down.json)
    expect(seen, (503, {"error": "queue_unavailable"}), "without a cache", logs=logs)
    run.servers.start_redis()

    for key in ("key-queued", "key-answered"):
        gone = wait_until(partial(_looked_up, run, ids[key]), 10, "the cache is back", logs=logs)
        expect(gone, (410, {"error": "job_gone"}), f"what became of {key}", logs=logs)
    for key in ("key-queued", "key-answered", "key-running"):
        sent = wait_until(partial(_sent, run, key), 10, "sending again", logs=logs)
        expect(sent, ids[key], f"the id under {key}", logs=logs)
    for key, prompt in PROMPTS.items():
        reply = answered(run, "emil", str(ids[key]))["reply"]
        expect(reply, reply_to(prompt), f"the reply to {key}", logs=logs)
    calls = run.servers.model_calls()
    ran = {key: calls.get(fingerprint(prompt)) for key, prompt in PROMPTS.items()}
    expect(ran, dict.fromkeys(PROMPTS, 1), "how often each prompt ran", logs=logs)
    return "503, then 202; 410 for lost jobs; each ran once"


def _sent(run: Run, key: str) -> str | None:
    """Send a prompt under its key; returns the job's id, or None when it was not accepted."""
    answer = run.api.infer(run.users["emil"].token, PROMPTS[key], key=key)
    return answer.json["id"] if answer.status == 202 else None


def _is_running(run: Run, job_id: str | None) -> bool:
    document = run.api.reply(run.users["emil"].token, str(job_id)).json
    return bool(document.get("status") == "running")


def _looked_up(run: Run, job_id: str | None) -> tuple[int, object] | None:
    answer = run.api.reply(run.users["emil"].token, str(job_id))
    return None if answer.status == 503 else (answer.status, answer.json)
