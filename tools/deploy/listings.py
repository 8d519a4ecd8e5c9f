"""How each kind of resource is listed: the calls behind the inventory and the deployed reader.

Terminated instances and deleted gateways and endpoints stay in their lists for an hour or so; they
bill nothing and are not listed here. Nor is what AWS made and manages, and a key that waits for its
end; a secret that does is listed, because its name is not free.
"""

from collections.abc import Mapping
from typing import Any

from tools.deploy.calls import Call, Listing

ARN = "arn:{AWS::Partition}:%s:{AWS::Region}:{AWS::AccountId}:%s"
"""An ARN with the words that a deployed stack fills in; takes the service and what follows."""


def _listing(
    kind: str,
    call: str,
    path: str,
    id_path: str = "@",
    *,
    parameters: Mapping[str, Any] | None = None,
    tags: Call | str | None = None,
    has_list: bool = True,
    each_of: Call | None = None,
) -> Listing:
    service, operation = call.split(":")
    listed = Call(service, operation, parameters or {}, path, has_list)
    return Listing(kind, listed, id_path, tags, each_of)


def _holders(service: str, operation: str, path: str) -> Call:
    """The names of what holds a kind, each of which is asked for its own."""
    return Call(service, operation, {}, path, has_list=True)


def _ec2(kind: str, operation: str, path: str, id_path: str, **parameters: Any) -> Listing:
    return _listing(kind, f"ec2:{operation}", path, id_path, parameters=parameters, tags="Tags")


def _cache(kind: str, operation: str, path: str, id_path: str, resource: str) -> Listing:
    arn = ARN % ("elasticache", f"{resource}:{{id}}")
    tags = Call("elasticache", "list_tags_for_resource", {"ResourceName": arn}, "TagList")
    return _listing(kind, f"elasticache:{operation}", path, id_path, tags=tags)


def _tags(service: str, parameter: str, resource: str, path: str = "Tags") -> Call:
    """The call for the tags of one resource by its ARN."""
    arn = ARN % (service, resource)
    operation = "list_tags_of_resource" if service == "dynamodb" else "list_tags_for_resource"
    return Call(service, operation, {parameter: arn}, path)


