"""Every recovery runbook recovers: the fault is made, and its commands are run as they stand."""

import secrets
import time
from pathlib import Path

import pytest

from e2e.gaps.model_server import fingerprint, reply_to
from e2e.run import Run, wait_until
from e2e.stages import deploy, destroy, sign_in
from e2e.targets.ministack import MiniStack
from tests.emulator.documented import OPERATIONS, commands, run_script
from tools.deploy.environments import ROOT, handlers_python

PAGE = "recovery.md"
PATIENCE_S = 60


def answered(run: Run, prompt: str) -> None:
    """A prompt is accepted and answered; while the system recovers, it is sent again."""
    token, key = run.users["ada"].token, fingerprint(prompt)

    def reply() -> str | None:
        sent = run.api.send(token, prompt, key=key)
        if sent.status != 202:
            return None
        found: str | None = (run.api.reply(token, sent.json["id"]).json or {}).get("reply")
        return found

    # One prompt, sent again and again: a user may send 20 a minute.
    run.servers.cache().delete(*run.servers.cache().keys("throttle:*") or ["none"])
    assert wait_until(reply, PATIENCE_S, "the reply") == reply_to(prompt)


def test_lost_queue(run: Run, account: MiniStack, tmp_path: Path) -> None:
    """The cache does not come back by itself; the commands make another."""
    account.kill_redis()
    assert run.api.infer(run.users["ada"].token, "lost").status == 503
    account.start_redis()
    token = run.users["operator"].token
    done = run_script(commands(PAGE, "The queue is lost"), run, account, tmp_path, TOKEN=token)
    assert done.returncode == 0, done.stderr
    assert '"redis":"ok"' in done.stdout.splitlines()[-1]


def test_stuck_node(run: Run, account: MiniStack, tmp_path: Path) -> None:
    """The worker hangs with a job in hand; after the commands the job is answered."""
    answered(run, "before it hangs")
    account.freeze_worker()
    done = run_script(commands(PAGE, "The node is stuck"), run, account, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("running\t")
    answered(run, "after the restart")


def test_failed_installation(account: MiniStack, tmp_path: Path) -> None:
    """A new stack whose node's first boot fails; the next start, by the commands, installs."""
    name = f"tl-test-{secrets.token_hex(3)}"
    run = Run(target=account, name=name, source=ROOT, handlers_python=handlers_python())
    account.fail_installing("package")
    try:
        deploy.run(run)
    finally:
        account.fail_installing(None)
    try:
        sign_in.run(run)
        wait_until(lambda: run.node_state() == "stopped", PATIENCE_S, "the node stops")
        # No agent runs on a local machine: this is what it ships on EC2.
        logs, stream = run.client("logs"), run.outputs["NodeId"] + "/user-data"
        where = {"logGroupName": f"/ec2/node/{run.name}", "logStreamName": stream}
        logs.create_log_stream(**where)
        said = {"timestamp": int(time.time() * 1000), "message": "step: package failed with 1"}
        logs.put_log_events(**where, logEvents=[said])
        script = commands(PAGE, "The installation failed")
        done = run_script(script, run, account, tmp_path)
        assert done.returncode == 0, done.stderr
        first, second, *_, last = done.stdout.splitlines()
        assert (first, second, last) == ("package", "step: package failed with 1", "1")
        answered(run, "after the installation")
    finally:
        destroy.run(run)


def test_every_section_is_tested() -> None:
    """A runbook that nobody runs is a promise."""
    text = (OPERATIONS / PAGE).read_text("utf-8")
    sections = {line[3:] for line in text.splitlines() if line.startswith("## ")}
    source = "".join(test.read_text("utf-8") for test in Path(__file__).parent.glob("test_*.py"))
    assert {name for name in sections if f'"{name}"' not in source} == set()


def test_section_without_commands_is_an_error() -> None:
    """Else its test would run nothing."""
    with pytest.raises(ValueError, match="no section 'Nowhere'; it has The queue is lost"):
        commands(PAGE, "Nowhere")
    with pytest.raises(ValueError, match="has no commands"):
        commands("epic-4-queue.md", "Cost")
