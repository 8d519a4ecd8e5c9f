"""The kinds of resources that an audit looks for: their CloudFormation types, and what they bill.

The listing of a kind stands in `tools.deploy.listings`, which the smoke's inventory uses too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tljudge.data.prices import HOURS_A_MONTH

Price = Callable[[str, str], float | None]
"""The price of a unit and an item in a region, in USD; None where the price file has none."""
Charge = Callable[[Mapping[str, Any], Price], float | None]
"""What a resource bills a month, in USD; None where that is not known."""
GIB = 1024**3


def _free(_: Mapping[str, Any], __: Price) -> float | None:
    """Nothing while nobody uses it."""
    return 0.0


def _unknown(_: Mapping[str, Any], __: Price) -> float | None:
    """By what it holds or may do, which the listing does not tell."""
    return None


SNAPSHOT_OF, MEMBER_OF, LOG_OF = "copy of", "interface in", "log of"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource.

    Attributes:
        name: a key of `LISTINGS`.
        type: CloudFormation's name of it.
        made: JMESPath of its creation time in an item; empty where AWS does not tell.
        state: JMESPath of its state; an item in one of `GOING` is on its way out.
        theirs: JMESPath that is true of what AWS itself made and manages.
        of: what proves that it came from another resource: JMESPath of that one's id in an item,
            by the type of that one and the words that say how.
        charge: what it bills a month.
        is_global: whether its service has one endpoint for all regions.
    """

    name: str
    type: str
    made: str = ""
    state: str = ""
    theirs: str = ""
    of: Mapping[tuple[str, str], str] = field(default_factory=dict)
    charge: Charge = _free
    is_global: bool = False


GOING = frozenset(
    {"deleted", "deleting", "shutting-down", "terminated", "pendingdeletion", "delete_in_progress",
     "delete_complete"}
)  # fmt: skip
"""States, in lower case, of what ends by itself and bills nothing any more."""


def _hourly(item: str, count: str = "") -> Charge:
    """A price an hour; words in braces are members of the resource, `count` a number of it."""

    def charge(resource: Mapping[str, Any], price: Price) -> float | None:
        usd = price("hour", item.format_map(_Members(resource)))
        many = len(resource.get(count) or ()) if count else 1
        return None if usd is None else usd * HOURS_A_MONTH * many

    return charge


def _monthly(item: str) -> Charge:
    return lambda _, price: price("month", item)


def _stored(item: str, size: str, unit: float = 1) -> Charge:
    """A price a GB-month of `size`, a member in GB divided by `unit`."""

    def charge(resource: Mapping[str, Any], price: Price) -> float | None:
        usd, many = price("gb_month", item.format_map(_Members(resource))), resource.get(size)
        return None if usd is None or many is None else usd * many / unit

    return charge


class _Members(dict[str, Any]):
    """A resource whose missing members are an empty text, which no price has."""

    def __missing__(self, key: str) -> str:
        return ""


def _instance(resource: Mapping[str, Any], price: Price) -> float | None:
    """Its hours while it runs; its disks are volumes."""
    if resource.get("State", {}).get("Name") == "stopped":
        return 0.0
    return _hourly("ec2.{InstanceType}")(resource, price)


def _endpoint(resource: Mapping[str, Any], price: Price) -> float | None:
    if resource.get("VpcEndpointType") == "Gateway":
        return 0.0
    return _hourly("interface_endpoint", "SubnetIds")(resource, price)


def _cache(resource: Mapping[str, Any], price: Price) -> float | None:
    usd = _hourly("cache.{Engine}.{CacheNodeType}")(resource, price)
    nodes = resource.get("NumCacheNodes") or len(resource.get("MemberClusters", ()))
    return usd * nodes if usd is not None and nodes else None


def _parameter(resource: Mapping[str, Any], price: Price) -> float | None:
    """Only an advanced one bills."""
    return price("month", "parameter") if resource.get("Tier") == "Advanced" else 0.0


