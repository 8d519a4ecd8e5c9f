"""The killer may delete what the queue's stack holds, by names and tags, and change nothing else.

Whether CloudFormation asks for more is untried on AWS: ADR 0017.
"""

from fnmatch import fnmatchcase
from typing import Any

import pytest

from tests.compliance.templates import Template, named, policy_statements, properties, read

DELETES = {
    "AWS::CloudWatch::Alarm": "cloudwatch:DeleteAlarms",
    "AWS::EC2::SecurityGroup": "ec2:DeleteSecurityGroup",
    "AWS::EC2::SecurityGroupEgress": "ec2:RevokeSecurityGroupEgress",
    "AWS::EC2::VPCEndpoint": "ec2:DeleteVpcEndpoints",
    "AWS::ElastiCache::ParameterGroup": "elasticache:DeleteCacheParameterGroup",
    "AWS::ElastiCache::ReplicationGroup": "elasticache:DeleteReplicationGroup",
    "AWS::ElastiCache::SubnetGroup": "elasticache:DeleteCacheSubnetGroup",
    "AWS::ElastiCache::User": "elasticache:DeleteUser",
    "AWS::ElastiCache::UserGroup": "elasticache:DeleteUserGroup",
    "AWS::Events::Rule": "events:DeleteRule",
}
# What has an id of the template's own: its property, and how its ARN begins.
IDS = {
    "AWS::CloudWatch::Alarm": ("AlarmName", "alarm:"),
    "AWS::ElastiCache::ReplicationGroup": ("ReplicationGroupId", "replicationgroup:"),
    "AWS::ElastiCache::User": ("UserId", "user:"),
    "AWS::ElastiCache::UserGroup": ("UserGroupId", "usergroup:"),
    "AWS::Events::Rule": ("Name", "rule/"),
}
STACK_TAG = "aws:ResourceTag/aws:cloudformation:stack-id"


def out_of_reach(guard: Template, queue: Template, network: Template) -> list[str]:
    """What the queue's stack holds, and the killer may not delete."""
    found = []
    for logical_id, resource in queue.body["Resources"].items():
        kind = resource["Type"]
        allowed = [s for s in policy_statements(guard.body) if DELETES[kind] in actions(s)]
        if not allowed:
            found.append(f"{logical_id}: no permission {DELETES[kind]}")
        elif kind in IDS:
            name, prefix = IDS[kind]
            own = prefix + text(properties(resource)[name], "AWS::StackId")
            if not any(fnmatchcase(own, p) for s in allowed for p in patterns(s)):
                found.append(f"{logical_id}: no permission on {own}")
        elif kind in ("AWS::EC2::VPCEndpoint", "AWS::ElastiCache::ParameterGroup"):
            tag, wanted = name_tag(resource), "aws:ResourceTag/Name"
            if tag is None or not any(condition(s).get(wanted) == tag for s in allowed):
                found.append(f"{logical_id}: is not tagged as the permission asks")
        elif kind == "AWS::EC2::SecurityGroup":
            if not any(condition(s) == {STACK_TAG: {"Ref": "QueueStack"}} for s in allowed):
                found.append(f"{logical_id}: no permission by the tag of its stack")
        elif kind == "AWS::EC2::SecurityGroupEgress":
            logical = properties(resource)["GroupId"]["Ref"].removesuffix("Id")
            tag = name_tag(network.body["Resources"][logical])
            names = [listed(condition(s).get("aws:ResourceTag/Name", [])) for s in allowed]
            if not any(tag in one for one in names):
                found.append(f"{logical_id}: no permission on the group {tag['Fn::Sub']}")
    return found


def actions(statement: dict[str, Any]) -> list[str]:
    """The actions of an Allow statement, as a list."""
    return listed(statement.get("Action", [])) if statement["Effect"] == "Allow" else []


def condition(statement: dict[str, Any]) -> dict[str, Any]:
    """The values that tags must equal."""
    equal: dict[str, Any] = statement.get("Condition", {}).get("StringEquals", {})
    return equal


