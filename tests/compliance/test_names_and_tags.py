"""Two stacks share no name, and everything that can bill carries the four cost tags."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.compliance.templates import FOLDER, Template, named, ours, properties, read

# Properties by which AWS knows a thing in a whole account, or in a whole region.
NAMES = re.compile(r"^(\w*Name|Domain|UserId|UserGroupId|ReplicationGroupId)$")
# Named inside something that is named already.
INNER = frozenset(
    {
        ("AWS::ApiGatewayV2::Authorizer", "Name"),
        ("AWS::ApiGatewayV2::Stage", "StageName"),
        ("AWS::Cognito::UserPoolGroup", "GroupName"),
        ("AWS::CloudWatch::Alarm", "MetricName"),
        ("AWS::EC2::VPCEndpoint", "ServiceName"),
        ("AWS::IAM::Policy", "PolicyName"),
        # References to what stands beside it.
        ("AWS::ElastiCache::ReplicationGroup", "CacheParameterGroupName"),
        ("AWS::ElastiCache::ReplicationGroup", "CacheSubnetGroupName"),
        ("AWS::Lambda::EventInvokeConfig", "FunctionName"),
        ("AWS::Lambda::Permission", "FunctionName"),
    }
)

# The instance, because its volume takes its tags; of the others the schemas say that
# CloudFormation's own tags do not reach them.
# https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
TAGGED_HERE = frozenset(
    {
        "AWS::DynamoDB::Table",
        "AWS::EC2::Instance",
        "AWS::ElastiCache::ParameterGroup",
        "AWS::ElastiCache::ReplicationGroup",
        "AWS::ElastiCache::SubnetGroup",
        "AWS::ElastiCache::User",
        "AWS::ElastiCache::UserGroup",
        "AWS::IAM::Role",
        "AWS::SNS::Topic",
    }
)
COST_TAGS = ["Project", "Component", "Environment", "CostCenter"]


def shared_names(template: Template) -> list[str]:
    """Names that a second stack in the same account and region would claim too."""
    return [
        f"{template.name} {logical_id}: {key} is not derived from the stack's name"
        for logical_id, resource in template.body["Resources"].items()
        for key, value in properties(resource).items()
        if NAMES.match(key)
        and (resource["Type"], key) not in INNER
        and not re.search(r"\$\{Name\}|'Ref': 'Name'|AWS::StackId", str(value))
    ]


# What a builder is found by, beside what it costs.
FOUND_BY = ("Name", "Role", "Stack")


def untagged(template: Template) -> list[str]:
    """Resources that stack tags do not reach and that lack a cost tag of their own."""
    found = []
    for logical_id, resource in template.body["Resources"].items():
        if resource["Type"] in TAGGED_HERE:
            keys = [tag["Key"] for tag in properties(resource).get("Tags", [])]
            if [key for key in keys if key in COST_TAGS] != COST_TAGS:
                found.append(f"{template.name} {logical_id}: must have the tags {COST_TAGS}")
        if resource["Type"] == "AWS::EC2::LaunchTemplate":
            specifications = {
                given["ResourceType"]: [t["Key"] for t in given["Tags"] if t["Key"] not in FOUND_BY]
                for given in properties(resource)["LaunchTemplateData"].get("TagSpecifications", [])
            }
            found += [
                f"{template.name} {logical_id}: must tag each {kind} with {COST_TAGS}"
                for kind in ("instance", "volume", "network-interface")
                if specifications.get(kind) != COST_TAGS
            ]
    return found


@pytest.mark.parametrize("template", ours(), ids=lambda template: template.name)
def test_two_stacks_share_no_name(template: Template) -> None:
    """Whatever AWS knows by name is named after the stack."""
    assert shared_names(template) == []


@pytest.mark.parametrize("template", ours(), ids=lambda template: template.name)
def test_what_stack_tags_miss_is_tagged(template: Template) -> None:
    """The four cost tags, in one order, also on what a launch makes."""
    assert untagged(template) == []


PIECE = """!Sub
        - tl-users-${Piece}
        - Piece: !Select [0, !Split ["-", !Select [2, !Split ["/", !Ref AWS::StackId]]]]
