"""The rules on a deployed stack: clean as deployed, and each thing broken by hand is found.

Long because most tests read one deployed stack, and each further file would deploy it again.
"""

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from e2e.run import Run
from e2e.stages import deploy, destroy
from e2e.targets.ministack import ACCOUNT, MiniStack
from tljudge.engine import policy as policies
from tljudge.engine.findings import Finding
from tljudge.resolve.values import NOVALUE, Text, Unknown
from tools.deploy.clients import Clients
from tools.deploy.environments import ROOT, handlers_python
from tools.live import deployed
from tools.live.compare import Names
from tools.live.deployed import Deployed
from tools.live.reading import ABSENT
from tools.live.stacks import Client, CouldNotLook, NoSuchStack

POLICY = policies.load(ROOT / "compliance/policy.toml")
DRIFT, SAME = " (drift: its template is not so)", " (its template has it too)"
EVERYWHERE = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
LOGS, ROLES = (
    tuple(
        name
        for path in sorted((ROOT / "cloudformation").glob("*.yaml"))
        for name in re.findall(rf"^  (\w+):\n    Type: {kind}$", path.read_text(), re.MULTILINE)
    )
    for kind in ("AWS::Logs::LogGroup", "AWS::IAM::Role")
)
UNKNOWN_THERE = (
    "cannot be read: Cloud Control knows none of that name: it is gone, or has another name there"
)
REPORTS = (
    *("CacheBudget", "CloudWatchBudget", "DayBudget", "Ec2Budget", "Ec2OtherBudget", "VpcBudget"),
    *("Dashboard", "DashboardViewer"),
)
Found = tuple[str, str, str, str, str]
"""Rule, verdict, stack below the root, resource, message."""


@pytest.fixture(scope="module")
def run(account: MiniStack) -> Iterator[Run]:
    """Our stack, deployed."""
    name = f"tl-test-{secrets.token_hex(3)}"
    run = Run(target=account, name=name, source=ROOT, handlers_python=handlers_python())
    deploy.run(run)
    yield run
    destroy.run(run)


@pytest.fixture(scope="module")
def client(account: MiniStack) -> Client:
    """The operator's clients, as `tl check --deployed` makes them."""
    return as_user(account, ACCOUNT, "test")


def as_user(account: MiniStack, key: str, secret: str) -> Client:
    session = boto3.Session(key, secret, region_name=account.region)
    return Clients(session, account.endpoint, attempts=5)


@pytest.fixture(scope="module")
def ids(run: Run) -> dict[str, str]:
    """Logical to physical ids; no two of our stacks share a logical id."""
    resources = deploy.every_resource(run, run.name)
    return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources}


@pytest.fixture(scope="module")
def before(client: Client, run: Run) -> Deployed:
    """The stack as it was deployed."""
    return deployed.judge(client, run.name, POLICY)


def found(report: Deployed, run: Run) -> set[Found]:
    """What fails, stacks named from the root's name on."""
    assert report.report.errors == []
    return {
        (one.rule, one.verdict, one.file[len(run.name) + 1 :], one.resource, one.message)
        for one in report.report.findings
        if one.is_open
    }


def drifts(report: Deployed) -> set[tuple[str, str]]:
    """Resource and property of each difference."""
    return {(one.resource, one.path) for one in report.drifts}


