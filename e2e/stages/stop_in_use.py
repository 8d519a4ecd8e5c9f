"""Stop in use: a user cannot stop the node under others' jobs; an administrator can, by force."""

from e2e.gaps.model_server import fingerprint
from e2e.run import Run, StageFailed, expect, wait_until
from e2e.stages.replies import answered

JOBS = 4
# How long the model thinks. Where the machine is so slow that the last job was answered before the
# stop, it is tried again with longer thoughts. The node finishes the job in hand before it stops.
THOUGHTS_S = (0.4, 2, 8)


def run(run: Run) -> str:
    """Dora's jobs run and wait: ada gets 409, ada's force 403, the operator's force 202."""
    for thought_s in THOUGHTS_S:
        is_told = _is_told(run, thought_s)
        # A force that came too late for the last job stops the node all the same.
        if run.node_state() != "running":
            wait_until(lambda: run.node_state() == "stopped", run.target.patience.node_s,
                       "the node stops", logs=(run.function_log("stop"), "ministack"))  # fmt: skip
        if is_told:
            return "409, 403; 202 by force, and the owner is told"
    raise StageFailed("the jobs were answered before the node could be stopped under them")


def _is_told(run: Run, thought_s: float) -> bool:
    """Try it; False if the last job was answered meanwhile, so that there was nobody to tell."""
    dora, ada, operator = (run.users[name].token for name in ("dora", "ada", "operator"))
    logs = (run.function_log("stop"), run.function_log("router"))
    # Loads the function and the signing keys, and stops nothing.
    expect(run.api.ask("POST", "/stop", ada, {"force": "yes"}).status, 400, "a wrong body")
    for i in range(JOBS):
        prompt = f"[wait {thought_s}] dora's job {i}"
        sent = run.api.send(dora, prompt, key=fingerprint(prompt))
        expect(sent.status, 202, "dora's job", logs=logs)
    last: str = sent.json["id"]
    wait_until(lambda: run.node_state() == "running", run.target.patience.node_s,
               "the node runs", logs=logs)  # fmt: skip
    said = [
        run.api.ask("POST", "/stop", ada),
        run.api.ask("POST", "/stop", ada, {"force": True}),
    ]
    if _status(run, last) == "done":
        return False
    seen = [(answer.status, answer.json) for answer in said]
    wanted = [(409, {"error": "node_in_use"}), (403, {"error": "forbidden"})]
    expect(seen, wanted, "POST /stop of a user while others' jobs wait", logs=logs)
    forced = run.api.ask("POST", "/stop", operator, {"force": True})
    seen = [(forced.status, forced.json)]
    expect(seen, [(202, {"status": "stopping"})], "the operator's force", logs=logs)
    if _status(run, last) == "done":
        return False
    told = {"id": last, "status": "failed", "error": "node_stopped"}
    expect(answered(run, "dora", last), told, "what the owner is told", logs=logs)
    return True


def _status(run: Run, job_id: str) -> str | None:
    document = run.api.reply(run.users["dora"].token, job_id).json or {}
    status: str | None = document.get("status")
    return status
