"""Cold boot: ten requests at once wake the sleeping node once, and none of them is lost."""

from concurrent.futures import ThreadPoolExecutor

from e2e.gaps import metrics
from e2e.run import Run, expect, wait_until


def run(run: Run) -> str:
    """Two users send five prompts each at the same moment."""
    for _ in range(2):
        with ThreadPoolExecutor(10) as pool:
            # Environments of the function are warmed first: what is measured is one race, not ten.
            list(
                pool.map(lambda _: run.api.call("GET", "/ping", run.users["ada"].token), range(10))
            )
    asked = [(name, f"{name}'s question {i}") for name in ("ada", "bert") for i in range(5)]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda a: run.api.infer(run.users[a[0]].token, a[1]), asked))
    logs = (run.function_log("router"), "cache-front")
    seen = [(a.status, (a.json or {}).get("status"), (a.json or {}).get("error")) for a in answers]
    expect(seen, [(202, "starting", None)] * 10, "ten requests to a sleeping node", logs=logs)
    flags = {a.headers.get("x-gpu-coldboot") for a in answers}
    expect(flags, {"true"}, "header X-GPU-ColdBoot", logs=logs)
    ids = {a.json["id"] for a in answers}
    expect(len(ids), 10, "different job ids", logs=logs)
    for (name, prompt), answer in zip(asked, answers, strict=True):
        run.jobs[answer.json["id"]] = (name, prompt)
    wait_until(lambda: run.node_state() == "running", 10, "the node runs", logs=("ministack",))
    starts = metrics.emitted(run.client("logs"), run.function_log("router"), "EC2Starts")
    expect(starts, [({"Reason": "ColdBoot"}, 1.0)], "EC2Starts", logs=logs)
    return "10 × 202, EC2Starts 1"
