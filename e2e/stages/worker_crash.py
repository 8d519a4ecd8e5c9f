"""Worker crash: a job whose worker crashed is answered, once."""

from e2e.gaps.model_server import fingerprint, reply_to
from e2e.run import Run, StageFailed, expect, wait_until
from e2e.stages.replies import answered

# How long the model thinks. Where the machine is so slow that the answer came before the crash, the
# crash is tried again over a longer thought.
THOUGHTS_S = (0.8, 4, 15)


def run(run: Run) -> str:
    """Kill the worker while the model works on its job, which then runs again and is answered."""
    for thought_s in THOUGHTS_S:
        if _runs(run, f"[wait {thought_s}] the worker dies over this") == 2:
            return "answered once after a second run"
    raise StageFailed("the crash came to nothing: each job was answered before its worker died")


def _runs(run: Run, prompt: str) -> int:
    """How often the model ran the prompt, whose worker was killed."""
    dora, patience_s = run.users["dora"].token, run.target.patience.reply_s
    logs = ("ministack", run.function_log("router"))

    def calls() -> int:
        return run.servers.model_calls().get(fingerprint(prompt), 0)

    sent = run.api.send(dora, prompt, key=fingerprint(prompt))
    expect(sent.status, 202, "the job", logs=logs)
    job_id = sent.json["id"]
    wait_until(lambda: calls() == 1, patience_s, "the model thinks", logs=logs)
    run.servers.kill_worker()
    expect(answered(run, "dora", job_id)["reply"], reply_to(prompt), "the reply", logs=logs)
    if (ran := calls()) > 2:
        raise StageFailed(f"the model ran the prompt {ran} times", logs=logs)
    return ran
