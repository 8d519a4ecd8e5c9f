"""Which call of its service reads a type, and where CloudFormation's properties are in the answer.

Types that are not here are read through Cloud Control. Those that are: it has none of them, names
them in another way, or mixes what several resources of a stack make; or a local endpoint, whose
Cloud Control knows nothing of stacks, is to be judged. Only calls that read are made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One call; `{id}` and the like in arguments and path are filled in from the resource."""

    service: str
    operation: str
    arguments: Mapping[str, Any]
    path: str = "@"


@dataclass(frozen=True, slots=True)
class Reader:
    """How one type is read.

    `properties` maps names to where they are in the answer: `!` reads it even where the template
    does not set it, `?` takes a missing one for not set. Others that are missing were not read.
    """

    main: Call
    properties: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Call] = field(default_factory=dict)
    tags: Call | str | None = None


_ARN = "arn:{AWS::Partition}:%s:{AWS::Region}:{AWS::AccountId}:%s"


def _cache(what: str, operation: str, argument: str, path: str, **properties: str) -> Reader:
    arn = _ARN % ("elasticache", f"{what}:{{id}}")
    tags = Call("elasticache", "list_tags_for_resource", {"ResourceName": arn}, "TagList")
    return Reader(Call("elasticache", operation, {argument: "{id}"}, path), properties, tags=tags)


def _ec2(operation: str, argument: str, path: str, **properties: str) -> Reader:
    return Reader(Call("ec2", operation, {argument: ["{id}"]}, path), properties, tags="Tags")


def _api(operation: str, argument: str, value: str, tags: str | None, **properties: str) -> Reader:
    main = Call("apigatewayv2", operation, {"ApiId": "{ApiId}", argument: value})
    return Reader(main, properties, tags=tags)


_CLUSTER = Call(
    "elasticache",
    "describe_cache_clusters",
    {"CacheClusterId": "{MemberClusters[0]}"},
    "CacheClusters[0].SecurityGroups[].SecurityGroupId",
)
_DELIVERIES = (
    "!LogDeliveryConfigurations[].{DestinationDetails: DestinationDetails, LogFormat: LogFormat, "
    "DestinationType: DestinationType, LogType: LogType}"
)
_INLINE = "!{SubnetIds: VpcConfig.SubnetIds, SecurityGroupIds: VpcConfig.SecurityGroupIds}"

