"""Operators that open egress: every spelling of "any address", inline, standalone, by omission."""

from collections.abc import Callable, Iterator

from tljudge.mutation.edits import GONE, NO_VALUE, Body, Break, Edit, Part, Path
from tljudge.mutation.obfuscations import IF, ON, Site, obfuscated, plain, switch
from tljudge.mutation.operator import Operator
from tljudge.mutation.target import MutationTarget

PRIVATE, OWN_GROUP = ("TL_EGRESS_1",), ("TL_EGRESS_2",)
GROUP, RULE = "AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupEgress"
INSIDE = "10.20.3.240/28"
# No policy in this repository allows egress on this port.
PORTS: Body = {"FromPort": 8443, "ToPort": 8443}
TCP: Body = {"IpProtocol": "tcp", **PORTS}
DESTINATIONS = ("CidrIp", "CidrIpv6", "DestinationPrefixListId", "DestinationSecurityGroupId")


def _groups(target: MutationTarget) -> Iterator[tuple[str, Path, list[Part]]]:
    for logical_id, properties in target.resources(GROUP):
        rules = properties.get("SecurityGroupEgress")
        if isinstance(rules, list):
            yield logical_id, ("Resources", logical_id, "Properties", "SecurityGroupEgress"), rules


def _added(*rules: Body) -> Callable[[MutationTarget], Iterator[Break]]:
    """Append these rules to the egress of each group."""

    def apply(target: MutationTarget) -> Iterator[Break]:
        for _, path, declared in _groups(target):
            yield tuple(
                Edit((*path, len(declared) + number), rule) for number, rule in enumerate(rules)
            )

    return apply


def _one_range(target: MutationTarget) -> Iterator[Site]:
    """The address range of a rule appended to each group."""
    for _, path, rules in _groups(target):
        yield Site((*path, len(rules)), "0.0.0.0/0", INSIDE, lambda value: {**TCP, "CidrIp": value})


def _whole_rule(target: MutationTarget) -> Iterator[Site]:
    for _, path, rules in _groups(target):
        rule = {**TCP, "CidrIp": "0.0.0.0/0"}
        yield Site((*path, len(rules)), rule, NO_VALUE)


def _replaced(target: MutationTarget) -> Iterator[Break]:
    """Replace the destination of each rule by any address, on a port that no policy allows."""
    for _, path, rules in _groups(target):
        for index, rule in enumerate(rules):
            if isinstance(rule, dict) and "IpProtocol" in rule:
                kept = {key: value for key, value in rule.items() if key not in DESTINATIONS}
                yield (Edit((*path, index), kept | PORTS | {"CidrIp": "0.0.0.0/0"}),)


def _changed(**changes: Part) -> Callable[[MutationTarget], Iterator[Break]]:
    """Widen the ports or protocol of each rule that already reaches any address."""

    def apply(target: MutationTarget) -> Iterator[Break]:
        for _, path, rules in _groups(target):
            for index, rule in enumerate(rules):
                if isinstance(rule, dict) and rule.get("CidrIp") == "0.0.0.0/0":
                    yield (Edit((*path, index), rule | changes),)

    return apply


def _removed(value: Part) -> Callable[[MutationTarget], Iterator[Break]]:
    def apply(target: MutationTarget) -> Iterator[Break]:
        for _, path, _rules in _groups(target):
            yield (Edit(path, value),)

    return apply


def _none_left(target: MutationTarget) -> Iterator[Break]:
    """A parameter of the root that is off by default removes every rule."""
    for _, path, rules in _groups(target):
        gone = [{"Fn::If": [ON, NO_VALUE, rule]} for rule in rules]
        yield (Edit(path, gone), *switch(target))


def _all_gone(target: MutationTarget) -> Iterator[Site]:
    for _, path, rules in _groups(target):
        yield Site(path, NO_VALUE, rules)


def _standalone(named: Callable[[str], Part]) -> Callable[[MutationTarget], Iterator[Break]]:
    def apply(target: MutationTarget) -> Iterator[Break]:
        for logical_id, _, _rules in _groups(target):
            body = {"GroupId": named(logical_id), **TCP, "CidrIp": "0.0.0.0/0"}
            yield (_resource(logical_id, body),)

    return apply


def _resource(logical_id: str, body: Body, **more: Part) -> Edit:
    added = {"Type": RULE, **more, "Properties": body}
    return Edit(("Resources", f"MutantOf{logical_id}"), added)


def _standalone_later(target: MutationTarget) -> Iterator[Break]:
    for logical_id, _, _rules in _groups(target):
        body = {"GroupId": {"Ref": logical_id}, **TCP, "CidrIpv6": "::/0"}
        yield (_resource(logical_id, body, Condition=ON), *switch(target))


