"""The smoke on targets that are somebody else's: an endpoint, AWS, and what contradicts itself.

The endpoint is a local AWS account that these tests run and the smoke does not know. AWS's own
addresses answer nobody here, so its target is given this account's; all else of it is as it is.
"""

import argparse
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.gaps.outside import LOCALSTACK, NO_LIFE, NO_SERVERS, UNKNOWN_ENDPOINT
from e2e.progress import Progress
from e2e.report import Report, failure_text
from e2e.run import Run, StageFailed
from e2e.smoke import STAGES, smoke
from e2e.stages import boot, cleanup, deploy, destroy, package
from e2e.targets.aws import Aws
from e2e.targets.endpoint import LOCALSTACK_URL, Endpoint
from e2e.targets.ministack import MiniStack
from e2e.targets.target import Target
from tljudge.cli.errors import UsageError
from tools.commands import smoke as command
from tools.deploy import inventory
from tools.deploy.environments import ROOT, handlers_python

LIFE = [s.name for s in STAGES if not (s.guest or s.servers or s.records)]
VISIT = [s.name for s in STAGES if not (s.life or s.servers or s.records)]


class AwsHere(Aws):
    """AWS, with the addresses of a local account."""

    def __init__(self, account: MiniStack) -> None:
        super().__init__()
        self._account = account

    def api_url(self, api_endpoint: str) -> str:
        return self._account.api_url(api_endpoint)

    def hosted_ui_url(self, base: str) -> str:
        return self._account.hosted_ui_url(base)

    def issuer_keys_url(self, issuer: str) -> str:
        return self._account.issuer_keys_url(issuer)


def _run(target: Target, name: str = "", *, is_deployed: bool = False) -> Run:
    return Run(
        target=target,
        name=name or f"tl-far-{secrets.token_hex(3)}",
        source=ROOT,
        handlers_python=handlers_python(),
        is_deployed=is_deployed,
    )


def _smoke(run: Run) -> Report:
    return smoke(run, Progress(quiet=True))


def _stages(report: Report) -> list[tuple[str, bool]]:
    return [(stage.name, stage.passed) for stage in report.stages]


@pytest.fixture(autouse=True)
def _no_credentials_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION",
                 "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def standing(account: MiniStack) -> Iterator[str]:
    """The name of a stack that somebody deployed and will destroy."""
    run = _run(Endpoint("endpoint", account.endpoint))
    try:
        for stage in (package, boot, deploy):
            stage.run(run)
        yield run.name
    finally:
        destroy.remove(run)


def test_endpoint_of_somebody_else_sees_a_whole_life(account: MiniStack) -> None:
    """Every stage that needs no servers of ours runs; the others are gaps, by name."""
    report = _smoke(_run(Endpoint("endpoint", account.endpoint)))
    assert failure_text(report) == ""
    assert _stages(report) == [(name, True) for name in LIFE]
    assert [gap["name"] for gap in report.gaps] == [
        gap.name for gap in (UNKNOWN_ENDPOINT, *NO_SERVERS)
    ]
    assert report.last_line().endswith(f" ({len(LIFE)} stages, {len(report.gaps)} gaps)")


def test_stages_without_servers_are_each_a_gap() -> None:
    """A stage that cannot run somewhere is named in the report; none vanishes."""
    gaps = {gap.name for gap in NO_SERVERS}
    named = {stage.name.replace(" ", "-") for stage in STAGES if stage.servers}
    assert named != set()
    assert named <= gaps