def test_deployed_stack_is_what_its_templates_are(before: Deployed, run: Run) -> None:
    """Nothing but what this endpoint leaves out: it tags no event rule, whatever the stack says;
    its Cloud Control knows neither budgets nor dashboards nor managed policies.

    It also decides a condition on the region for another region, which shows in a prefix list, and
    keeps a launch template's texts as it got them.
    """
    untagged = "has no tag Project, Component, Environment, CostCenter"
    assert found(before, run) == {
        ("TL_TAGS_1", "FAIL", "Edge", "SigningKeysTimer", untagged + DRIFT),
        ("TL_TAGS_1", "FAIL", "Queue", "QueueHealthSchedule", untagged + DRIFT),
        ("TL_TAGS_1", "FAIL", "Queue", "WakerSchedule", untagged + DRIFT),
        ("TL_TAGS_1", "FAIL", "Resize", "ResizeMotorSchedule", untagged + DRIFT),
        ("TL_TAGS_1", "FAIL", "Node", "NodeStateRule", untagged + DRIFT),
        ("TL_TAGS_1", "FAIL", "Guard", "ForceStopRule", untagged + DRIFT),
        ("TL_TAGS_1", "FAIL", "Guard", "MeterRule", untagged + DRIFT),
        ("TL_LIVE_1", "UNKNOWN", "Guard", "Budget", UNKNOWN_THERE),
        *(("TL_LIVE_1", "UNKNOWN", "Report", name, UNKNOWN_THERE) for name in REPORTS),
    }
    timers = (
        *("SigningKeysTimer", "QueueHealthSchedule", "WakerSchedule"),
        *("ResizeMotorSchedule", "NodeStateRule", "ForceStopRule", "MeterRule"),
    )
    lists = ("RouterSecurityGroup", "QueueHealthSecurityGroup")
    assert drifts(before) == {
        *((timer, f"Tags.{key}") for timer in timers for key in POLICY.required_tags),
        *((group, "SecurityGroupEgress.DestinationPrefixListId") for group in lists),
        ("BuilderTemplate", "LaunchTemplateData.NetworkInterfaces.DeleteOnTermination"),
    }
    waived = {(one.resource, one.rule, one.waived) for one in before.report.findings} - {
        *((timer, "TL_TAGS_1", False) for timer in timers),
        *((name, "TL_LIVE_1", False) for name in ("Budget", *REPORTS)),
    }
    inside = ("RouterRole", "QueueHealthRole", "WakerRole", "StopRole", "ResizeRole")
    assert waived == {(role, "TL_IAM_3", True) for role in inside}
    assert before.report.exit_code() == 1


@dataclass(frozen=True, slots=True)
class Break:
    """One thing that somebody does by hand, how it is undone, and what must be found."""

    name: str
    do: Callable[[Client, dict[str, str]], Any]
    undo: Callable[[Client, dict[str, str]], Any]
    found: tuple[Found, ...]
    drifts: tuple[tuple[str, str], ...] = ()


def _allow(role: str, statements: list[dict[str, Any]]) -> Callable[[Client, dict[str, str]], Any]:
    def put(client: Client, ids: dict[str, str]) -> None:
        iam = client("iam")
        at = {"RoleName": ids[role], "PolicyName": "router"}
        body = iam.get_role_policy(**at)["PolicyDocument"]
        body["Statement"] = [one for one in body["Statement"] if one.get("Sid") != "ByHand"]
        body["Statement"] += statements
        iam.put_role_policy(**at, PolicyDocument=json.dumps(body))

    return put


def _function(client: Client, ids: dict[str, str]) -> str:
    arn: str = client("lambda").get_function_configuration(FunctionName=ids["RouterFunction"])[
        "FunctionArn"
    ]
    return arn


def _route(**settings: str) -> Callable[[Client, dict[str, str]], Any]:
    def update(client: Client, ids: dict[str, str]) -> None:
        named = (
            {"AuthorizerId": ids["Authorizer"]} if settings["AuthorizationType"] == "JWT" else {}
        )
        client("apigatewayv2").update_route(
            ApiId=ids["Api"], RouteId=ids["PingRoute"].split("/")[-1], **settings, **named
        )

    return update


def _rule_to_queue(client: Client, ids: dict[str, str], action: str) -> None:
    ec2 = client("ec2")
    pair = {"GroupId": ids["QueueSecurityGroup"], "Description": "Queue"}
    rule = {"IpProtocol": "tcp", "FromPort": 6379, "ToPort": 6379, "UserIdGroupPairs": [pair]}
    call = getattr(ec2, f"{action}_security_group_egress")
    call(GroupId=ids["RouterSecurityGroup"], IpPermissions=[rule])


def _log_group(client: Client, ids: dict[str, str]) -> None:
    logs, name = client("logs"), ids["StopLog"]
    tags = {"Project": "tinyllama", "Component": "router", "Environment": "dev"}
    logs.create_log_group(logGroupName=name, tags={**tags, "CostCenter": "tinyllama-dev"})
    logs.put_retention_policy(logGroupName=name, retentionInDays=30)


