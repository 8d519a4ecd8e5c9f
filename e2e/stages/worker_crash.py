"""Worker crash: a job whose worker crashed is answered, once."""

from e2e.gaps.model_server import fingerprint, reply_to
from e2e.run import Run, StageFailed, expect, wait_until
from e2e.stages.replies import answered

PROMPT = "[wait 0.8] the worker dies over this"


def run(run: Run) -> str:
    """Kill the worker while the model works on its job."""
    dora = run.users["dora"].token
    logs = ("ministack", run.function_log("router"))
    sent = run.api.infer(dora, PROMPT)
    expect(sent.status, 202, "the job", logs=logs)
    job_id = sent.json["id"]
    wait_until(lambda: run.api.reply(dora, job_id).json.get("status") == "running", 10,
               "the job runs", logs=logs)  # fmt: skip
    wait_until(lambda: run.servers.model_calls().get(fingerprint(PROMPT)) == 1, 5,
               "the model gets the prompt", logs=logs)  # fmt: skip
    run.servers.kill_worker()
    expect(answered(run, "dora", job_id)["reply"], reply_to(PROMPT), "the reply", logs=logs)
    calls = run.servers.model_calls()[fingerprint(PROMPT)]
    if calls != 2:
        raise StageFailed(
            f"the model ran the prompt {calls} times, not twice: the crash came too early or late",
            logs=logs,
        )
    return "answered once after a second run"
