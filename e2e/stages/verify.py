"""Verify: the whole account is listed again; what was not there before is a residue."""

from e2e.run import Run, StageFailed
from tools.deploy import inventory
from tools.deploy.listings import LISTINGS


def run(run: Run) -> str:
    """Compare with the inventory of the boot, whatever we think we made."""
    after = inventory.take(run.target)
    if after.not_listed or run.before is None:
        raise StageFailed(f"could not look at {', '.join(after.not_listed)}")
    left = after.minus(run.before)
    if left:
        raise StageFailed(f"{len(left)} left: {', '.join(left)}", logs=("ministack",))
    return f"nothing left among {len(LISTINGS)} kinds"
