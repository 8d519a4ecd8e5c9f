"""The operator's commands of `tl`, one module each; a clone of the repository offers them."""

from collections.abc import Sequence
from pathlib import Path

from tljudge.cli.clone import Clone
from tljudge.cli.errors import CouldNotFinish, UsageError
from tljudge.engine.findings import Report
from tljudge.engine.policy import Policy

ROOT = Path(__file__).resolve().parents[2]


def judge_deployed(stack: str, policy: Policy) -> tuple[Report, Sequence[str]]:
    """Judge a deployed stack with the operator's credentials; the account is only read.

    Returns:
        The report, and a line for each property in which the account differs from the template.

    Raises:
        UsageError: boto3 is not installed here, or the account has no such stack.
        CouldNotFinish: the account does not let itself be read.
    """
    try:
        from botocore.exceptions import BotoCoreError

        from tools.deploy.clients import Clients, operator_session
        from tools.live import deployed
        from tools.live.stacks import CouldNotLook, NoSuchStack
    except ModuleNotFoundError as error:
        raise UsageError(
            f"check: --deployed needs {error.name}, which is not installed here; run it in the "
            "clone's own environment: .venv/bin/tox run -e tl -- check --deployed STACK"
        ) from None
    try:
        found = deployed.judge(Clients(operator_session(), attempts=5), stack, policy)
    except NoSuchStack as error:
        raise UsageError(f"check: {error}") from None
    except (CouldNotLook, BotoCoreError) as error:
        raise CouldNotFinish(f"check: {error}") from None
    return found.report, deployed.notes(found)


CLONE = Clone(("package", "smoke", "sabotage", "audit", "bench"), ROOT, judge_deployed)