def patterns(statement: dict[str, Any]) -> list[str]:
    """The end of each ARN, from the account on."""
    arns = [text(arn, "QueueStack") for arn in listed(statement["Resource"])]
    return [arn.split("${AWS::AccountId}:")[-1] for arn in arns]


def name_tag(resource: dict[str, Any]) -> Any:
    """The value of the tag Name."""
    return {t["Key"]: t["Value"] for t in properties(resource).get("Tags", [])}.get("Name")


def listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def text(value: Any, stack_id: str) -> str:
    """The text of a substitution; a piece of the id that `stack_id` refers to becomes 0a1b2c3d."""
    found = value["Fn::Sub"]
    if not isinstance(found, list):
        return str(found)
    id_parts = {"Fn::Split": ["/", {"Ref": stack_id}]}
    piece = {"Fn::Select": [0, {"Fn::Split": ["-", {"Fn::Select": [2, id_parts]}]}]}
    known = found[1] == {"Piece": piece}
    return str(found[0]).replace("${Piece}", "0a1b2c3d") if known else str(found[0])


def test_killer_reaches_what_the_queue_holds() -> None:
    """Each kind that it may delete is there, so the law is about something."""
    queue = named("queue.yaml")
    assert out_of_reach(named("guard.yaml"), queue, named("network.yaml")) == []
    kinds = {resource["Type"] for resource in queue.body["Resources"].values()}
    assert kinds == set(DELETES)


def test_queue_holds_what_use_gpu_removes_and_nothing_else() -> None:
    """Turning it off empties the stack: no function and no role is changed or waited for."""
    gates = {one.get("Condition") for one in named("queue.yaml").body["Resources"].values()}
    assert gates == {"UseGpu"}


def test_killer_changes_no_role_and_no_function() -> None:
    """Whoever may do that may widen its own permissions."""
    allowed = {name for s in policy_statements(named("guard.yaml").body) for name in actions(s)}
    assert {name for name in allowed if name.startswith(("iam:", "lambda:"))} == set()


@pytest.mark.parametrize(
    ("name", "before", "after", "finding"),
    [
        ("guard.yaml", "replicationgroup:tl-queue-${Piece}", "replicationgroup:${Name}*",
         "Queue: no permission on replicationgroup:tl-queue-0a1b2c3d"),
        ("guard.yaml", "usergroup:tl-users-${Piece}", "usergroup:${Name}*",
         "QueueUsers: no permission on usergroup:tl-users-0a1b2c3d"),
        ("guard.yaml", "Action: ec2:DeleteVpcEndpoints", "Action: ec2:DescribeVpcEndpoints",
         "Ec2Endpoint: no permission ec2:DeleteVpcEndpoints"),
        ("guard.yaml", ', !Sub "${Name}-node"]', "]",
         "NodeToQueue: no permission on the group ${Name}-node"),
        ("guard.yaml", "rule/${Name}-waker", "rule/${Name}-wake",
         "WakerSchedule: no permission on rule/${Name}-waker"),
        ("queue.yaml", '${Name}-ec2-endpoint"}\n      PolicyDocument',
         '${Name}"}\n      PolicyDocument',
         "Ec2Endpoint: is not tagged as the permission asks"),
        ("queue.yaml", 'Name, Value: !Sub "${Name}-queue"}\n        - {Key: Project',
         'Name, Value: !Sub "${Name}"}\n        - {Key: Project',
         "QueueParameters: is not tagged as the permission asks"),
        ("queue.yaml", "      UserId: !Sub\n        - tl-stop-",
         "      UserId: !Sub\n        - stop-",
         "StopUser: no permission on user:stop-0a1b2c3d"),
    ],
)  # fmt: skip
def test_what_is_out_of_reach_is_found(name: str, before: str, after: str, finding: str) -> None:
    """Each name and tag, broken alone."""
    whole = named(name).text
    assert before in whole
    broken = {name: read(whole.replace(before, after), name)}
    three = [broken.get(n) or named(n) for n in ("guard.yaml", "queue.yaml", "network.yaml")]
    assert out_of_reach(*three) == [finding]