BREAKS = (
    Break(
        "egress to the world",
        lambda client, ids: client("ec2").authorize_security_group_egress(
            GroupId=ids["NodeSecurityGroup"], IpPermissions=EVERYWHERE
        ),
        lambda client, ids: client("ec2").revoke_security_group_egress(
            GroupId=ids["NodeSecurityGroup"], IpPermissions=EVERYWHERE
        ),
        (
            ("TL_EGRESS_1", "FAIL", "Network", "NodeSecurityGroup",
             f"reaches the internet: 0.0.0.0/0, protocol -1, ports all-all{DRIFT}"),
        ),
        (("NodeSecurityGroup", "SecurityGroupEgress"),),
    ),
    Break(
        "logs for ever",
        lambda client, ids: client("logs").delete_retention_policy(logGroupName=ids["RouterLog"]),
        lambda client, ids: client("logs").put_retention_policy(
            logGroupName=ids["RouterLog"], retentionInDays=30
        ),
        (
            ("TL_LOGS_1", "FAIL", "Router", "RouterLog",
             f"never expires: it has no RetentionInDays{DRIFT}"),
        ),
        (("RouterLog", "RetentionInDays"),),
    ),
    Break(
        "a tag taken off",
        lambda client, ids: client("lambda").untag_resource(
            Resource=_function(client, ids), TagKeys=["Project", "CostCenter"]
        ),
        lambda client, ids: client("lambda").tag_resource(
            Resource=_function(client, ids),
            Tags={"Project": "tinyllama", "CostCenter": "tinyllama-dev"},
        ),
        (
            ("TL_TAGS_1", "FAIL", "Router", "RouterFunction",
             f"has no tag Project, CostCenter{DRIFT}"),
        ),
        (("RouterFunction", "Tags.Project"), ("RouterFunction", "Tags.CostCenter")),
    ),
    Break(
        "a role that may more",
        _allow("RouterRole", [
            {"Sid": "ByHand", "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}
        ]),
        _allow("RouterRole", []),
        (
            ("TL_IAM_1", "FAIL", "Router", "RouterRole", f"allows dynamodb:*{DRIFT}"),
            ("TL_IAM_3", "FAIL", "Router", "RouterRole", f"allows dynamodb:* on *{DRIFT}"),
        ),
        (("RouterRole", "Policies.PolicyDocument.Statement"),),
    ),
    Break(
        "an administrator",
        lambda client, ids: client("iam").attach_role_policy(
            RoleName=ids["StopRole"], PolicyArn=ADMINISTRATOR
        ),
        lambda client, ids: client("iam").detach_role_policy(
            RoleName=ids["StopRole"], PolicyArn=ADMINISTRATOR
        ),
        (("TL_IAM_5", "FAIL", "Router", "StopRole", f"attaches {ADMINISTRATOR}{DRIFT}"),),
        (("StopRole", "ManagedPolicyArns"),),
    ),
    Break(
        "a route without its authorizer",
        _route(AuthorizationType="NONE"),
        _route(AuthorizationType="JWT"),
        (
            ("TL_EDGE_1", "FAIL", "Edge", "PingRoute",
             f"GET /ping is open to everybody: it has no authorizer{DRIFT}"),
        ),
        (("PingRoute", "AuthorizationType"),),
    ),
    Break(
        "a rule of a group that is gone",
        lambda client, ids: _rule_to_queue(client, ids, "revoke"),
        lambda client, ids: _rule_to_queue(client, ids, "authorize"),
        (
            ("TL_LIVE_2", "FAIL", "Queue", "RouterToQueue",
             f"is in its stack, and not in the account{DRIFT}"),
        ),
    ),
    Break(
        "a log group that is gone",
        lambda client, ids: client("logs").delete_log_group(logGroupName=ids["StopLog"]),
        _log_group,
        (
            ("TL_LIVE_2", "FAIL", "Router", "StopLog",
             f"is in its stack, and not in the account{DRIFT}"),
        ),
    ),
)  # fmt: skip


@pytest.mark.parametrize("broken", BREAKS, ids=[one.name for one in BREAKS])
def test_what_is_broken_by_hand_is_found(
    broken: Break, before: Deployed, client: Client, ids: dict[str, str], run: Run
) -> None:
    """With stack, resource and drift, and nothing else; undone, it is clean again."""
    broken.do(client, ids)
    try:
        after = deployed.judge(client, run.name, POLICY)
    finally:
        broken.undo(client, ids)
    assert found(after, run) - found(before, run) == set(broken.found)
    assert found(before, run) - found(after, run) == set()
    # Two rules of a group's list that differ are told one by one, so some stand in both.
    known = {(name, path.split(".")[0]) for name, path in drifts(before)}
    assert {one for one in drifts(after) - drifts(before) if one not in known} == set(broken.drifts)
    again = deployed.judge(client, run.name, POLICY)
    assert (found(again, run), drifts(again)) == (found(before, run), drifts(before))


def test_shape_of_the_node_is_drift_and_no_finding(
    before: Deployed, client: Client, ids: dict[str, str], run: Run
) -> None:
    """What no rule minds is told all the same."""
    at = {"InstanceId": ids["Node"]}
    client("ec2").modify_instance_attribute(**at, InstanceType={"Value": "g4dn.xlarge"})
    after = deployed.judge(client, run.name, POLICY)
    client("ec2").modify_instance_attribute(**at, InstanceType={"Value": "t3.small"})
    assert found(after, run) == found(before, run)
    told = f"{run.name}/Node Node: InstanceType is g4dn.xlarge, and t3.small in its template"
    assert set(deployed.notes(after)) - set(deployed.notes(before)) == {told}


def _reader(account: MiniStack, client: Client, name: str, actions: list[str]) -> Client:
    iam = client("iam")
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    body = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="read", PolicyDocument=body)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return as_user(account, key["AccessKeyId"], key["SecretAccessKey"])


