"""Operators that add cost: in idle hours, beyond a ceiling, or after the stack is deleted."""

from collections.abc import Callable, Iterator

from tljudge.mutation.edits import GONE, Body, Break, Edit, Part, Path, as_body, as_rows, mappings
from tljudge.mutation.obfuscations import IF, ON, Site, obfuscated, plain, switch
from tljudge.mutation.operator import Operator
from tljudge.mutation.target import MutationTarget

CEILING, ON_DEMAND, GOES = ("TL_COST_1",), ("TL_COST_2",), ("TL_COST_3",)
INSTANCE, TEMPLATE = "AWS::EC2::Instance", "AWS::EC2::LaunchTemplate"
CACHE, TABLE, POOL = (
    "AWS::ElastiCache::ReplicationGroup", "AWS::DynamoDB::Table", "AWS::Cognito::UserPool"
)  # fmt: skip
NESTED = "AWS::CloudFormation::Stack"
HOURLY = (INSTANCE, CACHE, NESTED, "AWS::EC2::NatGateway", "AWS::EC2::EIP", "AWS::EC2::VPCEndpoint")
KEPT = (INSTANCE, CACHE, TABLE, POOL, NESTED, "AWS::EC2::NatGateway", "AWS::EC2::EIP")


def _conditional(target: MutationTarget) -> Iterator[tuple[str, str]]:
    """On-demand resources that bill by the hour, in stacks that always exist."""
    for logical_id, _ in target.resources(*HOURLY):
        condition = target.resource(logical_id).get("Condition")
        if condition == target.policy.cost.on_demand and not target.gated:
            yield logical_id, condition


def _gone(target: MutationTarget) -> Iterator[Break]:
    for logical_id, _ in _conditional(target):
        yield (Edit(("Resources", logical_id, "Condition"), GONE),)


def _inverted(target: MutationTarget) -> Iterator[Break]:
    for logical_id, condition in _conditional(target):
        opposite = {"Fn::Not": [{"Condition": condition}]}
        place = Edit(("Resources", logical_id, "Condition"), "MutantOpposite")
        yield (place, Edit(("Conditions", "MutantOpposite"), opposite))


def _widened(target: MutationTarget) -> Iterator[Break]:
    for logical_id, condition in _conditional(target):
        either = {"Fn::Or": [{"Condition": condition}, {"Condition": ON}]}
        place = Edit(("Resources", logical_id, "Condition"), "MutantEither")
        yield (place, Edit(("Conditions", "MutantEither"), either), *switch(target))


def _opposite_below(target: MutationTarget) -> Iterator[Break]:
    """Invert the on-demand condition of a nested stack, so that it is on when its parent is off."""
    name = target.policy.cost.on_demand
    if target.above and any(_conditional(target)):
        opposite = {"Fn::Not": [as_body(target.body["Conditions"])[name]]}
        yield (Edit(("Conditions", name), opposite),)


def _added(kind: str, body: Body, **more: Part) -> Callable[[MutationTarget], Iterator[Break]]:
    """Add a resource of a type, with the required tags."""

    def apply(target: MutationTarget) -> Iterator[Break]:
        tags = [{"Key": key, "Value": "mutant"} for key in target.policy.required_tags]
        tagged = {} if kind == "AWS::CloudWatch::Dashboard" else {"Tags": tags}
        added = {"Type": kind, **more, "Properties": body | tagged}
        if not target.gated:
            gate = switch(target) if more.get("Condition") == ON else ()
            yield (Edit(("Resources", "MutantBill"), added), *gate)

    return apply


def _types(target: MutationTarget) -> Iterator[Site]:
    """The type of each instance, in its own properties or in its launch template."""
    for path, settings in _machines(target):
        if "InstanceType" in settings and _is_launched(target, path):
            yield Site((*path, "InstanceType"), "g5.48xlarge", settings["InstanceType"])


