"""Builder: one that was forgotten is ended; a young one and another stack's machines are not."""

from e2e.gaps.instance_behaviour import Behaviour
from e2e.guard import guard, launch, states
from e2e.run import Run, expect

OLD_S, YOUNG_S = 56 * 60, 54 * 60


def run(run: Run) -> str:
    """Call the function as its rule does."""
    logs = (run.function_log("stop-build-box"), "ministack")
    old = _launched(run)
    expect(_launched(run), old, "a launch repeated under its token", logs=logs)
    (young,) = launch(run, "builder")
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


def _launched(run: Run) -> str:
    """A builder of the stack's launch template; its tags come from there."""
    answer = run.client("ec2").run_instances(
        LaunchTemplate={"LaunchTemplateId": run.outputs["BuilderTemplate"]},
        MinCount=1,
        MaxCount=1,
        ClientToken=f"{run.name}-{run.mark}",
    )
    instance_id: str = answer["Instances"][0]["InstanceId"]
    return instance_id
