"""TL_EGRESS_1: no security group reaches the internet."""

import ipaddress
from collections.abc import Iterable, Iterator

from tljudge.decode.nodes import Mark
from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource
from tljudge.resolve.values import NOVALUE, Unknown, Value, why
from tljudge.rules.egress.destinations import (
    Egress,
    judged,
    network_of,
    rules_of,
    standalone_rule,
)

GROUP = "AWS::EC2::SecurityGroup"


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge a group and its inline rules, or a standalone rule.

    AWS allows all egress if a group declares none, so an absent or empty list fails.
    """
    if resource.type != GROUP:
        for rule in standalone_rule(resource):
            yield from judged(rule, resource.deployment, policy)
        return
    inline = resource.get("SecurityGroupEgress")
    mark = resource.mark_of("SecurityGroupEgress")
    if inline is NOVALUE:
        yield fail("no egress declared, so AWS allows all", mark)
    elif isinstance(inline, Unknown):
        yield unknown(f"its egress is unknown: {why(inline)}", mark)
    elif not inline:
        yield fail("its egress is empty, so AWS allows all", mark)
    else:
        rows: Iterable[tuple[Value, Mark]] = [(inline, mark)]
        if isinstance(inline, list):
            rows = zip(inline, inline.marks, strict=True)
        for body, rule_mark in rows:
            yield from judged(Egress(body, rule_mark, resource.id), resource.deployment, policy)
        yield from _union(resource)


def _union(group: Resource) -> Iterator[Verdict]:
    """Judge whether the ranges of all rules together cover the internet."""
    v4: list[ipaddress.IPv4Network] = []
    v6: list[ipaddress.IPv6Network] = []
    for rule in rules_of(group):
        for name in ("CidrIp", "CidrIpv6"):
            network = network_of(rule.get(name)) if isinstance(rule.body, dict) else None
            if isinstance(network, ipaddress.IPv4Network) and network.prefixlen:
                v4.append(network)
            elif isinstance(network, ipaddress.IPv6Network) and network.prefixlen:
                v6.append(network)
    # Cheap test first: too few addresses cannot cover the internet.
    if sum(2.0**-n.prefixlen for n in v4) < 1 and sum(2.0**-n.prefixlen for n in v6) < 1:
        return
    whole_v4 = any(network.prefixlen == 0 for network in ipaddress.collapse_addresses(v4))
    if whole_v4 or any(network.prefixlen == 0 for network in ipaddress.collapse_addresses(v6)):
        yield fail("its rules together cover the internet", group.mark_of("SecurityGroupEgress"))


RULE = Rule(
    id="TL_EGRESS_1",
    title="No security group reaches the internet",
    why="what can reach the internet can send data there",
    fix="declare SecurityGroupEgress with private ranges, groups or prefix lists only",
    source="https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-securitygroup.html",
    types=(GROUP, "AWS::EC2::SecurityGroupEgress"),
    check=check,
)