@pytest.fixture
def reader(account: MiniStack, client: Client) -> Iterator[Callable[[list[str]], Client]]:
    """Users who may do what is listed, and nothing else; IAM decides."""
    made: list[str] = []

    def make(actions: list[str]) -> Client:
        made.append(f"reader-{secrets.token_hex(3)}")
        return _reader(account, client, made[-1], actions)

    yield make
    iam = client("iam")
    for name in made:
        for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName=name, PolicyName="read")
        iam.delete_user(UserName=name)


def test_listed_actions_are_enough(
    before: Deployed, reader: Callable[[list[str]], Client], run: Run
) -> None:
    """A user who may do no more sees all that the operator sees."""
    seen = deployed.judge(reader(deployed.actions()), run.name, POLICY)
    assert (found(seen, run), drifts(seen)) == (found(before, run), drifts(before))


@pytest.mark.parametrize(
    ("action", "resources", "said"),
    [
        ("logs:DescribeLogGroups", LOGS,
         "cannot be read: AccessDeniedException when calling DescribeLogGroups"),
        ("iam:ListAttachedRolePolicies", ROLES,
         "cannot be read: ManagedPolicyArns: AccessDenied when calling ListAttachedRolePolicies"),
        ("cognito-idp:ListTagsForResource", ("UserPool",),
         "cannot be read: tags: AccessDeniedException when calling ListTagsForResource"),
    ],
)  # fmt: skip
def test_what_may_not_be_read_is_unknown(
    before: Deployed,
    reader: Callable[[list[str]], Client],
    run: Run,
    action: str,
    resources: tuple[str, ...],
    said: str,
) -> None:
    """A whole resource, a part of it, its tags: each is named with the reason."""
    less = [one for one in deployed.actions() if one != action]
    seen = deployed.judge(reader(less), run.name, POLICY)
    unread = {one for one in found(seen, run) if one[0] == "TL_LIVE_1"} - found(before, run)
    assert {(one[1], *one[3:]) for one in unread} == {
        ("UNKNOWN", resource, said) for resource in resources
    }
    assert found(seen, run) - unread == found(before, run)


def test_stack_that_cannot_be_read_says_so(
    client: Client, reader: Callable[[list[str]], Client], run: Run
) -> None:
    """No such stack, and one whose template may not be read."""
    with pytest.raises(NoSuchStack) as missing:
        deployed.judge(client, "tl-test-none", POLICY)
    assert str(missing.value) == "tl-test-none: no such stack here; name one of this region"
    less = [one for one in deployed.actions() if one != "cloudformation:GetTemplate"]
    with pytest.raises(CouldNotLook) as refused:
        deployed.judge(reader(less), run.name, POLICY)
    why = "AccessDenied when calling GetTemplate; allow the reads that are missing"
    assert str(refused.value) == f"{run.name}: {why}"


NAMES = Names(
    {("", "Role"): ("AWS::IAM::Role", "r-1"), ("", "Group"): ("AWS::EC2::SecurityGroup", "sg-1")},
    {"": {"AWS::Region": "eu-central-1"}},
)
ARN = Unknown("Role.Arn", "made", True, True, ("", "Role", "Arn"))
REGION = Unknown("AWS::Region", "AWS::Region", True, True)
ALLOW = {"Effect": "Allow", "Action": "a:B", "Resource": "x"}


