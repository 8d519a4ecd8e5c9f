"""Cold boot: ten requests at once wake the sleeping node once, and none of them is lost."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import redis

from e2e import metrics
from e2e.run import Run, StageFailed, expect, wait_until


def run(run: Run) -> str:
    """Five users send two prompts each at the same moment, each until it is taken.

    How many of the ten are refused with 503 before that depends on the machine; that each is taken
    once and the node is started once does not.
    """
    names = ("ada", "bert", "dora", "emil", "operator")
    asked = [(name, f"{name}'s question {i}") for name in names for i in range(2)]
    with ThreadPoolExecutor(10) as pool:
        # Environments of the function are warmed first: ten that start at once on two cores would
        # race for those, not for the node.
        list(pool.map(lambda _: run.api.ask("GET", "/ping", run.users["ada"].token), asked))
        answers = list(
            pool.map(
                lambda a: run.api.send(run.users[a[0]].token, a[1], key=a[1].replace(" ", "-")),
                asked,
            )
        )
    logs = (run.function_log("router"), "cache-front", "ministack")
    expect([a.status for a in answers], [202] * 10, "ten requests to a sleeping node", logs=logs)
    # One that comes late may find the node awake already.
    woken = [a for a in answers if a.json["status"] == "starting"]
    flags = {a.headers.get("x-gpu-coldboot") for a in woken}
    expect(flags, {"true"}, "header X-GPU-ColdBoot of what wakes the node", logs=logs)
    ids = [a.json["id"] for a in answers]
    expect(len(set(ids)), 10, "different job ids", logs=logs)
    run.jobs = dict(zip(ids, asked, strict=True))
    if run.target.servers is not None:
        with closing(run.target.servers.cache()) as cache:
            _look_into_the_cache(run, cache, ids, logs)
    patience_s = run.target.patience.node_s
    wait_until(lambda: run.node_state() == "running", patience_s, "the node runs", logs=logs)

    def counted() -> list[tuple[dict[str, str], float]] | None:
        # Whoever first sees the node awake counts its start; the log comes after the answer.
        router, waker = (metrics.emitted(run, name, "EC2Starts") for name in ("router", "waker"))
        return router + waker or None

    starts = wait_until(counted, run.target.patience.logs_s, "EC2Starts", logs=logs)
    expect(starts, [({"Reason": "ColdBoot"}, 1.0)], "EC2Starts", logs=logs)
    return f"10 × 202, {len(woken)} of them starting, EC2Starts 1"


def _look_into_the_cache(
    run: Run, cache: redis.Redis, ids: list[str], logs: tuple[str, ...]
) -> None:
    immortal = [i for i in ids if cache.ttl(f"job:{i}") == -1]
    if immortal:
        raise StageFailed(f"{len(immortal)} jobs in the cache have no time to live", logs=logs)
    wait_until(lambda: cache.exists("node:heartbeat") == 1, run.target.patience.node_s,
               "the worker is up", logs=logs)  # fmt: skip
