"""While UseGpu is false nothing bills but the volume and the logs, and a destroy leaves nothing."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.compliance.templates import Template, named, ours, properties, read

# Types that cost nothing to own; a type that is not named here must stand behind UseGpu. Requests,
# storage by the byte and what a property adds are judged in `bills`.
FREE = frozenset(
    {
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::Authorizer",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
        "AWS::ApiGatewayV2::Stage",
        # Watching is free; actions, which this one has none of, are not.
        "AWS::Budgets::Budget",
        "AWS::CloudFormation::Stack",
        "AWS::CloudWatch::Alarm",
        # Three of an account are free; a stack has one.
        "AWS::CloudWatch::Dashboard",
        "AWS::Cognito::UserPool",
        "AWS::Cognito::UserPoolClient",
        "AWS::Cognito::UserPoolDomain",
        "AWS::Cognito::UserPoolGroup",
        "AWS::DynamoDB::Table",
        "AWS::EC2::InternetGateway",
        "AWS::EC2::LaunchTemplate",
        "AWS::EC2::Route",
        "AWS::EC2::RouteTable",
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::Subnet",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::EC2::VPC",
        "AWS::EC2::VPCEndpoint",
        "AWS::EC2::VPCGatewayAttachment",
        "AWS::Events::Rule",
        "AWS::IAM::InstanceProfile",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::Function",
        "AWS::Lambda::LayerVersion",
        "AWS::Lambda::Permission",
        # A message costs; a month of alarms is a few.
        "AWS::SNS::Subscription",
        "AWS::SNS::Topic",
        "AWS::SNS::TopicPolicy",
        "AWS::SSM::Parameter",
        "AWS::Scheduler::Schedule",
        "Custom::SigningKeys",
    }
)
# What may bill at any time: the stopped node's volume, and logs by the byte.
ACCEPTED = frozenset({"AWS::EC2::Instance", "AWS::Logs::LogGroup"})

# What holds data, or bills: its end is written down, and it is the end.
MORTAL = frozenset(
    {
        "AWS::CloudFormation::Stack",
        "AWS::Cognito::UserPool",
        "AWS::DynamoDB::Table",
        "AWS::EC2::Instance",
        "AWS::EC2::Volume",
        "AWS::ElastiCache::ReplicationGroup",
        "AWS::Lambda::LayerVersion",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
    }
)


def bills(resource: dict[str, Any]) -> bool:
    """Whether owning it costs money, by its type or by one of its properties."""
    kind, given = resource["Type"], properties(resource)
    match kind:
        case "AWS::EC2::VPCEndpoint":
            return given.get("VpcEndpointType") != "Gateway"
        case "AWS::DynamoDB::Table":
            return given.get("BillingMode") != "PAY_PER_REQUEST"
        case "AWS::SSM::Parameter":
            return given.get("Tier") != "Standard"
        case "AWS::Cognito::UserPool":
            return "UserPoolAddOns" in given
        case "AWS::Lambda::Function":
            return "SnapStart" in given
    return kind not in FREE | ACCEPTED


def billing_while_off(template: Template) -> list[str]:
    """What bills although UseGpu is false."""
    return [
        f"{template.name} {logical_id}: bills while UseGpu is false; give it Condition UseGpu"
        for logical_id, resource in template.body["Resources"].items()
        if bills(resource) and resource.get("Condition") != "UseGpu"
    ]


def nested_while_off(root: Template) -> list[str]:
    """The nested templates that exist while UseGpu is false."""
    return [
        properties(stack)["TemplateURL"].removeprefix("./")
        for stack in root.resources("AWS::CloudFormation::Stack").values()
        if stack.get("Condition") != "UseGpu"
    ]


def survivors(template: Template) -> list[str]:
    """What a deleted or changed stack would leave behind, or does not say that it would not."""
    found = []
    for logical_id, resource in template.body["Resources"].items():
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            given = resource.get(policy)
            is_interface = resource["Type"] == "AWS::EC2::VPCEndpoint" and bills(resource)
            must_say = resource["Type"] in MORTAL or is_interface
            if given not in (None, "Delete") or (given is None and must_say):
                found.append(f"{template.name} {logical_id}: {policy} must be Delete")
    for where, disk in _disks(template):
        if disk.get("DeleteOnTermination") is not True:
            found.append(f"{where}: the volume outlives the instance")
    return found


def _disks(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind in ("AWS::EC2::LaunchTemplate", "AWS::EC2::Instance"):
        for logical_id, resource in template.resources(kind).items():
            given = properties(resource)
            for mapping in given.get("LaunchTemplateData", given).get("BlockDeviceMappings", []):
                yield f"{template.name} {logical_id}", mapping.get("Ebs", {})


def test_nothing_bills_while_use_gpu_is_false() -> None:
    """Every template that exists then, resource by resource."""
    names = nested_while_off(named("stack.yaml"))
    assert names == [
        "ops.yaml",
        "network.yaml",
        "edge.yaml",
        "router.yaml",
        "queue.yaml",
        "queue_health.yaml",
        "waker.yaml",
        "resize.yaml",
        "node.yaml",
        "guard.yaml",
        "builder.yaml",
        "report.yaml",
    ]
    assert [
        line for name in ("stack.yaml", *names) for line in billing_while_off(named(name))
    ] == []


def test_what_bills_is_the_queue_and_the_endpoint() -> None:
    """The law above is about something: these exist only while UseGpu is true."""
    found = {
        (template.name, logical_id)
        for template in ours()
        for logical_id, resource in template.body["Resources"].items()
        if bills(resource)
    }
    assert found == {
        ("queue.yaml", logical_id)
        for logical_id in (
            "Ec2Endpoint",
            "Queue",
            "QueueParameters",
            "QueueSubnets",
            "RouterUser",
            "NodeUser",
            "QueueHealthUser",
            "WakerUser",
            "StopUser",
            "QueueUsers",
        )
    }


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("AWS::EC2::NatGateway", {}),
        ("AWS::EC2::EIP", {}),
        ("AWS::KMS::Key", {}),
        ("AWS::SecretsManager::Secret", {}),
        ("AWS::Nobody::KnowsYet", {}),
        ("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Interface"}),
        ("AWS::DynamoDB::Table", {"BillingMode": "PROVISIONED"}),
        ("AWS::SSM::Parameter", {"Tier": "Advanced"}),
        ("AWS::Cognito::UserPool", {"UserPoolAddOns": {"AdvancedSecurityMode": "ENFORCED"}}),
        ("AWS::Lambda::Function", {"SnapStart": {"ApplyOn": "PublishedVersions"}}),
    ],
)
def test_what_bills_is_found(kind: str, given: dict[str, Any]) -> None:
    """By type, by a property, and where the type is not known; behind UseGpu it may stand."""
    resource = {"Type": kind, "Properties": given}
    template = Template("broken.yaml", "", {"Resources": {"Bill": resource}}, ())
    assert billing_while_off(template) == [
        "broken.yaml Bill: bills while UseGpu is false; give it Condition UseGpu"
    ]
    resource["Condition"] = "UseGpu"
    assert billing_while_off(template) == []


def test_cache_without_its_condition_is_found() -> None:
    """The layer is always there; each part of it that bills has the condition itself."""
    text = named("queue.yaml").text
    gate = "ReplicationGroup\n    Condition: UseGpu\n"
    assert text.count(gate) == 1
    assert billing_while_off(read(text.replace(gate, "ReplicationGroup\n"), "queue.yaml")) == [
        "queue.yaml Queue: bills while UseGpu is false; give it Condition UseGpu"
    ]


def test_nested_template_behind_the_condition_is_not_judged() -> None:
    """What the root gates as a whole does not exist while UseGpu is false."""
    text = named("stack.yaml").text
    before = "  Queue:\n    Type: AWS::CloudFormation::Stack\n"
    assert text.count(before) == 1
    root = read(text.replace(before, f"{before}    Condition: UseGpu\n"))
    assert "queue.yaml" not in nested_while_off(root)


def test_alarms_stay_within_the_free_ones() -> None:
    """Ten alarms are free: https://aws.amazon.com/cloudwatch/pricing/. The canary's is free."""
    alarms = [
        logical_id
        for template in ours()
        for logical_id in template.resources("AWS::CloudWatch::Alarm")
    ]
    assert len(alarms) <= 9, alarms