def test_failed_smoke_takes_its_stack_away(
    account: MiniStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an endpoint that goes on, nothing may stay after a failure either."""
    before = inventory.take(account)

    def fails(run: Run) -> str:
        raise StageFailed("broken on purpose")

    monkeypatch.setattr("e2e.smoke.STAGES", (*STAGES[:3], STAGES[4].__class__("ping", fails)))
    report = _smoke(_run(Endpoint("endpoint", account.endpoint)))
    assert failure_text(report) == "smoke: stage 'ping' failed: broken on purpose"
    assert inventory.take(account).minus(before) == []


def test_aws_visits_a_standing_stack_and_leaves_it_as_it_was(
    account: MiniStack, standing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stack stays, the smoke's users go, the duration is a metric, the gaps are named."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.endpoint)
    monkeypatch.setenv("AWS_REGION", account.region)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    before = inventory.take(account)
    run = _run(AwsHere(account), standing, is_deployed=True)
    report = _smoke(run)
    assert failure_text(report) == ""
    assert _stages(report) == [(name, True) for name in (*VISIT, "record")]
    assert [gap["name"] for gap in report.gaps] == [gap.name for gap in (*NO_SERVERS, NO_LIFE)]
    assert inventory.take(account).minus(before) == []
    users = account.client("cognito-idp").list_users(UserPoolId=run.outputs["UserPoolId"])["Users"]
    assert users == []
    metrics = account.client("cloudwatch").list_metrics(Namespace=f"TinyLlama/{standing}")
    assert [metric["MetricName"] for metric in metrics["Metrics"]] == ["SmokeDuration"]


def test_visit_refuses_a_node_that_is_awake(account: MiniStack, standing: str) -> None:
    """Somebody's job may run on it; nothing is begun."""
    node = deploy.outputs(_run(Endpoint("endpoint", account.endpoint), standing))["NodeId"]
    account.client("ec2").start_instances(InstanceIds=[node])
    report = _smoke(_run(Endpoint("endpoint", account.endpoint), standing, is_deployed=True))
    assert _stages(report) == [("precheck", False)]
    assert "it must be stopped, so that the smoke can wake it" in failure_text(report)


def test_visit_that_fails_takes_its_users_away(
    account: MiniStack, standing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users are real accounts in somebody's pool."""
    run = _run(Endpoint("endpoint", account.endpoint), standing, is_deployed=True)
    seen: list[int] = []

    def fails(run: Run) -> str:
        seen.append(len(run.users))
        raise StageFailed("broken on purpose")

    until = [stage.name for stage in STAGES].index("ping")
    monkeypatch.setattr("e2e.smoke.STAGES", (*STAGES[:until], STAGES[4].__class__("ping", fails)))
    _smoke(run)
    users = account.client("cognito-idp").list_users(UserPoolId=run.outputs["UserPoolId"])["Users"]
    assert (seen, users) == ([6], [])


def test_visit_to_a_stack_that_is_not_there_says_so(account: MiniStack) -> None:
    """The name and the region are in the message."""
    run = _run(Endpoint("endpoint", account.endpoint), "no-such-stack", is_deployed=True)
    assert "stack no-such-stack in eu-central-1" in failure_text(_smoke(run))


def test_endpoint_where_nobody_answers_is_one_clear_line() -> None:
    """Before anything is packaged or deployed elsewhere."""
    url = "http://127.0.0.1:9"
    done = subprocess.run(
        [sys.executable, "-m", "tljudge", "smoke", "--endpoint", url],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"no AWS endpoint answers at {url}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--target", "aws"], "name the stack with --stack"),
        (["--target", "aws", "--endpoint", LOCALSTACK_URL], "has its own endpoints"),
        (["--target", "ministack", "--endpoint", LOCALSTACK_URL], "--endpoint is of no use"),
        (["--stack", "mine"], "--stack is of no use"),
        (["--endpoint", "localhost:4566"], "write a base URL"),
        (["--endpoint", LOCALSTACK_URL, "--keep"], "--keep is for the target ministack"),
        (["--target", "localstack", "--port", "1"], "--port is for the target ministack"),
    ],
)
def test_options_that_contradict_each_other_are_usage_errors(
    arguments: list[str], says: str
) -> None:
    """Each names the option and what to do."""
    parser = argparse.ArgumentParser()
    command.register(parser.add_subparsers())
    given = parser.parse_args(["smoke", *arguments])
    with pytest.raises(UsageError, match=says):
        given.run(given)


def test_aws_without_region_or_credentials_is_a_clear_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What to set, and no traceback."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(UsageError, match="export AWS_REGION"):
        Aws()
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    with pytest.raises(UsageError, match="no credentials are set"):
        Aws().start()


def test_localstack_is_the_named_gap_of_its_target() -> None:
    """What it lacks without a licence is in every report."""
    assert Endpoint("localstack", LOCALSTACK_URL).gaps == (LOCALSTACK, *NO_SERVERS)


def test_report_without_servers_is_json(account: MiniStack) -> None:
    """Nobody measured the memory of servers that are not ours."""
    report = _smoke(_run(Endpoint("endpoint", account.endpoint), "none", is_deployed=True))
    assert json.loads(json.dumps(report.as_json()))["peak_mib"] is None


def test_cleanup_deletes_users_once_only(account: MiniStack) -> None:
    """A second call finds nothing to do."""
    run = _run(Endpoint("endpoint", account.endpoint), "none", is_deployed=True)
    assert cleanup.run(run) == "0 users deleted"