@pytest.mark.parametrize(
    ("wanted", "live", "path", "differs"),
    [
        ("30", 30, "P", []), (20, 20.0, "P", []), (True, "true", "P", []), (30, 90, "P", ["P"]),
        (["a", "b"], ["b", "a"], "P", []), (["a"], "a", "P", []), (["a"], ["a", "c"], "P", ["P"]),
        ({"a": 1}, {"a": 1, "added": 2}, "P", []), ({"a": 1}, {}, "P", ["P.a"]),
        ({"a": 1}, {"a": 1, "added": 2}, "RouteSettings", ["RouteSettings.added"]),
        ({"Statement": ALLOW}, {"Statement": [ALLOW]}, "PolicyDocument", []),
        ({"Statement": [ALLOW | {"Condition": {"StringEquals": {"k": "v"}}}]},
         {"Statement": [ALLOW]}, "PolicyDocument", ["PolicyDocument.Statement.Condition"]),
        ({"Statement": [ALLOW]}, {"Statement": [ALLOW | {"NotResource": "y"}]}, "PolicyDocument",
         ["PolicyDocument.Statement.NotResource"]),
        ('{"a": 1}', '{ "a":1 }', "P", []), ({"a": 1}, '{"a": 1}', "P", []),
        (ARN, "arn:aws:iam::1:role/r-1", "P", []), (ARN, "arn:aws:iam::1:role/other", "P", ["P"]),
        (Unknown("Group", "made", origin=("", "Group", "GroupId")), "sg-2", "P", ["P"]),
        (Text(("x-", REGION)), "x-eu-central-1", "P", []),
        (Text(("x-", REGION)), "x-us-east-1", "P", ["P"]),
        (Unknown("{{resolve:ssm:x}}", "read at deployment"), "anything", "P", []),
        (NOVALUE, ABSENT, "P", []), (NOVALUE, False, "P", []), (NOVALUE, "set", "P", ["P"]),
        ("set", ABSENT, "P", ["P"]),
        ([{"IpProtocol": "6"}], [{"IpProtocol": "tcp"}], "P", []),
    ],
)  # fmt: skip
def test_what_counts_as_a_difference(wanted: Any, live: Any, path: str, differs: list[str]) -> None:
    """Order, number or text and what AWS adds are none; one more key of a policy is one."""
    assert [one.path for one in NAMES.differences(wanted, live, path)] == differs


TEMPLATE = """
Parameters:
  Days: {Type: Number, Default: 30}
Resources:
  Kept: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: !Ref Days}}
  Mended: {Type: AWS::Logs::LogGroup}
  Forgotten: {Type: AWS::Logs::LogGroup}
  Images: {Type: AWS::ECR::Repository, Properties: {RepositoryName: !Sub "${AWS::StackName}-i"}}
  Jobs: {Type: AWS::ECS::Cluster}
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
"""


@pytest.fixture(scope="module")
def small(client: Client) -> Iterator[str]:
    """A stack of types with and without a reader; its template leaves two groups without an end."""
    name, cloudformation = f"tl-small-{secrets.token_hex(3)}", client("cloudformation")
    tags = [{"Key": key, "Value": "x"} for key in POLICY.required_tags]
    cloudformation.create_stack(StackName=name, TemplateBody=TEMPLATE, Tags=tags)
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 1000}
    )
    yield name
    cloudformation.delete_stack(StackName=name)


def _judged(client: Client, name: str, *resources: str) -> set[tuple[str, ...]]:
    findings: list[Finding] = deployed.judge(client, name, POLICY).report.findings
    return {
        (one.rule, one.verdict, one.file, one.resource, one.message)
        for one in findings
        if one.resource in resources and not one.rule.startswith(("TL_COST", "TL_WAIVER"))
    }


def test_fault_of_the_template_is_told_from_drift(client: Client, small: str) -> None:
    """What the template lacks and the account has is no finding; what both lack is no drift."""
    physical = client("cloudformation").describe_stack_resource(
        StackName=small, LogicalResourceId="Mended"
    )["StackResourceDetail"]["PhysicalResourceId"]
    client("logs").put_retention_policy(logGroupName=physical, retentionInDays=30)
    assert _judged(client, small, "Kept", "Mended", "Forgotten") == {
        ("TL_LOGS_1", "FAIL", small, "Forgotten",
         f"never expires: it has no RetentionInDays{SAME}")
    }  # fmt: skip