def _half_and_half(target: MutationTarget) -> Iterator[Break]:
    """Two rules that together cover all addresses: the first inline, the second standalone."""
    for logical_id, path, rules in _groups(target):
        other = {"GroupId": {"Fn::GetAtt": [logical_id, "GroupId"]}, **TCP}
        yield (
            Edit((*path, len(rules)), {**TCP, "CidrIp": "0.0.0.0/1"}),
            _resource(logical_id, other | {"CidrIp": "128.0.0.0/1"}),
        )


def _half_above(target: MutationTarget) -> Iterator[Break]:
    """As `_half_and_half`, with the standalone rule in the parent stack."""
    for logical_id, path, rules in _groups(target) if target.above else ():
        file, stack = target.above[0]
        group = {"Fn::GetAtt": [stack, "Outputs.MutantGroup"]}
        body = {"GroupId": group, **TCP, "CidrIp": "128.0.0.0/1"}
        output = {"Value": {"Fn::GetAtt": [logical_id, "GroupId"]}}
        yield (
            Edit((*path, len(rules)), {**TCP, "CidrIp": "0.0.0.0/1"}),
            Edit(("Outputs", "MutantGroup"), output),
            Edit(("Resources", "MutantHalf"), {"Type": RULE, "Properties": body}, file),
        )


def _existing(target: MutationTarget) -> Iterator[Site]:
    """Replace the destination of each standalone rule by any address."""
    for logical_id, properties in target.resources(RULE):
        kept = {key: value for key, value in properties.items() if key not in DESTINATIONS}

        def led(value: Part, kept: Body = kept) -> Body:
            return kept | {"CidrIp": value}

        yield Site(("Resources", logical_id, "Properties"), "0.0.0.0/0", INSIDE, led)


def _to(cidr: str, **rule: Part) -> Body:
    name = "CidrIpv6" if ":" in cidr else "CidrIp"
    return (rule or TCP) | {name: cidr}


MEMBERS = {
    "AWS::Lambda::Function": ("VpcConfig", "SecurityGroupIds"),
    "AWS::ElastiCache::ReplicationGroup": ("SecurityGroupIds",),
    "AWS::ElastiCache::CacheCluster": ("VpcSecurityGroupIds",),
    "AWS::ElastiCache::ServerlessCache": ("SecurityGroupIds",),
    "AWS::EC2::VPCEndpoint": ("SecurityGroupIds",),
}


def _members(target: MutationTarget) -> Iterator[Site]:
    """Where a function, cache or endpoint names its security groups."""
    for kind, steps in MEMBERS.items():
        for logical_id, properties in target.resources(kind):
            value: Part = properties
            for step in steps:
                value = value.get(step) if isinstance(value, dict) else None
            if value is not None:
                yield Site(("Resources", logical_id, "Properties", *steps), NO_VALUE, value)


def _groupless(value: Part) -> Callable[[MutationTarget], Iterator[Break]]:
    def apply(target: MutationTarget) -> Iterator[Break]:
        for site in _members(target):
            yield (Edit(site.path, value),)

    return apply


def _default_group(target: MutationTarget) -> Iterator[Break]:
    vpcs = [logical_id for logical_id, _ in target.resources("AWS::EC2::VPC")]
    for site in _members(target) if vpcs else ():
        yield (Edit(site.path, [{"Fn::GetAtt": [vpcs[0], "DefaultSecurityGroup"]}]),)


def _sub(text: str) -> Callable[[str], Part]:
    return lambda logical_id: {"Fn::Sub": text.replace("ID", logical_id)}


