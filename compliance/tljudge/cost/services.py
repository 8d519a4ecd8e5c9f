"""Charges by resource type: a function for each priced type; other types have no price."""

from collections.abc import Callable, Iterator

from tljudge.cost import requests
from tljudge.cost.machines import group, instance, lone_volume
from tljudge.cost.meter import ALWAYS, HOUR, MONTH, USED, Charge, Meter, unpriced
from tljudge.resolve.quantities import Quantity, UnknownQuantity, amount, is_true, quantity
from tljudge.resolve.values import NOVALUE, Text, Unknown, Value, why


def _endpoint(meter: Meter) -> Iterator[Charge]:
    kind = meter.get("VpcEndpointType")
    if kind in (NOVALUE, "Gateway"):
        return
    if kind != "Interface":
        yield unpriced("endpoint", HOUR, ALWAYS, "no price for an endpoint of this type")
        return
    zones = _count(meter.get("SubnetIds"))
    yield meter.hourly(f"interface endpoint, {_zones(zones)}", "interface_endpoint", zones)


def _zones(count: Quantity) -> str:
    if isinstance(count, UnknownQuantity):
        return "unknown number of zones"
    return f"{amount(count)} zone{'s' if count != 1 else ''}"


def _count(value: Value) -> Quantity:
    if isinstance(value, list):
        return (
            UnknownQuantity(why(value[0])) if len(value) == 1 and _is_list(value[0]) else len(value)
        )
    if isinstance(value, Unknown | Text):
        return UnknownQuantity(why(value))
    return UnknownQuantity("it is not set") if value is NOVALUE else 1.0


def _is_list(value: Value) -> bool:
    """Whether an unknown element may be a whole list: a parameter of list type in brackets."""
    return isinstance(value, Unknown) and value.origin is None and not value.plain


def _balancer(meter: Meter) -> Iterator[Charge]:
    if meter.get("Type") not in (NOVALUE, "application", "network"):
        yield unpriced("load balancer", HOUR, ALWAYS, "no price for this type")
        return
    yield meter.hourly("load balancer", "load_balancer")
    if meter.get("Scheme") != "internal":
        name = "Subnets" if meter.get("Subnets") is not NOVALUE else "SubnetMappings"
        yield meter.hourly("public IPv4 a zone", "public_ipv4", _count(meter.get(name)))


def _cache(meter: Meter) -> Iterator[Charge]:
    if meter.resource.type == "AWS::ElastiCache::CacheCluster":
        nodes = quantity(meter.get("NumCacheNodes"), 1.0)
    elif meter.get("NumCacheClusters") is not NOVALUE:
        nodes = quantity(meter.get("NumCacheClusters"))
    else:
        shards = quantity(meter.get("NumNodeGroups"), 1.0)
        copies = quantity(meter.get("ReplicasPerNodeGroup"), 0.0)
        if isinstance(shards, UnknownQuantity) or isinstance(copies, UnknownQuantity):
            nodes = shards if isinstance(shards, UnknownQuantity) else copies
        else:
            nodes = shards * (1 + copies)
    engine, kind = meter.get("Engine"), meter.get("CacheNodeType")
    engine = "redis" if engine is NOVALUE else engine
    if not isinstance(engine, str) or not isinstance(kind, str):
        unclear = next(value for value in (engine, kind) if not isinstance(value, str))
        reason = why(unclear) if isinstance(unclear, Unknown | Text) else "it is not set"
        yield unpriced("cache", HOUR, ALWAYS, f"its type: {reason}")
        return
    multiple = "" if nodes == 1.0 or isinstance(nodes, UnknownQuantity) else f"{amount(nodes)} × "
    yield meter.hourly(f"{multiple}{kind}, {engine}", f"cache.{engine}.{kind}", nodes)
    copies = quantity(meter.get("SnapshotRetentionLimit"), 0.0)
    if copies != 0.0:
        stored = copies if isinstance(copies, UnknownQuantity) else copies * meter.usage.stored_gb
        yield meter.charge("backups", ("gb_month", "cache_backup", stored))


def _alarm(meter: Meter) -> Iterator[Charge]:
    metrics = meter.get("Metrics")
    if isinstance(metrics, Unknown):
        yield unpriced("alarm", MONTH, ALWAYS, why(metrics))
        return
    count, periods = 1, [meter.get("Period")]
    if isinstance(metrics, list):
        bodies = [m["MetricStat"] for m in metrics
                  if isinstance(m, dict) and "MetricStat" in m]  # fmt: skip
        count = len(bodies)
        periods = [b.get("Period", NOVALUE) if isinstance(b, dict) else b for b in bodies]
        if not bodies:
            yield unpriced("alarm", MONTH, ALWAYS, "the number of its metrics is unknown")
            return
    fast = any(quantity(period, 60.0) in (10.0, 20.0, 30.0) for period in periods)
    shown = "alarm" if count == 1 else f"alarm on {count} metrics"
    yield meter.monthly(shown, "fast_alarm" if fast else "alarm", float(count))


def _metric_filter(meter: Meter) -> Iterator[Charge]:
    count = _count(meter.get("MetricTransformations"))
    yield meter.metrics(1.0 if isinstance(count, UnknownQuantity) else count, USED)