_ALL: tuple[Listing, ...] = (
    _listing("stack", "cloudformation:describe_stacks", "Stacks[]", "StackId", tags="Tags"),
    _ec2("instance", "describe_instances",
         "Reservations[].Instances[?State.Name!='terminated'][]", "InstanceId"),
    _ec2("volume", "describe_volumes", "Volumes[]", "VolumeId"),
    _ec2("snapshot", "describe_snapshots", "Snapshots[]", "SnapshotId", OwnerIds=["self"]),
    _ec2("image", "describe_images", "Images[]", "ImageId", Owners=["self"]),
    _ec2("address", "describe_addresses", "Addresses[]", "AllocationId"),
    _ec2("nat-gateway", "describe_nat_gateways", "NatGateways[?State!='deleted']", "NatGatewayId"),
    _ec2("vpc-endpoint", "describe_vpc_endpoints",
         "VpcEndpoints[?State!='deleted']", "VpcEndpointId"),
    _listing("network-interface", "ec2:describe_network_interfaces",
             "NetworkInterfaces[]", "NetworkInterfaceId", tags="TagSet"),
    _ec2("vpc", "describe_vpcs", "Vpcs[]", "VpcId"),
    _ec2("subnet", "describe_subnets", "Subnets[]", "SubnetId"),
    _ec2("route-table", "describe_route_tables", "RouteTables[]", "RouteTableId"),
    _ec2("internet-gateway", "describe_internet_gateways",
         "InternetGateways[]", "InternetGatewayId"),
    _ec2("security-group", "describe_security_groups", "SecurityGroups[]", "GroupId"),
    _ec2("launch-template", "describe_launch_templates", "LaunchTemplates[]", "LaunchTemplateId"),
    _ec2("key-pair", "describe_key_pairs", "KeyPairs[]", "KeyPairId"),
    _cache("replication-group", "describe_replication_groups",
           "ReplicationGroups[]", "ReplicationGroupId", "replicationgroup"),
    # The nodes of a replication group are listed as clusters too.
    _cache("cache-cluster", "describe_cache_clusters",
           "CacheClusters[?!ReplicationGroupId]", "CacheClusterId", "cluster"),
    _cache("cache-snapshot", "describe_snapshots", "Snapshots[]", "SnapshotName", "snapshot"),
    _cache("cache-user", "describe_users", "Users[]", "UserId", "user"),
    _cache("cache-user-group", "describe_user_groups", "UserGroups[]", "UserGroupId", "usergroup"),
    _cache("cache-subnet-group", "describe_cache_subnet_groups",
           "CacheSubnetGroups[]", "CacheSubnetGroupName", "subnetgroup"),
    _cache("cache-parameter-group", "describe_cache_parameter_groups",
           "CacheParameterGroups[]", "CacheParameterGroupName", "parametergroup"),
    _listing("function", "lambda:list_functions", "Functions[]", "FunctionArn"),
    # `list_layers` shows the newest version alone.
    _listing("layer", "lambda:list_layer_versions", "LayerVersions[]", "LayerVersionArn",
             parameters={"LayerName": "{holder}"},
             each_of=_holders("lambda", "list_layers", "Layers[].LayerName")),
    _listing("provisioned-concurrency", "lambda:list_provisioned_concurrency_configs",
             "ProvisionedConcurrencyConfigs[]", "FunctionArn",
             parameters={"FunctionName": "{holder}"},
             each_of=_holders("lambda", "list_functions", "Functions[].FunctionName")),
    _listing("event-source", "lambda:list_event_source_mappings", "EventSourceMappings[]", "UUID"),
    _listing("log-group", "logs:describe_log_groups", "logGroups[]", "logGroupName",
             tags=_tags("logs", "resourceArn", "log-group:{id}", "tags")),
    _listing("log-policy", "logs:describe_resource_policies", "resourcePolicies[]", "policyName"),
    _listing("http-api", "apigatewayv2:get_apis", "Items[]", "ApiId", tags="Tags"),
    _listing("rest-api", "apigateway:get_rest_apis", "items[]", "id", tags="tags"),
    _listing("user-pool", "cognito-idp:list_user_pools", "UserPools[]", "Id",
             parameters={"MaxResults": 60},
             tags=_tags("cognito-idp", "ResourceArn", "userpool/{id}")),
    _listing("role", "iam:list_roles", "Roles[]", "Arn"),
    _listing("policy", "iam:list_policies", "Policies[]", "Arn", parameters={"Scope": "Local"}),
    _listing("instance-profile", "iam:list_instance_profiles", "InstanceProfiles[]", "Arn"),
    _listing("user", "iam:list_users", "Users[]", "Arn"),
    _listing("table", "dynamodb:list_tables", "TableNames[]",
             tags=_tags("dynamodb", "ResourceArn", "table/{id}")),
    _listing("parameter", "ssm:describe_parameters", "Parameters[]", "Name",
             tags=Call("ssm", "list_tags_for_resource",
                       {"ResourceType": "Parameter", "ResourceId": "{id}"}, "TagList")),
    _listing("event-rule", "events:list_rules", "Rules[?!ManagedBy]", "Arn",
             parameters={"EventBusName": "{holder}"},
             each_of=_holders("events", "list_event_buses", "EventBuses[].Name")),
    _listing("schedule", "scheduler:list_schedules", "Schedules[]", "Arn"),
    _listing("alarm", "cloudwatch:describe_alarms", "MetricAlarms[]", "AlarmName",
             tags=_tags("cloudwatch", "ResourceARN", "alarm:{id}")),
    _listing("composite-alarm", "cloudwatch:describe_alarms", "CompositeAlarms[]", "AlarmName",
             parameters={"AlarmTypes": ["CompositeAlarm"]},
             tags=_tags("cloudwatch", "ResourceARN", "alarm:{id}")),
    _listing("dashboard", "cloudwatch:list_dashboards", "DashboardEntries[]", "DashboardName"),
    _listing("topic", "sns:list_topics", "Topics[]", "TopicArn"),
    # SQS leaves the list out where there is no queue.
    _listing("queue", "sqs:list_queues", "QueueUrls[]", has_list=False),
    _listing("secret", "secretsmanager:list_secrets", "SecretList[]", "ARN",
             parameters={"IncludePlannedDeletion": True}, tags="Tags"),
    _listing("key", "kms:describe_key",
             "[KeyMetadata][?KeyManager=='CUSTOMER' && KeyState!='PendingDeletion']", "KeyId",
             parameters={"KeyId": "{holder}"},
             each_of=_holders("kms", "list_keys", "Keys[].KeyId")),
    _listing("repository", "ecr:describe_repositories", "repositories[]", "repositoryArn"),
    _listing("bucket", "s3:list_buckets", "Buckets[]", "Name"),
)  # fmt: skip

LISTINGS: Mapping[str, Listing] = {listing.kind: listing for listing in _ALL}
"""Every kind by its name, in the order in which it is listed."""
