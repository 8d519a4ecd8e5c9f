"""Replies: only its owner reads a reply; another user's id and an unknown id are the same 404."""

import uuid

from e2e.gaps.model_server import fingerprint, reply_to
from e2e.run import Run, expect, wait_until


def run(run: Run) -> str:
    """Each user reads the reply to the prompt that they sent in the cold boot, from one run."""
    for job_id, (name, prompt) in run.jobs.items():
        document = answered(run, name, job_id)
        wanted = {"id": job_id, "status": "done", "reply": _reply(run, prompt, document)}
        expect(document, wanted, "the reply")
    if run.target.servers is not None:
        calls = run.target.servers.model_calls()
        ran = {prompt: calls.get(fingerprint(prompt)) for _, prompt in run.jobs.values()}
        expect(ran, dict.fromkeys(ran, 1), "how often each prompt ran")
    job_id = next(iter(run.jobs))
    stranger = run.users["cleo"].token
    foreign = run.api.ask("GET", f"/infer/{job_id}", stranger)
    unknown = run.api.ask("GET", f"/infer/{uuid.uuid4()}", stranger)
    expect((foreign.status, foreign.body), (404, b'{"error":"not_found"}'), "another user's reply")
    expect((foreign.status, foreign.body), (unknown.status, unknown.body), "foreign and unknown id")
    return f"{len(run.jobs)} replies"


def _reply(run: Run, prompt: str, document: dict[str, str]) -> str:
    """The reply that is due: the stand-in model's, or any text of another model."""
    if run.target.servers is not None:
        return reply_to(prompt)
    return document.get("reply") or "(any text)"


def answered(run: Run, name: str, job_id: str) -> dict[str, str]:
    """Wait, as its owner, until a job is answered; returns the answer."""

    def final() -> dict[str, str] | None:
        answer = run.api.reply(run.users[name].token, job_id)
        document: dict[str, str] = answer.json or {}
        return document if document.get("status") in {"done", "failed"} else None

    return wait_until(final, run.target.patience.reply_s, f"the reply to {name}'s job",
                      logs=("ministack", run.function_log("router")))  # fmt: skip
