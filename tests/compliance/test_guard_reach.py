"""The killer may delete what UseGpu=false deletes, by the names and tags that the templates give.

Whether CloudFormation asks for more is untried on AWS: docs/operations/epic-6-operations.md.
"""

from fnmatch import fnmatchcase
from typing import Any

import pytest

from tests.compliance.templates import Template, named, ours, policy_statements, properties, read

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
    "AWS::Lambda::Permission": "lambda:RemovePermission",
}
# What has an id of the template's own: its property, and how its ARN begins.
IDS = {
    "AWS::CloudWatch::Alarm": ("AlarmName", "alarm:"),
    "AWS::ElastiCache::ReplicationGroup": ("ReplicationGroupId", "replicationgroup:"),
    "AWS::ElastiCache::User": ("UserId", "user:"),
    "AWS::ElastiCache::UserGroup": ("UserGroupId", "usergroup:"),
    "AWS::Events::Rule": ("Name", "rule/"),
}


def out_of_reach(guard: Template, others: list[Template]) -> list[str]:
    """What is there only while UseGpu is true, and the killer may not delete."""
    found = []
    for template in others:
        for logical_id, resource in template.body["Resources"].items():
            if resource.get("Condition") != "UseGpu":
                continue
            kind, where = resource["Type"], f"{template.name} {logical_id}"
            allowed = [s for s in policy_statements(guard.body) if DELETES[kind] in actions(s)]
            if not allowed:
                found.append(f"{where}: no permission {DELETES[kind]}")
            elif kind in IDS:
                name, prefix = IDS[kind]
                own = prefix + text(properties(resource)[name]).replace("${Piece}", "0a1b2c3d")
                if not any(fnmatchcase(own, p) for s in allowed for p in patterns(s)):
                    found.append(f"{where}: no permission on {own}")
            elif kind == "AWS::EC2::VPCEndpoint":
                tags = {t["Key"]: t["Value"] for t in properties(resource).get("Tags", [])}
                wanted = allowed[0]["Condition"]["StringEquals"]
                if wanted != {"aws:ResourceTag/Name": tags.get("Name")}:
                    found.append(f"{where}: is not tagged as the permission asks")
    return found


def actions(statement: dict[str, Any]) -> list[str]:
    """The actions of an Allow statement, as a list."""
    if statement["Effect"] != "Allow":
        return []
    given = statement.get("Action", [])
    return [given] if isinstance(given, str) else list(given)


def patterns(statement: dict[str, Any]) -> list[str]:
    """The end of each ARN, from the account on; `[` is no wildcard there."""
    given = statement["Resource"]
    return [text(arn).split("${AWS::AccountId}:")[-1] for arn in listed(given)]


def listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def text(value: Any) -> str:
    """A text, or the text of a substitution."""
    found = value["Fn::Sub"] if isinstance(value, dict) else value
    return str(found[0] if isinstance(found, list) else found)


def test_killer_reaches_what_the_switch_removes() -> None:
    """Of each kind at least one, so the law is about something."""
    assert out_of_reach(named("guard.yaml"), ours()) == []
    kinds = {
        resource["Type"]
        for template in ours()
        for resource in template.body["Resources"].values()
        if resource.get("Condition") == "UseGpu"
    }
    assert kinds == set(DELETES)


@pytest.mark.parametrize(
    ("name", "before", "after", "finding"),
    [
        ("guard.yaml", "replicationgroup:tl-queue-*", "replicationgroup:${Name}*",
         "queue.yaml Queue: no permission on replicationgroup:tl-queue-0a1b2c3d"),
        ("guard.yaml", "usergroup:tl-users-*", "usergroup:${Name}*",
         "queue.yaml QueueUsers: no permission on usergroup:tl-users-0a1b2c3d"),
        ("guard.yaml", "Action: ec2:DeleteVpcEndpoints", "Action: ec2:DescribeVpcEndpoints",
         "network.yaml Ec2Endpoint: no permission ec2:DeleteVpcEndpoints"),
        ("network.yaml", '${Name}-ec2-endpoint"}\n      PolicyDocument',
         '${Name}"}\n      PolicyDocument',
         "network.yaml Ec2Endpoint: is not tagged as the permission asks"),
        ("queue.yaml", "      UserId: !Sub\n        - tl-stop-",
         "      UserId: !Sub\n        - stop-",
         "queue.yaml StopUser: no permission on user:stop-0a1b2c3d"),
    ],
)  # fmt: skip
def test_what_is_out_of_reach_is_found(name: str, before: str, after: str, finding: str) -> None:
    """Each name and tag, broken alone."""
    whole = named(name).text
    assert before in whole
    broken = read(whole.replace(before, after), name)
    guard = broken if name == "guard.yaml" else named("guard.yaml")
    others = [broken if t.name == name else t for t in ours()]
    assert out_of_reach(guard, others) == [finding]