ANYWHERE = "0.0.0.0/0"
OPERATORS: tuple[Operator, ...] = (
    Operator("egress-omitted", "a group declares no egress", PRIVATE, _removed(GONE)),
    Operator("egress-empty", "a group's egress is an empty list", PRIVATE, _removed([])),
    Operator("egress-no-value", "a group's only rule is AWS::NoValue", PRIVATE,
             _removed([NO_VALUE])),
    Operator("egress-none-left", "every rule goes under a condition that is off by default",
             PRIVATE, _none_left),
    *obfuscated("egress-omitted", "a group declares no egress", PRIVATE, _all_gone, (IF,)),
    Operator("egress-tcp", "a rule to any address", PRIVATE, _added(_to(ANYWHERE))),
    Operator("egress-any-text", 'a rule to any address, protocol "-1"', PRIVATE,
             _added(_to(ANYWHERE, IpProtocol="-1"))),
    Operator("egress-any-number", "a rule to any address, protocol -1", PRIVATE,
             _added(_to(ANYWHERE, IpProtocol=-1))),
    Operator("egress-all", "a rule to any address, protocol all", PRIVATE,
             _added(_to(ANYWHERE, IpProtocol="all"))),
    Operator("egress-six", 'a rule to any address, protocol "6" and no ports', PRIVATE,
             _added(_to(ANYWHERE, IpProtocol="6"))),
    Operator("egress-every-port", "a rule to any address, ports 0 to 65535", PRIVATE,
             _added(_to(ANYWHERE, IpProtocol="udp", FromPort=0, ToPort=65535))),
    Operator("egress-v6", "a rule to ::/0", PRIVATE, _added(_to("::/0"))),
    Operator("egress-v6-zero", "a rule to 0::/0", PRIVATE, _added(_to("0::/0"))),
    Operator("egress-v6-long", "a rule to 0:0:0:0:0:0:0:0/0", PRIVATE,
             _added(_to("0:0:0:0:0:0:0:0/0"))),
    Operator("egress-host-bits", "a rule to 10.0.0.0/0, which is any address", PRIVATE,
             _added(_to("10.0.0.0/0"))),
    Operator("egress-halves", "two rules that together cover all addresses", PRIVATE,
             _added(_to("0.0.0.0/1"), _to("128.0.0.0/1"))),
    Operator("egress-halves-v6", "two rules that together cover ::/0", PRIVATE,
             _added(_to("::/1"), _to("8000::/1"))),
    Operator("egress-half-and-half", "half of all addresses inline, half standalone", PRIVATE,
             _half_and_half),
    Operator("egress-half-above", "half of all addresses inline, half in the parent stack", PRIVATE,
             _half_above),
    Operator("egress-address", "a rule to one public address", PRIVATE,
             _added(_to("8.8.8.8/32"))),
    Operator("egress-wider", "a rule to more than the VPC", PRIVATE, _added(_to("10.0.0.0/7"))),
    Operator("egress-prefix-list", "a rule to a prefix list that the policy does not name", PRIVATE,
             _added({**TCP, "DestinationPrefixListId": "pl-00000000"})),
    Operator("egress-nowhere", "a rule without a destination", PRIVATE, _added(dict(TCP))),
    Operator("egress-replaced", "a rule reaches any address instead", PRIVATE, _replaced),
    Operator("egress-port", "an allowed rule, with another port", PRIVATE,
             _changed(FromPort=80, ToPort=80)),
    Operator("egress-port-range", "an allowed rule, with more ports", PRIVATE,
             _changed(ToPort=444)),
    Operator("egress-protocol", "an allowed rule, with any protocol", PRIVATE,
             _changed(IpProtocol="-1")),
    Operator("egress-udp", "an allowed rule, with UDP", PRIVATE,
             _changed(IpProtocol="udp")),
    *obfuscated("egress-world", "a rule to any address", PRIVATE, _one_range),
    *obfuscated("egress-rule", "a rule to any address", PRIVATE, _whole_rule, (IF,)),
    Operator("egress-by-ref", "a standalone rule to any address, by Ref", PRIVATE,
             _standalone(lambda logical_id: {"Ref": logical_id})),
    Operator("egress-by-attribute", "a standalone rule to any address, by Fn::GetAtt", PRIVATE,
             _standalone(lambda logical_id: {"Fn::GetAtt": [logical_id, "GroupId"]})),
    Operator("egress-by-sub", "a standalone rule to any address, by Fn::Sub", PRIVATE,
             _standalone(_sub("${ID}"))),
    Operator("egress-by-sub-attribute", "a standalone rule to any address, by Fn::Sub of GroupId",
             PRIVATE, _standalone(_sub("${ID.GroupId}"))),
    Operator("egress-by-import", "a standalone rule to any address, of another stack's group",
             PRIVATE, _standalone(lambda _: {"Fn::ImportValue": "another-group"})),
    Operator("egress-later", "a standalone rule to ::/0 that is off by default", PRIVATE,
             _standalone_later),
    plain("egress-standalone", "a standalone rule reaches any address instead", PRIVATE,
          _existing),
    *obfuscated("egress-standalone", "a standalone rule reaches any address instead", PRIVATE,
               _existing),
    Operator("member-gone", "a resource that named its groups names none", OWN_GROUP,
             _groupless(GONE)),
    Operator("member-empty", "a resource that named its groups names an empty list", OWN_GROUP,
             _groupless([])),
    *obfuscated("member", "a resource that named its groups names none", OWN_GROUP,
               _members, (IF,)),
    Operator("member-default", "a resource is in the VPC's default group", OWN_GROUP,
             _default_group),
)  # fmt: skip