def test_type_without_a_reader_is_read_through_cloud_control_or_unknown(
    client: Client, small: str
) -> None:
    """This endpoint's Cloud Control knows only what is put into it: a registry without its tags."""
    why = "Cloud Control knows none of that name: it is gone, or has another name there"
    unread = {
        ("TL_LIVE_1", "UNKNOWN", small, name, f"cannot be read: {why}")
        for name in ("Images", "Jobs")
    }
    assert _judged(client, small, "Images", "Jobs", "Handle") == unread
    images = client("cloudformation").describe_stack_resource(
        StackName=small, LogicalResourceId="Images"
    )["StackResourceDetail"]["PhysicalResourceId"]
    tags = [{"Key": "Project", "Value": "x"}]
    state = {"Id": images, "RepositoryName": f"{small}-i", "Tags": tags}
    client("cloudcontrol").create_resource(
        TypeName="AWS::ECR::Repository", DesiredState=json.dumps(state)
    )
    missing = ", ".join(key for key in POLICY.required_tags if key != "Project")
    assert _judged(client, small, "Images") == {
        ("TL_TAGS_1", "FAIL", small, "Images", f"has no tag {missing}{DRIFT}")
    }


def test_waiver_of_what_cannot_be_read_is_used(client: Client, small: str, tmp_path: Path) -> None:
    """A resource that nobody can read may be accepted, for a reason and a time."""
    path = tmp_path / "policy.toml"
    waiver = '[[waivers]]\nrule = "TL_LIVE_1"\nresource = "Jobs"\n'
    path.write_text(waiver + 'reason = "no reader yet"\nexpires = 2099-01-31\n', "utf-8")
    report = deployed.judge(client, small, policies.load(path)).report
    jobs = [(one.rule, one.waived) for one in report.findings if one.resource == "Jobs"]
    assert jobs == [("TL_LIVE_1", True)]


def command(account: MiniStack, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """`tl check --deployed` as an operator runs it: exit code, both outputs."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-m", "tljudge", "check", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
        env=kept | account.cli_environment() | variables,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_command_judges_what_stands_and_says_what_drifted(
    account: MiniStack, run: Run, ids: dict[str, str]
) -> None:
    """The finding names stack, resource and drift; the exit code is that of findings."""
    group = f"/aws/lambda/{run.name}-router"
    logs = account.client("logs")
    logs.delete_retention_policy(logGroupName=group)
    try:
        policy = str(ROOT / "compliance" / "policy.toml")
        code, said, noted = command(
            account, "--deployed", run.name, "--policy", policy, "--format", "json"
        )
    finally:
        logs.put_retention_policy(logGroupName=group, retentionInDays=30)
    findings = [one for one in json.loads(said)["findings"] if one["rule"] == "TL_LOGS_1"]
    assert (code, len(findings)) == (1, 1)
    assert (findings[0]["file"], findings[0]["resource"]) == (f"{run.name}/Router", "RouterLog")
    assert "drift: its template is not so" in findings[0]["message"]
    assert "RetentionInDays is not set, and 30 in its template" in noted


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--deployed", "no-such-stack"], "no-such-stack"),
        ([], "name templates or folders, or one deployed stack"),
        (["--deployed", "x", "cloudformation"], "name templates or folders, or one deployed stack"),
        (["--deployed", "x", "--parameters", "p.json"], "--parameters applies to templates only"),
        (["--deployed", "x", "--baseline", "b.json"], "--baseline applies to templates only"),
    ],
)
def test_command_says_in_one_line_what_is_wrong(
    account: MiniStack, arguments: list[str], says: str
) -> None:
    """A mistake in the call is exit code 2 and no traceback."""
    code, said, noted = command(account, *arguments)
    assert (code, said, noted.count("\n")) == (2, "", 1)
    assert says in noted


def test_command_that_cannot_look_could_not_finish(account: MiniStack) -> None:
    """Nobody answers: exit code 3, which is neither clean nor a finding."""
    nobody = "http://127.0.0.1:9"
    code, said, noted = command(account, "--deployed", "x", AWS_ENDPOINT_URL=nobody)
    assert (code, said, noted.count("\n")) == (3, "", 1)
    assert nobody in noted


def test_page_lists_the_actions_that_reading_takes() -> None:
    """Whoever writes a policy for it takes them from there."""
    page = (ROOT / "docs" / "adopt.md").read_text()
    listed = page.split("```text\n")[1].split("```")[0].split()
    assert listed == deployed.actions()