def _machines(target: MutationTarget) -> Iterator[tuple[Path, Body]]:
    """Where instances are declared: in their own properties, or in a launch template's data."""
    for logical_id, properties in target.resources(INSTANCE):
        yield ("Resources", logical_id, "Properties"), properties
    for logical_id, properties in target.resources(TEMPLATE):
        settings = properties.get("LaunchTemplateData")
        if isinstance(settings, dict):
            yield ("Resources", logical_id, "Properties", "LaunchTemplateData"), settings


def _is_launched(target: MutationTarget, path: Path) -> bool:
    """Whether the stack runs what is declared here; a template that others launch bills nothing."""
    return path[-1] != "LaunchTemplateData" or any(
        {"Ref": path[1]} in as_body(body["LaunchTemplate"]).values()
        for _, body in mappings(target.body["Resources"])
        if "LaunchTemplate" in body
    )


def _set(kind: str, bad: Body) -> Callable[[MutationTarget], Iterator[Break]]:
    """Set these properties on each resource of a type."""

    def apply(target: MutationTarget) -> Iterator[Break]:
        for logical_id, _ in target.resources(kind):
            top = ("Resources", logical_id, "Properties")
            yield tuple(Edit((*top, name), value) for name, value in bad.items())

    return apply


def _volumes(bad: Body) -> Callable[[MutationTarget], Iterator[Break]]:
    def apply(target: MutationTarget) -> Iterator[Break]:
        for site in _disks(target):
            if not _is_launched(target, site.path[:4]):
                continue
            yield tuple(Edit((*site.path[:-1], name), value) for name, value in bad.items())

    return apply


def _disks(target: MutationTarget) -> Iterator[Site]:
    """The flag of each volume that decides whether AWS deletes it with its instance."""
    for path, settings in _machines(target):
        for index, mapping in enumerate(as_rows(settings.get("BlockDeviceMappings", []))):
            if "Ebs" in as_body(mapping):
                place = (*path, "BlockDeviceMappings", index, "Ebs", "DeleteOnTermination")
                yield Site(place, "false", "true")


def _policy(name: str, value: str) -> Callable[[MutationTarget], Iterator[Break]]:
    def apply(target: MutationTarget) -> Iterator[Break]:
        for logical_id, _ in target.resources(*KEPT):
            yield (Edit(("Resources", logical_id, name), value),)

    return apply


def _protected(
    kind: str, name: str, bad: Part, good: Part
) -> Callable[[MutationTarget], Iterator[Site]]:
    def sites(target: MutationTarget) -> Iterator[Site]:
        for logical_id, _ in target.resources(kind):
            yield Site(("Resources", logical_id, "Properties", name), bad, good)

    return sites