@pytest.mark.parametrize("template", ours(), ids=lambda template: template.name)
def test_nothing_survives_a_destroy(template: Template) -> None:
    """No Retain and no Snapshot; what holds data or bills says Delete in so many words."""
    assert survivors(template) == []


@pytest.mark.parametrize(
    ("name", "before", "after", "finding"),
    [
        (
            "queue.yaml",
            "ReplicationGroup\n    Condition: UseGpu\n    DeletionPolicy: Delete\n",
            "ReplicationGroup\n    Condition: UseGpu\n    DeletionPolicy: Snapshot\n",
            "queue.yaml Queue: DeletionPolicy must be Delete",
        ),
        (
            "queue.yaml",
            "VPCEndpoint\n    Condition: UseGpu\n    DeletionPolicy: Delete\n"
            "    UpdateReplacePolicy: Delete\n",
            "VPCEndpoint\n    Condition: UseGpu\n    DeletionPolicy: Delete\n",
            "queue.yaml Ec2Endpoint: UpdateReplacePolicy must be Delete",
        ),
        (
            "edge.yaml",
            "  AdminsGroup:\n    Type: AWS::Cognito::UserPoolGroup\n",
            "  AdminsGroup:\n    Type: AWS::Cognito::UserPoolGroup\n    DeletionPolicy: Retain\n",
            "edge.yaml AdminsGroup: DeletionPolicy must be Delete",
        ),
        (
            "node.yaml",
            "              Encrypted: true\n              DeleteOnTermination: true\n",
            "              Encrypted: true\n",
            "node.yaml NodeTemplate: the volume outlives the instance",
        ),
    ],
)
def test_survivor_is_found(name: str, before: str, after: str, finding: str) -> None:
    """Our own templates, broken in one place each."""
    text = named(name).text
    assert text.count(before) == 1
    assert survivors(read(text.replace(before, after), name)) == [finding]
