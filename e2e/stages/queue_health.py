"""Queue health: only the group `admins` may read it."""

from e2e.run import Run, StageFailed, expect


def run(run: Run) -> str:
    """200 with a latency for the group `admins`, 403 for a user."""
    logs = (run.function_log("queue-health"), "cache-front")
    answer = run.api.ask("GET", "/queue-health", run.users["operator"].token)
    document = answer.json or {}
    expect((answer.status, document.get("redis")), (200, "ok"), "the operator's look", logs=logs)
    if not 0 < document["latencyMs"] < 200:
        raise StageFailed(f"latency of {document['latencyMs']} ms", logs=logs)
    denied = run.api.ask("GET", "/queue-health", run.users["ada"].token)
    expect((denied.status, denied.json), (403, {"error": "forbidden"}), "a user's look", logs=logs)
    return f"{document['latencyMs']:.1f} ms, depth {document['depth']}"
