"""Arrive: the stack stands, its GPU is switched on, and its node sleeps."""

from botocore.exceptions import ClientError

from e2e.run import Run, StageFailed
from e2e.stages.deploy import outputs


def run(run: Run) -> str:
    """Read the outputs of a stack that was deployed before."""
    try:
        run.outputs = outputs(run)
    except ClientError as error:
        raise StageFailed(f"stack {run.name} in {run.target.region}: {error}") from None
    if "QueueHost" not in run.outputs:
        raise StageFailed(
            f"stack {run.name} has no queue; deploy it with UseGpu=true, or name another stack"
        )
    state = run.node_state()
    if state != "stopped":
        raise StageFailed(
            f"the node is {state}: it must sleep to be woken, and it is not stopped here, because "
            "somebody's job may run on it; POST /stop, wait, and try again"
        )
    return f"{run.name} in {run.target.region}"