_ALL = (
    # Its name says whose it is, also without tags: hence no time.
    Kind("stack", "AWS::CloudFormation::Stack", "", "StackStatus"),
    Kind("instance", "AWS::EC2::Instance", "LaunchTime", "State.Name", charge=_instance),
    Kind("volume", "AWS::EC2::Volume", "CreateTime", "State",
         of={("AWS::EC2::Instance", "disk of"): "Attachments[].InstanceId"},
         charge=_stored("volume.{VolumeType}", "Size")),
    Kind("snapshot", "AWS::EC2::Snapshot", "StartTime", "State",
         of={("AWS::EC2::Volume", SNAPSHOT_OF): "VolumeId"},
         charge=_stored("snapshot", "VolumeSize")),
    Kind("image", "AWS::EC2::Image", "CreationDate", "State"),
    Kind("address", "AWS::EC2::EIP", theirs="ServiceManaged",
         of={("AWS::EC2::Instance", "address of"): "InstanceId"}, charge=_hourly("public_ipv4")),
    Kind("nat-gateway", "AWS::EC2::NatGateway", "CreateTime", "State",
         of={("AWS::EC2::VPC", "in"): "VpcId"}, charge=_hourly("nat_gateway")),
    Kind("vpc-endpoint", "AWS::EC2::VPCEndpoint", "CreationTimestamp", "State",
         of={("AWS::EC2::VPC", "in"): "VpcId"}, charge=_endpoint),
    Kind("network-interface", "AWS::EC2::NetworkInterface", "", "Status",
         of={("AWS::EC2::SecurityGroup", MEMBER_OF): "Groups[].GroupId",
             ("AWS::EC2::VPC", "in"): "VpcId"}),
    Kind("vpc", "AWS::EC2::VPC", theirs="IsDefault"),
    Kind("subnet", "AWS::EC2::Subnet", theirs="DefaultForAz",
         of={("AWS::EC2::VPC", "in"): "VpcId"}),
    Kind("route-table", "AWS::EC2::RouteTable", theirs="Associations[?Main] | [0].Main",
         of={("AWS::EC2::VPC", "in"): "VpcId"}),
    Kind("internet-gateway", "AWS::EC2::InternetGateway",
         of={("AWS::EC2::VPC", "of"): "Attachments[].VpcId"}),
    Kind("security-group", "AWS::EC2::SecurityGroup", theirs="GroupName=='default'",
         of={("AWS::EC2::VPC", "in"): "VpcId"}),
    Kind("launch-template", "AWS::EC2::LaunchTemplate", "CreateTime"),
    Kind("key-pair", "AWS::EC2::KeyPair", "CreateTime"),
    Kind("replication-group", "AWS::ElastiCache::ReplicationGroup", "ReplicationGroupCreateTime",
         "Status", charge=_cache),
    Kind("cache-cluster", "AWS::ElastiCache::CacheCluster", "CacheClusterCreateTime",
         "CacheClusterStatus", charge=_cache),
    Kind("cache-snapshot", "AWS::ElastiCache::Snapshot",
         "NodeSnapshots[0].SnapshotCreateTime", "SnapshotStatus",
         of={("AWS::ElastiCache::ReplicationGroup", SNAPSHOT_OF): "ReplicationGroupId",
             ("AWS::ElastiCache::CacheCluster", SNAPSHOT_OF): "CacheClusterId"},
         charge=_unknown),
    Kind("cache-user", "AWS::ElastiCache::User", "", "Status", theirs="UserId=='default'"),
    Kind("cache-user-group", "AWS::ElastiCache::UserGroup", "", "Status"),
    Kind("cache-subnet-group", "AWS::ElastiCache::SubnetGroup",
         theirs="CacheSubnetGroupName=='default'"),
    Kind("cache-parameter-group", "AWS::ElastiCache::ParameterGroup"),
    Kind("function", "AWS::Lambda::Function"),
    Kind("layer", "AWS::Lambda::LayerVersion", "CreatedDate"),
    Kind("provisioned-concurrency", "AWS::Lambda::Alias",
         of={("AWS::Lambda::Function", "of"): "FunctionArn"}, charge=_unknown),
    Kind("event-source", "AWS::Lambda::EventSourceMapping", "", "State",
         of={("AWS::Lambda::Function", "of"): "FunctionArn"}),
    Kind("log-group", "AWS::Logs::LogGroup", "creationTime",
         of={("AWS::Lambda::Function", LOG_OF): "logGroupName"},
         charge=_stored("logs", "storedBytes", GIB)),
    Kind("log-policy", "AWS::Logs::ResourcePolicy"),
    Kind("http-api", "AWS::ApiGatewayV2::Api", "CreatedDate"),
    Kind("rest-api", "AWS::ApiGateway::RestApi", "createdDate", charge=_unknown),
    Kind("user-pool", "AWS::Cognito::UserPool", "CreationDate"),
    Kind("role", "AWS::IAM::Role", "CreateDate", theirs="starts_with(Path, '/aws-service-role/')",
         is_global=True),
    Kind("policy", "AWS::IAM::ManagedPolicy", "CreateDate", is_global=True),
    Kind("instance-profile", "AWS::IAM::InstanceProfile", "CreateDate", is_global=True),
    Kind("user", "AWS::IAM::User", "CreateDate", is_global=True),
    Kind("table", "AWS::DynamoDB::Table", charge=_unknown),
    Kind("parameter", "AWS::SSM::Parameter", charge=_parameter),
    Kind("event-rule", "AWS::Events::Rule"),
    Kind("schedule", "AWS::Scheduler::Schedule", "CreationDate"),
    Kind("alarm", "AWS::CloudWatch::Alarm", charge=_monthly("alarm")),
    Kind("composite-alarm", "AWS::CloudWatch::CompositeAlarm", charge=_monthly("composite_alarm")),
    Kind("dashboard", "AWS::CloudWatch::Dashboard", charge=_monthly("dashboard")),
    Kind("topic", "AWS::SNS::Topic"),
    Kind("queue", "AWS::SQS::Queue"),
    Kind("secret", "AWS::SecretsManager::Secret", "CreatedDate",
         "DeletedDate && 'pendingdeletion'", theirs="OwningService", charge=_monthly("secret")),
    Kind("key", "AWS::KMS::Key", "CreationDate", "KeyState", charge=_monthly("kms")),
    Kind("repository", "AWS::ECR::Repository", "createdAt", charge=_unknown),
    Kind("bucket", "AWS::S3::Bucket", "CreationDate", charge=_unknown, is_global=True),
)  # fmt: skip

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}
"""Every kind by its name, in the order in which it is looked for."""
