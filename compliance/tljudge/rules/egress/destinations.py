"""Where one egress rule leads, and whether the policy lets it."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from tljudge.decode.nodes import Mark, made_map
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
# No packet leaves: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-securitygroup.html
_NOWHERE = ("127.0.0.0/8", "::1/128")
_BROADCAST = "255.255.255.255/32"


@dataclass(frozen=True, slots=True)
class Egress:
    """One rule, inline or standalone, of the group `owner`."""

    body: Value
    mark: Mark
    owner: str

    def get(self, name: str) -> Value:
        return as_map(self.body).get(name, NOVALUE)

    def at(self, name: str) -> Mark:
        return as_map(self.body).marks.get(name, self.mark)


def judged(rule: Egress, deployment: Deployment, policy: Policy) -> Iterator[Verdict]:
    """What one rule lets out that it may not."""
    if not isinstance(rule.body, dict):
        yield unknown(f"an egress rule is not known: {why(rule.body)}", rule.mark)
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
            yield unknown(f"a prefix list is not known: {why(value)}", mark)
    elif value not in policy.prefix_lists:
        yield fail(f"reaches the prefix list {str(value)[:40]}, which the policy has not", mark)


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
            yield unknown(f"where it leads is not known: {why(value)}", mark)
        return
    network = network_of(value)
    if network is None:
        yield fail(f"{str(value)[:80]!r} is no address range", mark)
    elif not _is_allowed(network, rule, deployment, policy):
        what = "the internet" if network.prefixlen == 0 else "addresses the policy has not"
        ports = f"{_shown(rule.get('FromPort'))}-{_shown(rule.get('ToPort'))}"
        yield fail(
            f"reaches {what}: {network}, protocol {_shown(rule.get('IpProtocol'))}, ports {ports}",
            mark,
        )


def _shown(value: Value) -> str:
    return "all" if value is NOVALUE else display(value, 20)


def network_of(value: Value) -> Network | None:
    """The range a CIDR names, in any spelling; None where it names none."""
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
    if any(_inside(network, network_of(one)) for one in _NOWHERE):
        return True
    if network.prefixlen == 32 and str(network) == _BROADCAST:
        return _shown(rule.get("IpProtocol")).lower() in ("icmp", "1") and (
            number(rule.get("FromPort")),
            number(rule.get("ToPort")),
        ) == (252, 86)
    if any(_inside(network, network_of(one.cidr)) for one in policy.allowed_ranges):
        return True
    own = (network_of(vpc.get("CidrBlock")) for vpc in deployment.all_of("AWS::EC2::VPC"))
    if any(one is not None and one.prefixlen >= 16 and _inside(network, one) for one in own):
        return True
    return _is_excepted(rule, policy)


@lru_cache(maxsize=1_024)
def _inside(network: Network, other: Network | None) -> bool:
    if other is None or network.version != other.version:
        return False
    return network.subnet_of(other)  # type: ignore[arg-type]


def _is_own_range(value: Value, deployment: Deployment) -> bool:
    """The range of a VPC or subnet declared here, whatever it will be."""
    keys = {
        key_of(one.get("CidrBlock"))
        for one in deployment.all_of("AWS::EC2::VPC", "AWS::EC2::Subnet")
    }
    origin = value.origin if isinstance(value, Unknown) else None
    declared = deployment.at(origin)
    of_vpc = declared is not None and declared.type in ("AWS::EC2::VPC", "AWS::EC2::Subnet")
    return of_vpc or key_of(value) in keys


def _is_excepted(rule: Egress, policy: Policy) -> bool:
    """The policy names the group, and the rule is TCP on the ports it names."""
    for one in policy.internet:
        if one.resource == rule.owner:
            first, last = number(rule.get("FromPort")), number(rule.get("ToPort"))
            is_tcp = _shown(rule.get("IpProtocol")).lower() in ("tcp", "6")
            if is_tcp and first == last and first in one.ports:
                return True
    return False


def rules_of(group: Resource) -> Iterator[Egress]:
    """The inline rules of a group, then the standalone ones that name it."""
    inline = group.get("SecurityGroupEgress")
    if isinstance(inline, list):
        for one, mark in zip(inline, inline.marks, strict=False):
            yield Egress(one, mark, group.id)
    for standalone in group.deployment.all_of("AWS::EC2::SecurityGroupEgress"):
        if owner_of(standalone) is group and standalone.exists():
            yield from standalone_rule(standalone)


def standalone_rule(resource: Resource) -> Iterator[Egress]:
    """A standalone rule as if it were inline."""
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
    yield Egress(made_map(kept, {}), mark, "" if owner is None else owner.id)


def owner_of(standalone: Resource) -> Resource | None:
    """The group a standalone rule names, where it is declared here."""
    group = standalone.get("GroupId")
    return standalone.deployment.at(group.origin) if isinstance(group, Unknown) else None
