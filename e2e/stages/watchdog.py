"""Watchdog: the node stops itself for each of its four reasons, counts it once, and never stops
during a job.

A minute is a fraction of a second here; what a case is not about never comes.
"""

import time
from contextlib import closing

from e2e.gaps.model_server import fingerprint, reply_to
from e2e.run import Run, StageFailed, expect, wait_until

# A minute of the watchdog. On a slow machine, whose worker comes up late, the next one is tried.
MINUTES_S = (0.1, 0.5, 3)
NEVER = "99999"
STOP = '"event": "auto_stop"'
# Longer than the limit of being idle, which begins when the node boots.
THOUGHT_S = 0.5


def run(run: Run) -> str:
    """Idle after a job, the queue gone, the worker stuck, up for too long: each stops the node."""
    _idle(run)
    _stuck(run)
    _queue_gone(run)
    _uptime(run)
    run.servers.set_watchdog()
    return "idle, stuck, queue_gone, uptime: stopped and counted once each, no job cut off"


def _idle(run: Run) -> None:
    """A prompt wakes the node, which stops itself once the job's `idle` minute is over."""
    before = _prepare(run, "idle", idle="2")
    operator, prompt = run.users["operator"].token, f"[wait {THOUGHT_S}] longer than idle"
    sent = run.api.send(operator, prompt, key=fingerprint(prompt), idle=1)
    expect(sent.status, 202, "the prompt", logs=_logs(run))
    job_id: str = sent.json["id"]

    def reply() -> str | None:
        text: str | None = (run.api.reply(operator, job_id).json or {}).get("reply")
        return text

    seen = wait_until(reply, run.target.patience.node_s, "the reply", logs=_logs(run))
    expect(seen, reply_to(prompt), "the reply", logs=_logs(run))
    _is_stopped(run, "idle", before)
    # Worker and watchdog write to one log. A stop during the job would let it end all the same.
    events = [e for e in run.servers.tail("ministack").splitlines() if job_id in e or STOP in e]
    if not events or STOP in events[0]:
        raise StageFailed("the watchdog stopped the node during a job", logs=_logs(run))


def _stuck(run: Run) -> None:
    """The worker hangs: its process lives, and makes no progress."""
    for minute_s in MINUTES_S:
        before = _prepare(run, "stuck", minute_s, stuck="12")
        if _is_up(run, f"stuck, {minute_s}", 12 * minute_s):
            run.servers.freeze_worker()
            _is_stopped(run, "stuck", before)
            return
    raise StageFailed("the node stopped itself before its worker was up", logs=_logs(run))


def _queue_gone(run: Run) -> None:
    """The cache is gone for five minutes."""
    for minute_s in MINUTES_S:
        before = _prepare(run, "queue_gone", minute_s, queue_gone="5")
        if _is_up(run, f"queue gone, {minute_s}"):
            run.servers.kill_redis()
            try:
                _is_stopped(run, "queue_gone", before)
            finally:
                run.servers.start_redis()
            return
    raise StageFailed("the node stopped itself before its worker was up", logs=_logs(run))


def _uptime(run: Run) -> None:
    """Up for as long as the parameter allows, whatever happens."""
    before = _prepare(run, "uptime", uptime="1")
    run.client("ec2").start_instances(InstanceIds=[run.outputs["NodeId"]])
    _is_stopped(run, "uptime", before)


def _prepare(run: Run, reason: str, minute_s: float = MINUTES_S[0], **limits: str) -> float:
    """Have the node stopped, nothing in the queue, and the watchdog's limits for its next boot;
    return how often the node stopped itself for this reason before."""
    patience_s = run.target.patience.node_s
    run.client("ec2").stop_instances(InstanceIds=[run.outputs["NodeId"]])
    wait_until(lambda: run.node_state() == "stopped", patience_s, "the node stops",
               logs=_logs(run))  # fmt: skip
    with closing(run.servers.cache()) as cache:
        cache.flushdb()
    options = ["--minute-s", str(minute_s)]
    for name in ("idle", "queue_gone", "stuck", "uptime"):
        options += [f"--{name.replace('_', '-')}-min", limits.get(name, NEVER)]
    run.servers.set_watchdog(*options)
    return _auto_stops(run, reason)


def _is_up(run: Run, case: str, limit_s: float = float("inf")) -> bool:
    """Start the node, and have it answer a prompt; False if it stopped itself before that, or may
    have decided to."""
    began = time.monotonic()
    run.client("ec2").start_instances(InstanceIds=[run.outputs["NodeId"]])
    prompt = f"before the case: {case} s"
    sent = run.api.send(run.users["operator"].token, prompt, key=fingerprint(prompt), idle=30)
    expect(sent.status, 202, "the prompt", logs=_logs(run))
    with closing(run.servers.cache()) as cache:

        def state() -> str | None:
            # Not by the API, where a GET would start a node that stopped itself. The job's end is
            # recorded: a worker that is frozen before that looks busy for as long as a job lives.
            if cache.exists(f"reply:{sent.json['id']}") and run.servers.worker_is_idle():
                return "up"
            return "stopped" if run.node_state() == "stopped" else None

        patience_s = run.target.patience.node_s
        seen = wait_until(state, patience_s, "the worker is up", logs=_logs(run))
    return seen == "up" and time.monotonic() - began < limit_s


def _is_stopped(run: Run, reason: str, before: float) -> None:
    """The node stops itself, and counts that once, with its reason."""
    patience_s, logs = run.target.patience.node_s, _logs(run)

    def is_counted() -> bool:
        return _auto_stops(run, reason) > before

    wait_until(is_counted, patience_s, f"AutoStops {reason}", logs=logs)
    wait_until(lambda: run.node_state() == "stopped", patience_s, f"{reason}: the node stops",
               logs=logs)  # fmt: skip
    expect(_auto_stops(run, reason) - before, 1.0, f"AutoStops {reason}", logs=logs)


def _auto_stops(run: Run, reason: str) -> float:
    """The sum of the metric in this smoke."""
    statistics = run.client("cloudwatch").get_metric_statistics(
        Namespace=f"TinyLlama/{run.name}",
        MetricName="AutoStops",
        Dimensions=[{"Name": "Reason", "Value": reason}],
        StartTime=run.began_s - 60,
        EndTime=time.time() + 3600,
        Period=3600,
        Statistics=["Sum"],
    )
    return float(sum(point["Sum"] for point in statistics["Datapoints"]))


def _logs(run: Run) -> tuple[str, ...]:
    return (run.function_log("router"), "ministack")
