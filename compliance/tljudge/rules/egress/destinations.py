"""Destinations of an egress rule, and whether the policy allows them."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from tljudge.decode.errors import shortened
from tljudge.decode.nodes import Mark, new_map
from tljudge.engine.policy import Policy
from tljudge.engine.rule import Verdict, fail, unknown
from tljudge.resolve.deployment import Deployment, Resource
from tljudge.resolve.parameters import number
from tljudge.resolve.values import (
    NOVALUE,
    Text,
    Unknown,
    Value,
    as_map,
    display,
    key_of,
    pieces,
    why,
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# Packets to these never leave the host: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-securitygroup.html
_NOWHERE = ("127.0.0.0/8", "::1/128")
_BROADCAST = "255.255.255.255/32"


@dataclass(frozen=True, slots=True)
class Egress:
    """An egress rule, inline or standalone; `owner` is the logical id of its group."""

    body: Value
    mark: Mark
    owner: str

    def get(self, name: str) -> Value:
        return as_map(self.body).get(name, NOVALUE)

    def at(self, name: str) -> Mark:
        return as_map(self.body).marks.get(name, self.mark)


def judged(rule: Egress, deployment: Deployment, policy: Policy) -> Iterator[Verdict]:
    """Judge each destination of an egress rule."""
    if not isinstance(rule.body, dict):
        yield unknown(f"an egress rule is unknown: {why(rule.body)}", rule.mark)
        return
    named = False
    for name in ("CidrIp", "CidrIpv6"):
        value = rule.get(name)
        if value is not NOVALUE:
            named = True
            yield from _cidr(value, rule, rule.at(name), deployment, policy)
    prefix_list = rule.get("DestinationPrefixListId")
    if prefix_list is not NOVALUE:
        named = True
        yield from _prefix_list(prefix_list, rule.at("DestinationPrefixListId"), policy)
    if not named and rule.get("DestinationSecurityGroupId") is NOVALUE:
        yield fail("an egress rule names no destination", rule.mark)


def _prefix_list(value: Value, mark: Mark, policy: Policy) -> Iterator[Verdict]:
    if isinstance(value, Unknown | Text):
        if not _is_declared(value):
            yield unknown(f"a prefix list is unknown: {why(value)}", mark)
    elif value not in policy.prefix_lists:
        yield fail(
            f"reaches the prefix list {display(value, 60)}, which the policy does not allow", mark
        )


def _is_declared(value: Value) -> bool:
    return isinstance(value, Unknown) and value.origin is not None


def _cidr(
    value: Value, rule: Egress, mark: Mark, deployment: Deployment, policy: Policy
) -> Iterator[Verdict]:
    if isinstance(value, Unknown | Text):
        last = pieces(value)[-1]
        if isinstance(last, str) and last.endswith("/0"):
            if not _is_excepted(rule, policy):
                yield fail(f"reaches the internet: {display(value)}", mark)
        elif not _is_own_range(value, deployment):
            yield unknown(f"its destination is unknown: {why(value)}", mark)
        return
    network = network_of(value)
    if network is None:
        yield fail(f"{shortened(str(value))!r} is not an address range", mark)
    elif not _is_allowed(network, rule, deployment, policy):
        is_internet = network.prefixlen == 0
        destination = "the internet" if is_internet else "addresses that the policy does not allow"
        protocol = _display(rule.get("IpProtocol"))
        ports = f"{_display(rule.get('FromPort'))}-{_display(rule.get('ToPort'))}"
        yield fail(f"reaches {destination}: {network}, protocol {protocol}, ports {ports}", mark)


def _display(value: Value) -> str:
    return "all" if value is NOVALUE else display(value, 20)


def network_of(value: Value) -> Network | None:
    """The network of a CIDR, in any spelling; None if it is not a CIDR."""
    if not isinstance(value, str) or "/" not in value or len(value) > 60:
        return None
    return _network(value.strip())


@lru_cache(maxsize=1_024)
def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _is_allowed(network: Network, rule: Egress, deployment: Deployment, policy: Policy) -> bool:
    if any(_inside(network, network_of(cidr)) for cidr in _NOWHERE):
        return True
    if network.prefixlen == 32 and str(network) == _BROADCAST:
        return _display(rule.get("IpProtocol")).lower() in ("icmp", "1") and (
            number(rule.get("FromPort")),
            number(rule.get("ToPort")),
        ) == (252, 86)
    if any(_inside(network, network_of(r.cidr)) for r in policy.allowed_ranges):
        return True
    own = (network_of(vpc.get("CidrBlock")) for vpc in deployment.all_of("AWS::EC2::VPC"))
    if any(vpc is not None and vpc.prefixlen >= 16 and _inside(network, vpc) for vpc in own):
        return True
    return _is_excepted(rule, policy)


@lru_cache(maxsize=1_024)
def _inside(network: Network, other: Network | None) -> bool:
    if other is None or network.version != other.version:
        return False
    return network.subnet_of(other)  # type: ignore[arg-type]


def _is_own_range(value: Value, deployment: Deployment) -> bool:
    """Whether a value is the CIDR of a declared VPC or subnet, even if that is unknown."""
    keys = {
        key_of(owner.get("CidrBlock"))
        for owner in deployment.all_of("AWS::EC2::VPC", "AWS::EC2::Subnet")
    }
    origin = value.origin if isinstance(value, Unknown) else None
    declared = deployment.at(origin)
    of_vpc = declared is not None and declared.type in ("AWS::EC2::VPC", "AWS::EC2::Subnet")
    return of_vpc or key_of(value) in keys


def _is_excepted(rule: Egress, policy: Policy) -> bool:
    """Whether the policy allows this group the internet on the rule's TCP port."""
    for exception in policy.internet:
        if exception.resource == rule.owner:
            first, last = number(rule.get("FromPort")), number(rule.get("ToPort"))
            is_tcp = _display(rule.get("IpProtocol")).lower() in ("tcp", "6")
            if is_tcp and first == last and first in exception.ports:
                return True
    return False


def rules_of(group: Resource) -> Iterator[Egress]:
    """Yield the inline rules of a group, then the standalone rules that refer to it."""
    inline = group.get("SecurityGroupEgress")
    if isinstance(inline, list):
        for rule, mark in zip(inline, inline.marks, strict=False):
            yield Egress(rule, mark, group.id)
    for standalone in group.deployment.all_of("AWS::EC2::SecurityGroupEgress"):
        if owner_of(standalone) is group and standalone.exists():
            yield from standalone_rule(standalone)


def standalone_rule(resource: Resource) -> Iterator[Egress]:
    """Yield a standalone rule in the form of an inline rule."""
    names = (
        "CidrIp", "CidrIpv6", "DestinationPrefixListId", "DestinationSecurityGroupId",
        "IpProtocol", "FromPort", "ToPort",
    )  # fmt: skip
    owner = owner_of(resource)
    body = {name: resource.get(name) for name in names}
    mark = next(
        (resource.mark_of(name) for name in names[:4] if body[name] is not NOVALUE), resource.mark
    )
    kept = {name: value for name, value in body.items() if value is not NOVALUE}
    yield Egress(new_map(kept, {}), mark, "" if owner is None else owner.id)


def owner_of(standalone: Resource) -> Resource | None:
    """The declared group that a standalone rule refers to; None if there is none."""
    group = standalone.get("GroupId")
    return standalone.deployment.at(group.origin) if isinstance(group, Unknown) else None
