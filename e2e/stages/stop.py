"""Stop: POST /stop stops the node, and says when it is stopped already."""

from e2e.run import Run, expect, wait_until


def run(run: Run) -> str:
    """202 while the node stops; 200 when it is stopped, also for the first request."""
    token, logs = run.users["ada"].token, (run.function_log("stop"), "ministack")
    answer = run.api.ask("POST", "/stop", token)
    if (answer.status, answer.json) != (200, {"status": "stopped"}):
        expect((answer.status, answer.json), (202, {"status": "stopping"}), "POST /stop", logs=logs)
    wait_until(
        lambda: run.node_state() == "stopped",
        run.target.patience.node_s,
        "the node stops",
        logs=logs,
    )
    again = run.api.ask("POST", "/stop", token)
    expect((again.status, again.json), (200, {"status": "stopped"}), "POST /stop again", logs=logs)
    return "stopped"
