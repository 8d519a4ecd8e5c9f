"""After a kill, the runbook's commands read why, lift it, and turn the queue on again."""

import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from e2e.guard import control, guard, launch
from e2e.run import Run
from e2e.stages import deploy, destroy
from e2e.targets.ministack import MiniStack
from tests.emulator.documented import commands, run_script
from tools.deploy.environments import ROOT, handlers_python


@pytest.fixture(scope="module")
def deployed(account: MiniStack) -> Iterator[Run]:
    """A stack with its queue on."""
    name = f"tl-test-{secrets.token_hex(3)}"
    run = Run(target=account, name=name, source=ROOT, handlers_python=handlers_python())
    deploy.run(run)
    yield run
    destroy.run(run)


def test_runbook_recovers(deployed: Run, account: MiniStack, tmp_path: Path) -> None:
    """Rehearse, read, kill again, wait, lift, turn on: the words of each step, in this order."""
    guard(deployed, "kill")
    queue = deployed.outputs["QueueStack"]
    deploy.settled(deployed, "UPDATE_COMPLETE", queue)
    assert (use_gpu(deployed, queue), use_gpu(deployed, deployed.name)) == ("false", "true")
    assert "latchedAt" in control(deployed, "node")
    (late,) = launch(deployed, "builder")
    script = commands("recovery.md", "The killer fired")
    done = run_script(script, deployed, account, tmp_path)
    assert done.returncode == 0, done.stderr
    steps = [
        '"would: ',
        "an operator asked for it",
        late,
        '"lifted": true',
        "Successfully created/updated stack",
        "Successfully created/updated stack",
    ]
    said = re.escape(steps[0]) + "".join(f".*{re.escape(step)}" for step in steps[1:])
    assert re.search(said, done.stdout, re.DOTALL), done.stdout
    # Soon after its end EC2 does not know it any more.
    awake = {"Name": "instance-state-name", "Values": ["pending", "running"]}
    known = deployed.client("ec2").describe_instances(Filters=[awake])["Reservations"]
    assert late not in {i["InstanceId"] for r in known for i in r["Instances"]}
    assert (use_gpu(deployed, queue), use_gpu(deployed, deployed.name)) == ("true", "true")
    assert "latchedAt" not in control(deployed, "node")
    assert control(deployed, f"spend#{datetime.now(UTC):%Y-%m}")["untilUsd"] == "26"


def use_gpu(run: Run, name: str) -> str:
    """The parameter as a stack has it."""
    (stack,) = run.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    given = {p["ParameterKey"]: p["ParameterValue"] for p in stack["Parameters"]}
    return str(given["UseGpu"])