READERS: Mapping[str, Reader] = {
    "AWS::Logs::LogGroup": Reader(
        Call(
            "logs",
            "describe_log_groups",
            {"logGroupNamePrefix": "{id}"},
            "logGroups[?logGroupName=='{id}'] | [0]",
        ),
        {"LogGroupName": "logGroupName", "RetentionInDays": "!?retentionInDays",
         "KmsKeyId": "?kmsKeyId"},
        tags=Call("logs", "list_tags_for_resource",
                  {"resourceArn": _ARN % ("logs", "log-group:{id}")}, "tags"),
    ),
    "AWS::IAM::Role": Reader(
        Call("iam", "get_role", {"RoleName": "{id}"}, "Role"),
        {"AssumeRolePolicyDocument": "!AssumeRolePolicyDocument", "Path": "Path",
         "MaxSessionDuration": "MaxSessionDuration",
         "PermissionsBoundary": "?PermissionsBoundary.PermissionsBoundaryArn"},
        {"ManagedPolicyArns": Call("iam", "list_attached_role_policies", {"RoleName": "{id}"},
                                   "AttachedPolicies[].PolicyArn")},
        tags="Tags",
    ),
    "AWS::EC2::VPC": _ec2("describe_vpcs", "VpcIds", "Vpcs[0]", CidrBlock="CidrBlock"),
    "AWS::EC2::Subnet": _ec2(
        "describe_subnets", "SubnetIds", "Subnets[0]", CidrBlock="CidrBlock", VpcId="VpcId",
        AvailabilityZone="AvailabilityZone", MapPublicIpOnLaunch="!MapPublicIpOnLaunch",
    ),
    "AWS::EC2::RouteTable": _ec2("describe_route_tables", "RouteTableIds", "RouteTables[0]"),
    "AWS::EC2::InternetGateway": _ec2(
        "describe_internet_gateways", "InternetGatewayIds", "InternetGateways[0]"
    ),
    "AWS::EC2::VPCEndpoint": _ec2(
        "describe_vpc_endpoints", "VpcEndpointIds", "VpcEndpoints[0]", VpcId="VpcId",
        ServiceName="ServiceName", VpcEndpointType="VpcEndpointType", SubnetIds="SubnetIds",
        SecurityGroupIds="!Groups[].GroupId", PolicyDocument="PolicyDocument",
    ),
    "AWS::EC2::Instance": _ec2(
        "describe_instances", "InstanceIds",
        "Reservations[].Instances[?State.Name!='terminated'][] | [0]",
        InstanceType="InstanceType", SubnetId="SubnetId",
        SecurityGroupIds="SecurityGroups[].GroupId",
    ),
    "AWS::EC2::LaunchTemplate": Reader(
        Call("ec2", "describe_launch_template_versions",
             {"LaunchTemplateId": "{id}", "Versions": ["$Latest"]}, "LaunchTemplateVersions[0]"),
        {"LaunchTemplateData": "!LaunchTemplateData"},
    ),
    "AWS::EC2::SecurityGroup": _ec2(
        "describe_security_groups", "GroupIds", "SecurityGroups[0]", VpcId="VpcId",
        SecurityGroupEgress="!IpPermissionsEgress", SecurityGroupIngress="!IpPermissions",
    ),
    "AWS::Lambda::Function": Reader(
        Call("lambda", "get_function_configuration", {"FunctionName": "{id}"}),
        {"FunctionName": "FunctionName", "Role": "!Role", "Runtime": "Runtime",
         "Handler": "Handler", "Timeout": "Timeout", "MemorySize": "MemorySize",
         "VpcConfig": _INLINE, "LoggingConfig": "!LoggingConfig",
         "Environment": "{Variables: Environment.Variables}", "Layers": "Layers[].Arn"},
        tags=Call("lambda", "list_tags",
                  {"Resource": _ARN % ("lambda", "function:{id}")}, "Tags"),
    ),
    "AWS::Lambda::Permission": Reader(
        Call("lambda", "get_policy", {"FunctionName": "{FunctionName}"}, "Policy"),
        {"Action": "!Action", "Principal": "!Principal", "SourceArn": "?SourceArn",
         "SourceAccount": "?SourceAccount"},
    ),
    "AWS::ApiGatewayV2::Api": Reader(
        Call("apigatewayv2", "get_api", {"ApiId": "{id}"}),
        {"CorsConfiguration": "!?CorsConfiguration", "ProtocolType": "ProtocolType",
         "DisableExecuteApiEndpoint": "DisableExecuteApiEndpoint"},
        tags="Tags",
    ),
    "AWS::ApiGatewayV2::Route": _api(
        "get_route", "RouteId", "{tail}", None, RouteKey="RouteKey", Target="Target",
        AuthorizationType="!?AuthorizationType", AuthorizerId="!?AuthorizerId",
        AuthorizationScopes="AuthorizationScopes",
    ),
    "AWS::ApiGatewayV2::Authorizer": _api(
        "get_authorizer", "AuthorizerId", "{tail}", None, AuthorizerType="!AuthorizerType",
        JwtConfiguration="!?JwtConfiguration", IdentitySource="!IdentitySource",
    ),
    "AWS::ApiGatewayV2::Integration": _api(
        "get_integration", "IntegrationId", "{tail}", None, IntegrationType="IntegrationType",
        IntegrationUri="IntegrationUri", TimeoutInMillis="TimeoutInMillis",
    ),
    "AWS::ApiGatewayV2::Stage": _api(
        "get_stage", "StageName", "{id}", "Tags", AccessLogSettings="!?AccessLogSettings",
        DefaultRouteSettings="!?DefaultRouteSettings", RouteSettings="!?RouteSettings",
        AutoDeploy="AutoDeploy",
    ),
    "AWS::Cognito::UserPool": Reader(
        Call("cognito-idp", "describe_user_pool", {"UserPoolId": "{id}"}, "UserPool"),
        {"DeletionProtection": "DeletionProtection", "MfaConfiguration": "MfaConfiguration",
         "AdminCreateUserConfig": "AdminCreateUserConfig", "Policies": "Policies"},
        tags=Call("cognito-idp", "list_tags_for_resource",
                  {"ResourceArn": _ARN % ("cognito-idp", "userpool/{id}")}, "Tags"),
    ),
    "AWS::DynamoDB::Table": Reader(
        Call("dynamodb", "describe_table", {"TableName": "{id}"}, "Table"),
        {"BillingMode": "BillingModeSummary.BillingMode", "KeySchema": "KeySchema",
         "DeletionProtectionEnabled": "DeletionProtectionEnabled"},
        tags=Call("dynamodb", "list_tags_of_resource",
                  {"ResourceArn": _ARN % ("dynamodb", "table/{id}")}, "Tags"),
    ),
    "AWS::CloudWatch::Alarm": Reader(
        Call("cloudwatch", "describe_alarms", {"AlarmNames": ["{id}"]}, "MetricAlarms[0]"),
        {"MetricName": "MetricName", "Namespace": "Namespace", "Threshold": "Threshold",
         "Period": "Period", "EvaluationPeriods": "EvaluationPeriods",
         "ActionsEnabled": "ActionsEnabled"},
        tags=Call("cloudwatch", "list_tags_for_resource",
                  {"ResourceARN": _ARN % ("cloudwatch", "alarm:{id}")}, "Tags"),
    ),
    "AWS::Events::Rule": Reader(
        Call("events", "describe_rule", {"Name": "{id}"}),
        {"ScheduleExpression": "?ScheduleExpression", "State": "State",
         "EventPattern": "?EventPattern"},
        tags=Call("events", "list_tags_for_resource",
                  {"ResourceARN": _ARN % ("events", "rule/{id}")}, "Tags"),
    ),
    "AWS::SSM::Parameter": Reader(
        Call("ssm", "describe_parameters",
             {"ParameterFilters": [{"Key": "Name", "Values": ["{id}"]}]}, "Parameters[0]"),
        {"Type": "Type", "Tier": "Tier"},
        tags=Call("ssm", "list_tags_for_resource",
                  {"ResourceType": "Parameter", "ResourceId": "{id}"}, "TagList"),
    ),
    "AWS::ElastiCache::ReplicationGroup": Reader(
        Call("elasticache", "describe_replication_groups", {"ReplicationGroupId": "{id}"},
             "ReplicationGroups[0]"),
        {"CacheNodeType": "CacheNodeType", "UserGroupIds": "UserGroupIds",
         "AtRestEncryptionEnabled": "AtRestEncryptionEnabled",
         "TransitEncryptionEnabled": "TransitEncryptionEnabled",
         "SnapshotRetentionLimit": "!SnapshotRetentionLimit",
         "LogDeliveryConfigurations": _DELIVERIES},
        {"SecurityGroupIds": _CLUSTER},
        tags=Call("elasticache", "list_tags_for_resource",
                  {"ResourceName": _ARN % ("elasticache", "replicationgroup:{id}")}, "TagList"),
    ),
    "AWS::ElastiCache::SubnetGroup": _cache(
        "subnetgroup", "describe_cache_subnet_groups", "CacheSubnetGroupName",
        "CacheSubnetGroups[0]", SubnetIds="Subnets[].SubnetIdentifier",
    ),
    "AWS::ElastiCache::ParameterGroup": _cache(
        "parametergroup", "describe_cache_parameter_groups", "CacheParameterGroupName",
        "CacheParameterGroups[0]", CacheParameterGroupFamily="CacheParameterGroupFamily",
    ),
    "AWS::ElastiCache::User": _cache(
        "user", "describe_users", "UserId", "Users[0]", AccessString="!AccessString",
        Engine="Engine",
    ),
    "AWS::ElastiCache::UserGroup": _cache(
        "usergroup", "describe_user_groups", "UserGroupId", "UserGroups[0]", UserIds="UserIds",
    ),
}  # fmt: skip
