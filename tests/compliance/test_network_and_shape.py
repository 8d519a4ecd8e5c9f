"""Nothing leaves but where it must, there is no NAT, and no update takes back the node's shape."""

from typing import Any

import pytest

from tests.compliance.templates import Template, named, ours, properties, read

# They install packages and have no NAT (ADR 0003).
REACH_ALL = ("NodeSecurityGroup", "BuilderSecurityGroup")


def ways_out(template: Template) -> list[str]:
    """Egress that is open, or that AWS would open because it is not declared; and any NAT."""
    found = [
        f"{template.name} {logical_id}: a NAT; see docs/adr/0003"
        for kind in ("AWS::EC2::NatGateway", "AWS::EC2::EIP")
        for logical_id in template.resources(kind)
    ]
    rules: list[tuple[str, dict[str, Any]]] = []
    for logical_id, group in template.resources("AWS::EC2::SecurityGroup").items():
        declared = properties(group).get("SecurityGroupEgress", [])
        if not declared:
            found.append(f"{template.name} {logical_id}: no egress declared, so AWS allows all")
        rules += [(logical_id, rule) for rule in declared]
    for logical_id, rule in template.resources("AWS::EC2::SecurityGroupEgress").items():
        rules.append((logical_id, properties(rule)))
    for logical_id, rule in rules:
        where = f"{template.name} {logical_id}"
        if rule["IpProtocol"] != "tcp" or rule.get("FromPort") != rule.get("ToPort"):
            found.append(f"{where}: egress must be one TCP port")
        is_world = rule.get("CidrIp") == "0.0.0.0/0" or "CidrIpv6" in rule
        if is_world and (logical_id not in REACH_ALL or rule.get("ToPort") != 443):
            found.append(f"{where}: egress to the whole internet")
    return found


def shape_undone(template: Template) -> list[str]:
    """What of an instance a stack update could take back or replace (ADR 0005)."""
    found = []
    for logical_id, instance in template.resources("AWS::EC2::Instance").items():
        given = properties(instance)
        if given.get("LaunchTemplate", {}).get("Version") != "1":
            found.append(f"{template.name} {logical_id}: its template's version must be fixed")
        if not isinstance(given.get("InstanceType"), str):
            found.append(f"{template.name} {logical_id}: its type must be a literal")
        found += [
            f"{template.name} {logical_id}: {key} belongs into the launch template"
            for key in ("ImageId", "UserData", "BlockDeviceMappings")
            if key in given
        ]
    return found


@pytest.mark.parametrize("law", [ways_out, shape_undone], ids=lambda law: law.__name__)
@pytest.mark.parametrize("template", ours(), ids=lambda template: template.name)
def test_template_keeps_the_law(template: Template, law: Any) -> None:
    """Both laws, in each of our templates."""
    assert law(template) == []


def test_private_subnets_have_no_default_route() -> None:
    """The one route to the internet is the node's subnet's; the private table has none at all."""
    network = named("network.yaml")
    routes = {
        logical_id: properties(route)["RouteTableId"]["Ref"]
        for logical_id, route in network.resources("AWS::EC2::Route").items()
    }
    subnets = {
        properties(association)["SubnetId"]["Ref"]: properties(association)["RouteTableId"]["Ref"]
        for association in network.resources("AWS::EC2::SubnetRouteTableAssociation").values()
    }
    assert routes == {"PublicDefaultRoute": "PublicRoutes"}
    assert subnets == {
        "PublicSubnet": "PublicRoutes",
        "PrivateSubnetA": "PrivateRoutes",
        "PrivateSubnetB": "PrivateRoutes",
    }


@pytest.mark.parametrize(
    ("name", "before", "after", "findings"),
    [
        (
            "queue.yaml",
            "          CidrIp: 127.0.0.1/32",
            "          CidrIp: 0.0.0.0/0",
            ["Ec2EndpointSecurityGroup: egress to the whole internet"],
        ),
        (
            "queue.yaml",
            "          CidrIp: 127.0.0.1/32",
            '          CidrIpv6: "::/0"',
            ["Ec2EndpointSecurityGroup: egress to the whole internet"],
        ),
        (
            "network.yaml",
            "ToPort: 443\n          CidrIp: 0",
            "ToPort: 65535\n          CidrIp: 0",
            [
                "NodeSecurityGroup: egress must be one TCP port",
                "NodeSecurityGroup: egress to the whole internet",
            ],
        ),
        (
            "queue.yaml",
            "      SecurityGroupEgress:\n        - Description: The NAT range",
            "      SecurityGroupEgresses:\n        - Description: The NAT range",
            ["QueueSecurityGroup: no egress declared, so AWS allows all"],
        ),
        (
            "network.yaml",
            "    Type: AWS::EC2::InternetGateway\n",
            "    Type: AWS::EC2::NatGateway\n",
            ["InternetGateway: a NAT; see docs/adr/0003"],
        ),
    ],
)
def test_way_out_is_found(name: str, before: str, after: str, findings: list[str]) -> None:
    """Our own templates, opened in one place each."""
    text = named(name).text
    assert text.count(before) == 1
    assert ways_out(read(text.replace(before, after), name)) == [
        f"{name} {finding}" for finding in findings
    ]


@pytest.mark.parametrize(
    ("before", "after", "finding"),
    [
        (
            'Version: "1"',
            "Version: !GetAtt NodeTemplate.LatestVersionNumber",
            "its template's version must be fixed",
        ),
        ("InstanceType: t3.small", "InstanceType: !Ref Type", "its type must be a literal"),
        (
            "InstanceType: t3.small",
            "InstanceType: t3.small\n      ImageId: ami-1",
            "ImageId belongs into the launch template",
        ),
    ],
)
def test_shape_that_an_update_undoes_is_found(before: str, after: str, finding: str) -> None:
    """Our own node, broken in one place each."""
    text = named("node.yaml").text
    assert text.count(before) == 1
    assert shape_undone(read(text.replace(before, after), "node.yaml")) == [
        f"node.yaml Node: {finding}"
    ]
