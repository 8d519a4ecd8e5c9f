"""An audit of a stack that was destroyed: clean, and dirty with each residue that is planted."""

import json
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from e2e.run import Run
from e2e.stages import deploy, destroy
from e2e.targets.ministack import MiniStack
from tljudge.cli import main
from tljudge.data import prices
from tools.audit import account as audit_account
from tools.audit.kinds import KINDS, Kind
from tools.audit.look import Found
from tools.audit.proof import is_going
from tools.deploy.environments import ROOT, handlers_python
from tools.deploy.listings import LISTINGS
from tools.deploy.paths import follow
from tools.processes import free_port

REGION = "eu-central-1"


@pytest.fixture(scope="module")
def gone(account: MiniStack) -> Run:
    """A stack that was deployed and destroyed."""
    name = f"tl-test-{secrets.token_hex(3)}"
    run = Run(target=account, name=name, source=ROOT, handlers_python=handlers_python())
    deploy.run(run)
    destroy.run(run)
    return run


@pytest.fixture
def audit(account: MiniStack, gone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command, on the local account; returns its exit code and its document."""
    environment = account.cli_environment()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_REGION", REGION)

    def run(stack: str = "", *more: str) -> tuple[int, dict[str, Any]]:
        path = tmp_path / "audit.json"
        where = ["--endpoint", environment["AWS_ENDPOINT_URL"], "--json", str(path)]
        code = main.main(["audit", "--stack", stack or gone.name, *where, *more])
        return code, json.loads(path.read_text("utf-8"))

    return run


def test_destroyed_stack_is_clean(audit: Any) -> None:
    """Every kind was looked for, and nothing of it is there."""
    code, said = audit("", "--never-used", "all")
    assert (code, said["state"], said["residues"], said["could_not_look"]) == (0, "CLEAN", [], [])
    assert said["calls"] > 50


def test_what_is_left_is_named_with_its_proof_and_price(
    audit: Any, account: MiniStack, gone: Run
) -> None:
    """By the stack's own record, by what it came from, and by what says nothing of its owner."""
    logs, dynamodb, ec2 = (account.client(s) for s in ("logs", "dynamodb", "ec2"))
    table, group = f"{gone.name}-control", f"/aws/lambda/{gone.name}-router"
    logs.create_log_group(logGroupName=group)
    create_table(dynamodb, table)
    volume = ec2.create_volume(Size=100, VolumeType="gp3", AvailabilityZone=f"{REGION}a")[
        "VolumeId"
    ]
    try:
        code, said = audit("", "--region", REGION)
    finally:
        logs.delete_log_group(logGroupName=group)
        dynamodb.delete_table(TableName=table)
        ec2.delete_volume(VolumeId=volume)
    assert (code, said["state"]) == (1, "DIRTY")
    found = {(one["type"], one["id"]): one for one in said["residues"]}
    assert found.keys() == {
        ("AWS::EC2::Volume", volume),
        ("AWS::DynamoDB::Table", table),
        ("AWS::Logs::LogGroup", group),
    }
    assert found["AWS::EC2::Volume", volume]["usd_per_month"] == pytest.approx(9.52)
    assert "nothing says whose" in found["AWS::EC2::Volume", volume]["why"]
    assert found["AWS::DynamoDB::Table", table]["why"] == f"a resource of stack {gone.name}"


def test_neighbour_is_not_named(audit: Any, account: MiniStack, gone: Run) -> None:
    """A stack whose name begins alike, its table, and a volume that somebody tagged."""
    ec2 = account.client("ec2")
    cloudformation = account.client("cloudformation")
    template = {"Resources": {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": {
        "TableName": f"{gone.name}2-control", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}}}}  # fmt: skip
    cloudformation.create_stack(StackName=f"{gone.name}2", TemplateBody=json.dumps(template))
    volume = ec2.create_volume(
        Size=1, AvailabilityZone=f"{REGION}a",
        TagSpecifications=[
            {"ResourceType": "volume", "Tags": [{"Key": "Project", "Value": gone.name}]}
        ],
    )["VolumeId"]  # fmt: skip
    try:
        code, said = audit("", "--region", REGION)
    finally:
        cloudformation.delete_stack(StackName=f"{gone.name}2")
        ec2.delete_volume(VolumeId=volume)
    assert (code, said["residues"]) == (0, [])


def test_stack_that_is_alive_is_all_left(audit: Any, account: MiniStack, gone: Run) -> None:
    """Nothing is deleted, and everything of it is named."""
    name = f"{gone.name}-alive"
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    cloudformation = account.client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    try:
        code, said = audit(name, "--region", REGION)
    finally:
        cloudformation.delete_stack(StackName=name)
    assert (code, sorted(one["type"] for one in said["residues"])) == (1, [
        "AWS::CloudFormation::Stack", "AWS::SNS::Topic",
    ])  # fmt: skip


def test_unknown_stack_could_not_be_looked_at(audit: Any) -> None:
    """CloudFormation forgets after 90 days: that is no proof."""
    code, said = audit("never-was", "--region", REGION)
    assert (code, said["state"]) == (3, "COULD_NOT_LOOK")
    assert "remembers no stack" in said["could_not_look"][0]["why"]


