"""Builder: one that was forgotten is ended; a young one and another stack's machines are not."""

from e2e.gaps.instance_behaviour import Behaviour
from e2e.guard import guard, launch, states
from e2e.run import Run, expect

OLD_S, YOUNG_S = 56 * 60, 54 * 60


def run(run: Run) -> str:
    """Call the function as its rule does."""
    logs = (run.function_log("stop-build-box"), "ministack")
    old, young = launch(run, "builder", 2)
    (foreign,) = launch(run, "builder", stack="another-stack")
    ages: dict[str, float] = {old: OLD_S, young: YOUNG_S, foreign: 10 * OLD_S}
    machines = [old, young, foreign]
    run.servers.play(Behaviour(launch_ages_s=ages))
    try:
        answer = guard(run, "overdue")
    finally:
        run.servers.play(Behaviour())
    done = {"done": [f"end builder {old} (t3.medium)"], "failed": []}
    expect(answer, done, "what was ended", logs=logs)
    seen = states(run, machines)
    expect(seen, ["terminated", "running", "running"], "old, young and foreign builder", logs=logs)
    run.client("ec2").terminate_instances(InstanceIds=machines)
    return "56 minutes: ended; 54 minutes, and another stack's: not touched"
