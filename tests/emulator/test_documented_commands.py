"""The commands that the operations notes give deploy and remove the stack as they stand."""

import subprocess
import sys
from pathlib import Path

import pytest

from e2e.targets.ministack import MiniStack
from tools import stack
from tools.environments import ROOT

# The CLI's waiter asks every 30 s.
LIMIT_S = 250


def _aws(account: MiniStack, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "awscli", *words],
        cwd=ROOT,
        env={"PATH": "", "AWS_CONFIG_FILE": "/dev/null", **account.cli_environment()},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(2 * LIMIT_S)
def test_package_and_deploy_and_nothing_else_make_a_stack(
    account: MiniStack, tmp_path: Path
) -> None:
    """`aws cloudformation package`, then `deploy` with what the parameter file says.

    Version 2 of the CLI reads the file itself (`file://`); version 1, which PyPI has, takes pairs.
    """
    parameters, tags = stack.parameters(ROOT / "cloudformation" / "parameters" / "dev.json")
    packaged = str(tmp_path / "stack.yaml")
    account.client("s3").create_bucket(
        Bucket="tl-documented", CreateBucketConfiguration={"LocationConstraint": account.region}
    )
    template = "cloudformation/stack.yaml"
    _aws(account, "cloudformation", "package", "--template-file", template,
         "--s3-bucket", "tl-documented", "--output-template-file", packaged)  # fmt: skip
    _aws(account, "cloudformation", "deploy", "--template-file", packaged,
         "--stack-name", "tl-documented", "--capabilities", "CAPABILITY_NAMED_IAM",
         "--parameter-overrides", *(f"{k}={v}" for k, v in parameters.items()),
         "--tags", *(f"{k}={v}" for k, v in tags.items()))  # fmt: skip
    (made,) = account.client("cloudformation").describe_stacks(StackName="tl-documented")["Stacks"]
    seen = {t["Key"]: t["Value"] for t in made["Tags"]}
    assert (made["StackStatus"], seen) == ("CREATE_COMPLETE", tags)
