"""Cache loss: nothing is silent. What was queued is gone and says so; sent again, it runs once."""

from functools import partial

from e2e.gaps.model_server import fingerprint, reply_to
from e2e.run import Run, expect, wait_until
from e2e.stages.replies import answered

RUNNING, QUEUED = "[wait 1.5] runs while the cache dies", "waits while the cache dies"


def run(run: Run) -> str:
    """The cache crashes while one job runs and one waits; both are sent again under their keys."""
    emil = run.users["emil"].token
    logs = (run.function_log("router"), "cache-front", "redis")
    first = {
        key: run.api.infer(emil, prompt, key=key)
        for key, prompt in (("key-running", RUNNING), ("key-queued", QUEUED))
    }
    expect([a.status for a in first.values()], [202, 202], "two jobs", logs=logs)
    ids = {key: answer.json["id"] for key, answer in first.items()}
    again = run.api.infer(emil, QUEUED, key="key-queued")
    expect((again.status, again.json["id"]), (202, ids["key-queued"]), "a repeated key", logs=logs)
    wait_until(lambda: run.api.reply(emil, ids["key-running"]).json.get("status") == "running",
               5, "the first job runs", logs=logs)  # fmt: skip
    run.target.kill_redis()
    down = run.api.infer(emil, "while the cache is down")
    expect(
        (down.status, down.json),
        (503, {"error": "queue_unavailable"}),
        "without a cache",
        logs=logs,
    )
    run.target.start_redis()
    gone = wait_until(
        lambda: _unless_unavailable(run, ids["key-queued"]), 10, "the cache is back", logs=logs
    )
    expect(gone, (410, {"error": "job_gone"}), "the job that was queued", logs=logs)
    for key, prompt in (("key-queued", QUEUED), ("key-running", RUNNING)):
        sent = wait_until(partial(_sent_again, run, key, prompt), 10, "sending again", logs=logs)
        expect(sent, ids[key], f"the id under {key}", logs=logs)
    for key, prompt in (("key-queued", QUEUED), ("key-running", RUNNING)):
        expect(answered(run, "emil", ids[key])["reply"], reply_to(prompt), "the reply", logs=logs)
    calls = run.target.model_calls()
    seen = {key: calls.get(fingerprint(p)) for key, p in (("running", RUNNING), ("queued", QUEUED))}
    expect(seen, {"running": 1, "queued": 1}, "how often each prompt ran", logs=logs)
    return "503, then 202; 410 for the lost job; each ran once"


def _unless_unavailable(run: Run, job_id: str) -> tuple[int, object] | None:
    answer = run.api.reply(run.users["emil"].token, job_id)
    return None if answer.status == 503 else (answer.status, answer.json)


def _sent_again(run: Run, key: str, prompt: str) -> str | None:
    answer = run.api.infer(run.users["emil"].token, prompt, key=key)
    return answer.json["id"] if answer.status == 202 else None
