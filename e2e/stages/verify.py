"""Verify: a second inventory of the account holds nothing that the first did not."""

from e2e.run import Run, StageFailed
from tools.deploy import inventory
from tools.deploy.listings import LISTINGS


def run(run: Run) -> str:
    """Compare with the inventory of `boot`; the smoke's own record of what it made is not asked."""
    after = inventory.take(run.target)
    if after.not_listed or run.before is None:
        raise StageFailed(f"cannot list {', '.join(after.not_listed)}")
    left = after.minus(run.before)
    if left:
        raise StageFailed(f"{len(left)} left: {', '.join(left)}", logs=("ministack",))
    return f"nothing left among {len(LISTINGS)} kinds"