NAT: Body = {"SubnetId": {"Fn::ImportValue": "a-subnet"}, "ConnectivityType": "private"}
ENDPOINT: Body = {
    "VpcId": {"Fn::ImportValue": "a-vpc"},
    "ServiceName": "com.amazonaws.eu-central-1.ssm",
    "VpcEndpointType": "Interface",
    "SubnetIds": ["subnet-00000001"],
    "SecurityGroupIds": ["sg-00000001"],
}
FIFTY_METRICS: Body = {
    "Metrics": [
        {"Id": f"m{number}", "MetricStat": {
            "Metric": {"Namespace": "N", "MetricName": f"M{number}"}, "Period": 60, "Stat": "Sum"}}
        for number in range(50)
    ],
}  # fmt: skip
PROTECTED = _protected(TABLE, "DeletionProtectionEnabled", "true", "false")
POOL_PROTECTED = _protected(POOL, "DeletionProtection", "ACTIVE", "INACTIVE")
OPERATORS: tuple[Operator, ...] = (
    Operator("demand-gone", "a resource that bills by the hour always exists", ON_DEMAND, _gone),
    Operator("demand-inverted", "a resource that bills by the hour exists when it should not",
             ON_DEMAND, _inverted),
    Operator("demand-widened", "a resource that bills by the hour exists for another reason too",
             ON_DEMAND, _widened),
    Operator("demand-below", "a nested stack turns on what its parent turns off", ON_DEMAND,
             _opposite_below),
    Operator("nat-added", "a NAT gateway that always exists", ON_DEMAND,
             _added("AWS::EC2::NatGateway", NAT)),
    Operator("nat-later", "a NAT gateway under a condition of its own", ON_DEMAND,
             _added("AWS::EC2::NatGateway", NAT, Condition=ON)),
    Operator("address-added", "an Elastic IP address that always exists", ON_DEMAND,
             _added("AWS::EC2::EIP", {"Domain": "vpc"})),
    Operator("endpoint-added", "an interface endpoint that always exists", ON_DEMAND,
             _added("AWS::EC2::VPCEndpoint", ENDPOINT)),
    Operator("cache-added", "a cache that always exists", ON_DEMAND,
             _added(CACHE, {"ReplicationGroupDescription": "mutant", "Engine": "valkey",
                            "CacheNodeType": "cache.t4g.micro", "NumCacheClusters": 1,
                            "SecurityGroupIds": ["sg-00000001"]})),
    Operator("instance-added", "an instance that always runs", ON_DEMAND,
             _added(INSTANCE, {"InstanceType": "t3.nano", "ImageId": "ami-00000001",
                               "PropagateTagsToVolumeOnCreation": True})),
    Operator("unpriced-added", "a resource without a price that always exists", ON_DEMAND,
             _added("AWS::Redshift::Cluster", {"NodeType": "ra3.large"})),
    Operator("alarm-added", "an alarm on fifty metrics, at 5 USD a month", CEILING,
             _added("AWS::CloudWatch::Alarm", FIFTY_METRICS)),
    plain("instance-bigger", "a much bigger instance", CEILING, _types),
    *obfuscated("instance-bigger", "a much bigger instance", CEILING, _types),
    Operator("cache-bigger", "a cache of a type without a price", CEILING,
             _set(CACHE, {"CacheNodeType": "cache.r7g.16xlarge"}), doubtful=True),
    Operator("cache-nodes", "a cache of forty nodes", CEILING,
             _set(CACHE, {"NumCacheClusters": 40})),
    Operator("fleet-bigger", "a group of forty instances", CEILING,
             _set("AWS::AutoScaling::AutoScalingGroup", {"MinSize": "40", "MaxSize": "40"})),
    Operator("volume-bigger", "a volume of sixteen terabytes", CEILING,
             _volumes({"VolumeSize": 16000})),
    Operator("volume-faster", "a volume with ten thousand operations a second", CEILING,
             _volumes({"VolumeType": "io2", "Iops": 10000})),
    Operator("table-provisioned", "a table that bills by the hour", ON_DEMAND,
             _set(TABLE, {"BillingMode": "PROVISIONED", "ProvisionedThroughput":
                          {"ReadCapacityUnits": 100, "WriteCapacityUnits": 100}})),
    Operator("kept-retain", "a billed resource stays after its stack", GOES,
             _policy("DeletionPolicy", "Retain")),
    Operator("kept-later", "a billed resource stays once it is created", GOES,
             _policy("DeletionPolicy", "RetainExceptOnCreate")),
    Operator("kept-snapshot", "a snapshot of a billed resource stays after its stack", GOES,
             _policy("DeletionPolicy", "Snapshot")),
    Operator("kept-replaced", "a billed resource stays after it is replaced", GOES,
             _policy("UpdateReplacePolicy", "Retain")),
    plain("protected-table", "a table with deletion protection", GOES, PROTECTED),
    *obfuscated("protected-table", "a table with deletion protection", GOES, PROTECTED),
    plain("protected-pool", "a user pool with deletion protection", GOES, POOL_PROTECTED),
    *obfuscated("protected-pool", "a user pool with deletion protection", GOES, POOL_PROTECTED,
               (IF,)),
    plain("protected-instance", "an instance with termination protection", GOES,
          _protected(INSTANCE, "DisableApiTermination", True, False)),
    plain("volume-kept", "a volume that stays after its instance", GOES, _disks),
    *obfuscated("volume-kept", "a volume that stays after its instance", GOES, _disks),
    Operator("database-added", "a database of which AWS keeps a snapshot", ("TL_COST_3",
             "TL_COST_4"), _added("AWS::RDS::DBInstance", {"DBInstanceClass": "db.t4g.micro"})),
)  # fmt: skip
