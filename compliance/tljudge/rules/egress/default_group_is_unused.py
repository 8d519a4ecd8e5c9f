"""TL_EGRESS_2: no function, cache or endpoint uses its VPC's default security group."""

from collections.abc import Iterator

from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource
from tljudge.resolve.values import NOVALUE, Text, Unknown, why

FUNCTIONS = ("AWS::Lambda::Function", "AWS::Serverless::Function")
ENDPOINT = "AWS::EC2::VPCEndpoint"
PROPERTY = {
    "AWS::ElastiCache::ReplicationGroup": "SecurityGroupIds",
    "AWS::ElastiCache::CacheCluster": "VpcSecurityGroupIds",
    "AWS::ElastiCache::ServerlessCache": "SecurityGroupIds",
    ENDPOINT: "SecurityGroupIds",
}


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the groups that a resource names; AWS uses the default group if it names none."""
    if resource.type in FUNCTIONS:
        inside = resource.get("VpcConfig")
        if isinstance(inside, Unknown):
            yield unknown(f"its groups are unknown: {why(inside)}", resource.mark_of("VpcConfig"))
            return
        if not isinstance(inside, dict) or not inside.get("SubnetIds"):
            return
        groups = inside.get("SecurityGroupIds", NOVALUE)
        mark = resource.mark_of("VpcConfig", "SecurityGroupIds")
    else:
        if resource.type == ENDPOINT:
            kind = resource.get("VpcEndpointType")
            if kind in (NOVALUE, "Gateway", "GatewayLoadBalancer"):
                return
        name = PROPERTY[resource.type]
        groups, mark = resource.get(name), resource.mark_of(name)
    if groups is NOVALUE or groups == []:
        yield fail("names no security group, so AWS uses the VPC's default group", mark)
        return
    for group in groups if isinstance(groups, list) else [groups]:
        if isinstance(group, Unknown) and group.origin is not None:
            if group.origin[2] == "DefaultSecurityGroup":
                yield fail("uses the VPC's default group", mark)
        elif isinstance(group, Unknown | Text):
            yield unknown(f"whether it is the default group is unknown: {why(group)}", mark)


RULE = Rule(
    id="TL_EGRESS_2",
    title="No function, cache or endpoint uses a VPC's default group",
    why="the default group allows all egress, and no template declares it",
    fix="name a group that is declared with its egress",
    source="https://docs.aws.amazon.com/vpc/latest/userguide/default-security-group.html",
    types=(*FUNCTIONS, *PROPERTY),
    check=check,
)