"""


@pytest.mark.parametrize(
    ("name", "before", "after", "finding"),
    [
        (
            "edge.yaml",
            'TableName: !Sub "${Name}-signing-keys"',
            "TableName: signing-keys",
            "KeysTable: TableName",
        ),
        ("edge.yaml", 'Domain: !Sub "${Name}-', 'Domain: !Sub "llm-', "Domain: Domain"),
        (
            "queue.yaml",
            f"UserGroupId: {PIECE}",
            "UserGroupId: tl-users\n",
            "QueueUsers: UserGroupId",
        ),
        (
            "node.yaml",
            'LayerName: !Sub "${Name}-node"',
            "LayerName: node",
            "NodePackage: LayerName",
        ),
    ],
)
def test_shared_name_is_found(name: str, before: str, after: str, finding: str) -> None:
    """Our own templates, with one name that is always the same."""
    text = named(name).text
    assert text.count(before) == 1
    assert shared_names(read(text.replace(before, after), name)) == [
        f"{name} {finding} is not derived from the stack's name"
    ]


@pytest.mark.parametrize(
    ("before", "after", "finding"),
    [
        (
            "        - {Key: CostCenter, Value: !Ref CostCenter}\n\n  NodeTemplate",
            "\n  NodeTemplate",
            "Node: must have the tags",
        ),
        (
            "ResourceType: network-interface",
            "ResourceType: elastic-gpu",
            "NodeTemplate: must tag each network-interface with",
        ),
        (
            "ResourceType: volume\n            Tags:\n",
            "ResourceType: volume\n            Tags:\n              - {Key: project, Value: x}\n",
            "NodeTemplate: must tag each volume with",
        ),
    ],
)
def test_missing_tag_is_found(before: str, after: str, finding: str) -> None:
    """Our own node, with a tag or a whole specification less, or one in the wrong case more."""
    text = named("node.yaml").text
    assert text.count(before) == 1
    assert untagged(read(text.replace(before, after), "node.yaml")) == [
        f"node.yaml {finding} {COST_TAGS}"
    ]


def disagreements(document: dict[str, Any], known: dict[str, Any]) -> list[str]:
    """Where a parameter file names what does not exist, or tags otherwise than it sets."""
    given, tags = document["Parameters"], document["Tags"]
    found = [f"{name}: no such parameter" for name in given if name not in known]
    found += [f"{key}: the tag is missing or empty" for key in COST_TAGS if not tags.get(key)]
    found += [
        f"{key}: the tag says {tags.get(key)}, the parameter {given[key]}"
        for key in COST_TAGS
        if key in given and given[key] != tags.get(key)
    ]
    for name, value in given.items():
        pattern = known.get(name, {}).get("AllowedPattern", "")
        values = value.split(",") if "List" in known.get(name, {}).get("Type", "") else [value]
        if pattern and not all(re.search(pattern, each) for each in values):
            found.append(f"{name}: {value} is not what the template takes")
    return found


@pytest.mark.parametrize("path", sorted(FOLDER.glob("parameters/*.json")), ids=lambda p: p.stem)
def test_parameter_file_fits_the_template(path: Path) -> None:
    """The four cost tags stand in each environment, and say what the parameters say."""
    document = json.loads(path.read_text())
    assert disagreements(document, named("stack.yaml").body["Parameters"]) == []
    assert document.keys() == {"Parameters", "Tags"}
    assert document["Tags"]["Environment"] == path.stem
    assert document["Parameters"]["UseGpu"] == "false"


def test_parameter_file_that_does_not_fit_is_found() -> None:
    """A misspelt parameter, a missing tag, a tag that differs, a refused value."""
    document = {
        "Parameters": {"UseGPU": "false", "Project": "a", "AllowedOrigins": "https://a.org,*"},
        "Tags": {"Project": "b", "Component": "c", "Environment": "d"},
    }
    assert disagreements(document, named("stack.yaml").body["Parameters"]) == [
        "UseGPU: no such parameter",
        "CostCenter: the tag is missing or empty",
        "Project: the tag says b, the parameter a",
        "AllowedOrigins: https://a.org,* is not what the template takes",
    ]