def test_region_that_is_switched_off_could_not_be_looked_at(
    audit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in it bills on; unless the operator says that it was never used."""
    regions = audit_account.Account.regions
    off = "ap-east-1"

    def without(self: audit_account.Account) -> tuple[list[str], list[str]]:
        return [name for name in regions(self)[0] if name == REGION], [off]

    monkeypatch.setattr(audit_account.Account, "regions", without)
    code, said = audit()
    assert (code, said["state"]) == (3, "COULD_NOT_LOOK")
    row = {"kind": "everything", "region": off, "why": "switched off, and may still bill"}
    assert said["could_not_look"] == [row]
    assert audit("", "--never-used", off)[0] == 0


def test_what_may_not_be_read_is_not_clean(
    audit: Any, account: MiniStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials that may read CloudFormation alone: each other kind is named, with AWS's word."""
    iam = account.client("iam")
    iam.create_user(UserName="auditor")
    actions = ["sts:*", "cloudformation:*", "ec2:DescribeRegions"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="auditor", PolicyName="some", PolicyDocument=document)
    key = iam.create_access_key(UserName="auditor")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    try:
        code, said = audit("", "--region", REGION)
    finally:
        iam.delete_access_key(UserName="auditor", AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName="auditor", PolicyName="some")
        iam.delete_user(UserName="auditor")
    assert (code, said["state"]) == (3, "COULD_NOT_LOOK")
    refused = {row["kind"]: row["why"] for row in said["could_not_look"]}
    assert {row["kind"] for row in said["looked_at"]} == {"stack"}
    assert refused.keys() == KINDS.keys() - {"stack"}
    assert "UnauthorizedOperation" in refused["instance"] or "Denied" in refused["instance"]


def test_unknown_region_is_a_line(
    account: MiniStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, before anything is looked for."""
    environment = account.cli_environment()
    for name, value in (environment | {"AWS_REGION": REGION}).items():
        monkeypatch.setenv(name, value)
    where = ["--endpoint", environment["AWS_ENDPOINT_URL"], "--region", "nowhere-1"]
    assert main.main(["audit", "--stack", "mine", *where]) == 2
    assert capsys.readouterr().err == "audit: no region is called nowhere-1\n"


def test_endpoint_that_is_not_there_could_not_be_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3 and a line; never CLEAN."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", REGION)
    where = f"http://127.0.0.1:{free_port()}"
    assert main.main(["audit", "--stack", "mine", "--endpoint", where]) == 3
    assert "audit: AWS did not say whose account it is: " in capsys.readouterr().err


def test_kinds_are_those_that_are_listed() -> None:
    """A kind without a row would not be looked for."""
    assert KINDS.keys() == LISTINGS.keys()


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_paths_of_a_kind_fit_its_services_model(kind: Kind) -> None:
    """A mistyped one would find no time, no state and no owner, and so nothing."""
    call = LISTINGS[kind.name].call
    session = botocore.session.Session().get_service_model(call.service)
    names = {botocore.xform_name(name): name for name in session.operation_names}
    item = follow(call.path, session.operation_model(names[call.operation]).output_shape).member
    # Of a function of JMESPath, what it is applied to.
    theirs = re.sub(r"^starts_with\((\w+), .*\)$", r"\1", kind.theirs)
    for path in filter(None, (kind.made, kind.state, theirs, *kind.of.values())):
        follow(path, item)


@pytest.mark.parametrize(
    ("name", "item", "usd"),
    [
        ("bucket", {"Name": "b"}, None),
        ("table", "t", None),
        ("parameter", {"Tier": "Advanced"}, 0.05),
        ("parameter", {"Tier": "Standard"}, 0.0),
        ("instance", {"InstanceType": "t3.small", "State": {"Name": "running"}}, 0.024 * 730),
        ("instance", {"InstanceType": "t3.small", "State": {"Name": "stopped"}}, 0.0),
        ("instance", {"InstanceType": "x9.huge", "State": {"Name": "running"}}, None),
        ("cache-cluster", {"Engine": "redis", "CacheNodeType": "cache.none"}, None),
        ("replication-group", {"Engine": "valkey", "CacheNodeType": "cache.t4g.small"}, None),
        ("vpc-endpoint", {"VpcEndpointType": "Interface", "SubnetIds": ["a", "b"]}, 0.024 * 730),
        ("log-group", {"storedBytes": 0}, 0.0),
    ],
)
def test_price_that_is_not_known_is_not_nothing(name: str, item: Any, usd: float | None) -> None:
    """And what is known is the price file's."""

    def price(unit: str, what: str) -> float | None:
        line = prices.load().of(REGION, unit, what)
        return None if line is None else line.usd

    seen = KINDS[name].charge(item, price)
    assert seen == (None if usd is None else pytest.approx(usd))


def test_secret_that_waits_for_its_end_is_going() -> None:
    """It bills nothing any more; one that is kept does."""
    waits = {"ARN": "a", "DeletedDate": datetime(2026, 11, 26, tzinfo=UTC)}
    assert is_going(Found(KINDS["secret"], REGION, "a", waits))
    assert not is_going(Found(KINDS["secret"], REGION, "a", {"ARN": "a"}))


def create_table(dynamodb: Any, name: str) -> None:
    """A table with one key."""
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