def _parameter(meter: Meter) -> Iterator[Charge]:
    tier = meter.get("Tier")
    if isinstance(tier, Unknown | Text):
        yield unpriced("parameter", MONTH, ALWAYS, f"its tier: {why(tier)}")
    elif tier not in (NOVALUE, "Standard"):
        yield meter.monthly(f"parameter, {tier}", "parameter")


def _table(meter: Meter) -> Iterator[Charge]:
    if meter.get("BillingMode") == "PAY_PER_REQUEST":
        times = meter.usage.requests_month / 1e6
        yield meter.charge(
            f"{amount(meter.usage.requests_month, digits=0)} reads and writes",
            ("million", "table_read", times),
            ("million", "table_write", times),
            when=USED,
        )
    else:
        yield from _provisioned(meter)
    yield meter.stored("stored", "table")
    recovery = meter.get("PointInTimeRecoverySpecification")
    on = recovery.get("PointInTimeRecoveryEnabled") if isinstance(recovery, dict) else recovery
    if on is not NOVALUE and is_true(on) is not False:
        yield meter.stored("of recovery", "table_recovery")


def _provisioned(meter: Meter) -> Iterator[Charge]:
    indexes = meter.get("GlobalSecondaryIndexes")
    throughputs = [meter.get("ProvisionedThroughput")]
    throughputs += [i.get("ProvisionedThroughput") if isinstance(i, dict) else i
                    for i in (indexes if isinstance(indexes, list) else ())]  # fmt: skip
    for throughput in throughputs:
        given = throughput if isinstance(throughput, dict) else {}
        reads, writes = (
            quantity(given.get(name, NOVALUE) if given else throughput)
            for name in ("ReadCapacityUnits", "WriteCapacityUnits")
        )
        yield meter.charge(
            "provisioned capacity",
            ("hour", "table_read_unit", reads),
            ("hour", "table_write_unit", writes),
            per=HOUR,
        )


def _flat(unit: str, item: str, label: str) -> Callable[[Meter], Iterator[Charge]]:
    def priced(meter: Meter) -> Iterator[Charge]:
        yield meter.hourly(label, item) if unit == HOUR else meter.monthly(label, item)

    return priced


def _stored(item: str) -> Callable[[Meter], Iterator[Charge]]:
    def priced(meter: Meter) -> Iterator[Charge]:
        yield meter.stored("stored", item)

    return priced


def _written_by_others(meter: Meter) -> Iterator[Charge]:
    """A log group bills nothing itself: its writers are charged for what they write."""
    yield from ()


# Resource type to the function that yields its charges.
CHARGED: dict[str, Callable[[Meter], Iterator[Charge]]] = {
    "AWS::ApiGateway::RestApi": requests.rest_api,
    "AWS::ApiGateway::Stage": requests.stage,
    "AWS::ApiGatewayV2::Api": requests.http_api,
    "AWS::ApiGatewayV2::Stage": requests.stage,
    "AWS::AutoScaling::AutoScalingGroup": group,
    "AWS::Budgets::BudgetsAction": _flat(MONTH, "budget_action", "budget action"),
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::CompositeAlarm": _flat(MONTH, "composite_alarm", "composite alarm"),
    "AWS::CloudWatch::Dashboard": _flat(MONTH, "dashboard", "dashboard"),
    "AWS::Cognito::UserPool": requests.user_pool,
    "AWS::DynamoDB::Table": _table,
    "AWS::EC2::EIP": _flat(HOUR, "public_ipv4", "public IPv4"),
    "AWS::EC2::Instance": instance,
    "AWS::EC2::NatGateway": _flat(HOUR, "nat_gateway", "NAT gateway"),
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::EC2::Volume": lone_volume,
    "AWS::ECR::Repository": _stored("ecr"),
    "AWS::EKS::Cluster": _flat(HOUR, "eks_cluster", "cluster"),
    "AWS::ElastiCache::CacheCluster": _cache,
    "AWS::ElastiCache::ReplicationGroup": _cache,
    "AWS::ElasticLoadBalancing::LoadBalancer": _flat(
        HOUR, "classic_load_balancer", "load balancer"
    ),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _balancer,
    "AWS::Events::Rule": requests.timer,
    "AWS::KMS::Key": _flat(MONTH, "kms", "key"),
    "AWS::KMS::ReplicaKey": _flat(MONTH, "kms", "key"),
    "AWS::Lambda::Alias": requests.version,
    "AWS::Lambda::Function": requests.function,
    "AWS::Lambda::Version": requests.version,
    "AWS::Logs::LogGroup": _written_by_others,
    "AWS::Logs::MetricFilter": _metric_filter,
    "AWS::Route53::HostedZone": _flat(MONTH, "hosted_zone", "hosted zone"),
    "AWS::S3::Bucket": _stored("s3"),
    "AWS::SNS::Subscription": requests.subscription,
    "AWS::SNS::Topic": requests.topic,
    "AWS::SQS::Queue": requests.queue,
    "AWS::SSM::Parameter": _parameter,
    "AWS::Scheduler::Schedule": requests.timer,
    "AWS::SecretsManager::Secret": _flat(MONTH, "secret", "secret"),
}
