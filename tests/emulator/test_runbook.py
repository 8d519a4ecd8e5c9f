"""Each command of the runbook works as it stands, on a deployed stack."""

import re
import secrets
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.run import Run
from e2e.stages import deploy, destroy
from e2e.targets.ministack import MiniStack
from tools.deploy.environments import ROOT, handlers_python

PAGE = (ROOT / "docs" / "operations" / "epic-6-operations.md").read_text()
RECOVERY = PAGE.split("### Recovery")[1].split("\n## ")[0]
GUARD, *STEPS = re.findall(r"^ *```bash\n *(.*?)\n *```$", RECOVERY, re.MULTILINE | re.DOTALL)
OUTPUT = (
    'output() { aws cloudformation describe-stacks --stack-name "$STACK" --output text '
    "--query \"Stacks[0].Outputs[?OutputKey=='$1'].OutputValue\"; }"
)


@pytest.fixture(scope="module")
def deployed(account: MiniStack) -> Iterator[Run]:
    """A stack with its queue on."""
    name = f"tl-test-{secrets.token_hex(3)}"
    run = Run(target=account, name=name, source=ROOT, handlers_python=handlers_python())
    deploy.run(run)
    yield run
    destroy.run(run)


def _say(run: Run, command: str, bin_path: Path) -> str:
    aws = bin_path / "aws"
    aws.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m awscli "$@"\n')
    aws.chmod(0o755)
    done = subprocess.run(
        ["bash", "-euc", f"{OUTPUT}\n{GUARD}\n{command}"],
        env={
            "PATH": f"{bin_path}:/usr/bin:/bin",
            "AWS_CONFIG_FILE": "/dev/null",
            "STACK": run.name,
            **run.target.cli_environment(),
        },
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_runbook_recovers(deployed: Run, tmp_path: Path) -> None:
    """Rehearse, read, kill, wait, lift: each step, in the page's order."""
    rehearse, why, spent, kill, status, lift = STEPS
    assert "would: turn the queue off" in _say(deployed, rehearse, tmp_path)
    assert "latchedAt" not in _say(deployed, why, tmp_path)
    assert "latched: nothing starts the node" in _say(deployed, kill, tmp_path)
    assert "an operator asked for it" in _say(deployed, why, tmp_path)
    deploy.settled(deployed, "UPDATE_COMPLETE")
    assert _say(deployed, status, tmp_path).strip() == "UPDATE_COMPLETE"
    _say(deployed, spent, tmp_path)
    assert '"lifted": true' in _say(deployed, lift, tmp_path)
    assert "latchedAt" not in _say(deployed, why, tmp_path)
    assert "untilUsd" in _say(deployed, spent, tmp_path)
