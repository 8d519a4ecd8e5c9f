"""Everything an account holds, by asking every service it might be in: not by what was deployed.

A kind is one listing call. What is there before a deployment is the account's own; what is there
after its destruction and was not there before is a residue.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jmespath


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource: which call lists it, and where in the answer the ids are."""

    name: str
    service: str
    operation: str
    ids: str
    arguments: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Inventory:
    """The ids of everything found, as `kind id`, and the kinds that could not be listed."""

    found: frozenset[str]
    not_looked: tuple[str, ...]

    def minus(self, before: "Inventory") -> list[str]:
        """What is here and was not there before."""
        return sorted(self.found - before.found)


_ALIVE = "[?State.Name!='terminated']"
KINDS: tuple[Kind, ...] = (
    Kind("stack", "cloudformation", "describe_stacks", "Stacks[].StackId"),
    Kind("instance", "ec2", "describe_instances", f"Reservations[].Instances[]{_ALIVE}.InstanceId"),
    Kind("volume", "ec2", "describe_volumes", "Volumes[].VolumeId"),
    Kind(
        "snapshot", "ec2", "describe_snapshots", "Snapshots[].SnapshotId", (("OwnerIds", ["self"]),)
    ),
    Kind("image", "ec2", "describe_images", "Images[].ImageId", (("Owners", ["self"]),)),
    Kind("address", "ec2", "describe_addresses", "Addresses[].AllocationId"),
    Kind(
        "nat-gateway", "ec2", "describe_nat_gateways", "NatGateways[?State!='deleted'].NatGatewayId"
    ),
    Kind(
        "vpc-endpoint",
        "ec2",
        "describe_vpc_endpoints",
        "VpcEndpoints[?State!='deleted'].VpcEndpointId",
    ),
    Kind(
        "network-interface",
        "ec2",
        "describe_network_interfaces",
        "NetworkInterfaces[].NetworkInterfaceId",
    ),
    Kind("vpc", "ec2", "describe_vpcs", "Vpcs[].VpcId"),
    Kind("subnet", "ec2", "describe_subnets", "Subnets[].SubnetId"),
    Kind("route-table", "ec2", "describe_route_tables", "RouteTables[].RouteTableId"),
    Kind(
        "internet-gateway",
        "ec2",
        "describe_internet_gateways",
        "InternetGateways[].InternetGatewayId",
    ),
    Kind("security-group", "ec2", "describe_security_groups", "SecurityGroups[].GroupId"),
    Kind(
        "launch-template", "ec2", "describe_launch_templates", "LaunchTemplates[].LaunchTemplateId"
    ),
    Kind("key-pair", "ec2", "describe_key_pairs", "KeyPairs[].KeyPairId"),
    Kind(
        "replication-group",
        "elasticache",
        "describe_replication_groups",
        "ReplicationGroups[].ReplicationGroupId",
    ),
    Kind(
        "cache-cluster", "elasticache", "describe_cache_clusters", "CacheClusters[].CacheClusterId"
    ),
    Kind("cache-snapshot", "elasticache", "describe_snapshots", "Snapshots[].SnapshotName"),
    Kind("cache-user", "elasticache", "describe_users", "Users[].UserId"),
    Kind("cache-user-group", "elasticache", "describe_user_groups", "UserGroups[].UserGroupId"),
    Kind(
        "cache-subnet-group",
        "elasticache",
        "describe_cache_subnet_groups",
        "CacheSubnetGroups[].CacheSubnetGroupName",
    ),
    Kind(
        "cache-parameter-group",
        "elasticache",
        "describe_cache_parameter_groups",
        "CacheParameterGroups[].CacheParameterGroupName",
    ),
    Kind("function", "lambda", "list_functions", "Functions[].FunctionArn"),
    Kind("layer", "lambda", "list_layers", "Layers[].LatestMatchingVersion.LayerVersionArn"),
    Kind("event-source", "lambda", "list_event_source_mappings", "EventSourceMappings[].UUID"),
    Kind("log-group", "logs", "describe_log_groups", "logGroups[].logGroupName"),
    Kind("log-policy", "logs", "describe_resource_policies", "resourcePolicies[].policyName"),
    Kind("http-api", "apigatewayv2", "get_apis", "Items[].ApiId"),
    Kind("rest-api", "apigateway", "get_rest_apis", "items[].id"),
    Kind("user-pool", "cognito-idp", "list_user_pools", "UserPools[].Id", (("MaxResults", 60),)),
    Kind("role", "iam", "list_roles", "Roles[].Arn"),
    Kind("policy", "iam", "list_policies", "Policies[].Arn", (("Scope", "Local"),)),
    Kind("instance-profile", "iam", "list_instance_profiles", "InstanceProfiles[].Arn"),
    Kind("user", "iam", "list_users", "Users[].Arn"),
    Kind("table", "dynamodb", "list_tables", "TableNames[]"),
    Kind("parameter", "ssm", "describe_parameters", "Parameters[].Name"),
    Kind("event-rule", "events", "list_rules", "Rules[].Arn"),
    Kind("schedule", "scheduler", "list_schedules", "Schedules[].Arn"),
    Kind(
        "alarm",
        "cloudwatch",
        "describe_alarms",
        "[MetricAlarms[].AlarmName, CompositeAlarms[].AlarmName][]",
    ),
    Kind("dashboard", "cloudwatch", "list_dashboards", "DashboardEntries[].DashboardName"),
    Kind("topic", "sns", "list_topics", "Topics[].TopicArn"),
    Kind("queue", "sqs", "list_queues", "QueueUrls[]"),
    Kind("secret", "secretsmanager", "list_secrets", "SecretList[].ARN"),
    Kind("key", "kms", "list_keys", "Keys[].KeyId"),
    Kind("repository", "ecr", "describe_repositories", "repositories[].repositoryArn"),
    Kind("bucket", "s3", "list_buckets", "Buckets[].Name"),
)


def take(target: Any) -> Inventory:
    """List every kind.

    Returns:
        An inventory; a kind whose call fails is named in `not_looked`, never taken for empty.
    """
    clients = make_clients(target)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda kind: _list(clients[kind.service], kind), KINDS))
    found = frozenset(
        f"{kind.name} {i}" for kind, ids in zip(KINDS, answers, strict=True) for i in ids or ()
    )
    missed = tuple(kind.name for kind, ids in zip(KINDS, answers, strict=True) if ids is None)
    return Inventory(found, missed)


def make_clients(target: Any) -> dict[str, Any]:
    """One client a service; one after the other, as making them is not thread-safe."""
    return {service: target.client(service) for service in sorted({k.service for k in KINDS})}


def _list(client: Any, kind: Kind) -> list[str] | None:
    from botocore.exceptions import BotoCoreError, ClientError

    arguments = dict(kind.arguments)
    try:
        if client.can_paginate(kind.operation):
            pages = list(client.get_paginator(kind.operation).paginate(**arguments))
        else:
            pages = [getattr(client, kind.operation)(**arguments)]
    except (BotoCoreError, ClientError):
        return None
    ids: list[str] = []
    for page in pages:
        ids += jmespath.search(kind.ids, page) or []
    return ids
