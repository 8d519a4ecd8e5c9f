"""Precheck: the deployed stack has its GPU switched on, and its node is stopped."""

from botocore.exceptions import ClientError

from e2e.run import Run, StageFailed
from e2e.stages.deploy import outputs


def run(run: Run) -> str:
    """Read the outputs of the deployed stack; refuse one that the smoke cannot use."""
    try:
        run.outputs = outputs(run)
    except ClientError as error:
        raise StageFailed(
            f"stack {run.name} in {run.target.region}: {error}; name one of this region"
        ) from None
    if "QueueHost" not in run.outputs:
        raise StageFailed(
            f"stack {run.name} has no queue; deploy it with UseGpu=true, or name another stack"
        )
    state = run.node_state()
    if state != "stopped":
        raise StageFailed(
            f"the node is {state}: it must be stopped, so that the smoke can wake it, and the "
            "smoke does not stop it, because a job may run on it; POST /stop, wait, and try again"
        )
    return f"{run.name} in {run.target.region}"
