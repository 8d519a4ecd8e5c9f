"""How each type is read: the call of its service, and where CloudFormation's properties are in it.

Types without a reader here are read through Cloud Control. A type has a reader when Cloud Control
does not know it, names it in another way, or mixes what several resources of a stack make; or when
a local endpoint, whose Cloud Control knows nothing of stacks, is to be judged. Every call only
reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tools.deploy.calls import Call
from tools.deploy.listings import ARN, LISTINGS


@dataclass(frozen=True, slots=True)
class Reader:
    """How one type is read.

    `{id}` in a call is the physical id, `{tail}` its part behind the last `/` or `|`; the names of
    properties and of pseudo parameters stand for their values, `{Name[0]}` for a list's first.
    `properties` maps a property's name to its JMESPath in what `main` leads to: behind `!` it is
    read even where the template does not set it; behind `?` a missing value means "not set". Any
    other missing value was not read. `more` maps a property to a call of its own. `tags` is a
    member of the answer or a call.
    """

    main: Call
    properties: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Call] = field(default_factory=dict)
    tags: Call | str | None = None


def _listed(
    kind: str, parameters: Mapping[str, Any], *, pick: str = "[0]", **properties: str
) -> Reader:
    """A reader that limits a kind's listing to one resource."""
    listing = LISTINGS[kind]
    return Reader(listing.one(parameters, pick), properties, tags=listing.tags)


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
    "AWS::Logs::LogGroup": _listed(
        "log-group", {"logGroupNamePrefix": "{id}"}, pick="[?logGroupName=='{id}'] | [0]",
        LogGroupName="logGroupName", RetentionInDays="!?retentionInDays", KmsKeyId="?kmsKeyId",
    ),
    "AWS::IAM::Role": Reader(
        Call("iam", "get_role", {"RoleName": "{id}"}, "Role"),
        {"AssumeRolePolicyDocument": "!AssumeRolePolicyDocument", "Path": "Path",
         "MaxSessionDuration": "MaxSessionDuration",
         "PermissionsBoundary": "?PermissionsBoundary.PermissionsBoundaryArn"},
        {"ManagedPolicyArns": Call("iam", "list_attached_role_policies", {"RoleName": "{id}"},
                                   "AttachedPolicies[].PolicyArn", has_list=True)},
        tags="Tags",
    ),
    # Of the first role that it names; the template's own word stands for the others.
    "AWS::IAM::Policy": Reader(
        Call("iam", "get_role_policy", {"RoleName": "{Roles[0]}", "PolicyName": "{PolicyName}"}),
        {"PolicyDocument": "!PolicyDocument"},
    ),
    "AWS::EC2::VPC": _listed("vpc", {"VpcIds": ["{id}"]}, CidrBlock="CidrBlock"),
    "AWS::EC2::Subnet": _listed(
        "subnet", {"SubnetIds": ["{id}"]}, CidrBlock="CidrBlock", VpcId="VpcId",
        AvailabilityZone="AvailabilityZone", MapPublicIpOnLaunch="!MapPublicIpOnLaunch",
    ),
    "AWS::EC2::RouteTable": _listed("route-table", {"RouteTableIds": ["{id}"]}),
    "AWS::EC2::InternetGateway": _listed("internet-gateway", {"InternetGatewayIds": ["{id}"]}),
    "AWS::EC2::VPCEndpoint": _listed(
        "vpc-endpoint", {"VpcEndpointIds": ["{id}"]}, VpcId="VpcId",
        ServiceName="ServiceName", VpcEndpointType="VpcEndpointType", SubnetIds="SubnetIds",
        SecurityGroupIds="!Groups[].GroupId", PolicyDocument="PolicyDocument",
    ),
    "AWS::EC2::Instance": _listed(
        "instance", {"InstanceIds": ["{id}"]}, InstanceType="InstanceType", SubnetId="SubnetId",
        SecurityGroupIds="SecurityGroups[].GroupId",
    ),
    "AWS::EC2::LaunchTemplate": Reader(
        Call("ec2", "describe_launch_template_versions",
             {"LaunchTemplateId": "{id}", "Versions": ["$Latest"]}, "LaunchTemplateVersions[0]"),
        {"LaunchTemplateData": "!LaunchTemplateData"},
    ),
    "AWS::EC2::SecurityGroup": _listed(
        "security-group", {"GroupIds": ["{id}"]}, VpcId="VpcId",
        SecurityGroupEgress="!IpPermissionsEgress", SecurityGroupIngress="!IpPermissions",
    ),
    "AWS::Lambda::Function": Reader(
        Call("lambda", "get_function_configuration", {"FunctionName": "{id}"}),
        {"FunctionName": "FunctionName", "Role": "!Role", "Runtime": "Runtime",
         "Handler": "Handler", "Timeout": "Timeout", "MemorySize": "MemorySize",
         "VpcConfig": _INLINE, "LoggingConfig": "!LoggingConfig",
         "Environment": "{Variables: Environment.Variables}", "Layers": "Layers[].Arn"},
        tags=Call("lambda", "list_tags", {"Resource": ARN % ("lambda", "function:{id}")}, "Tags"),
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
        tags=LISTINGS["user-pool"].tags,
    ),
    "AWS::DynamoDB::Table": Reader(
        Call("dynamodb", "describe_table", {"TableName": "{id}"}, "Table"),
        {"BillingMode": "BillingModeSummary.BillingMode", "KeySchema": "KeySchema",
         "DeletionProtectionEnabled": "DeletionProtectionEnabled"},
        tags=LISTINGS["table"].tags,
    ),
    "AWS::CloudWatch::Alarm": _listed(
        "alarm", {"AlarmNames": ["{id}"]}, MetricName="MetricName", Namespace="Namespace",
        Threshold="Threshold", Period="Period", EvaluationPeriods="EvaluationPeriods",
        ActionsEnabled="ActionsEnabled", AlarmActions="AlarmActions",
        TreatMissingData="TreatMissingData",
    ),
    "AWS::SNS::Topic": Reader(
        Call("sns", "get_topic_attributes", {"TopicArn": "{id}"}, "Attributes"),
        {"KmsMasterKeyId": "?KmsMasterKeyId"},
        tags=Call("sns", "list_tags_for_resource", {"ResourceArn": "{id}"}, "Tags"),
    ),
    "AWS::SNS::TopicPolicy": Reader(
        Call("sns", "get_topic_attributes", {"TopicArn": "{Topics[0]}"}, "Attributes"),
        {"PolicyDocument": "!Policy"},
    ),
    "AWS::SNS::Subscription": Reader(
        Call("sns", "get_subscription_attributes", {"SubscriptionArn": "{id}"}, "Attributes"),
        {"TopicArn": "TopicArn", "Protocol": "Protocol", "Endpoint": "Endpoint"},
    ),
    "AWS::Events::Rule": Reader(
        Call("events", "describe_rule", {"Name": "{id}"}),
        {"ScheduleExpression": "?ScheduleExpression", "State": "State",
         "EventPattern": "?EventPattern"},
        tags=Call("events", "list_tags_for_resource",
                  {"ResourceARN": ARN % ("events", "rule/{id}")}, "Tags"),
    ),
    "AWS::SSM::Parameter": _listed(
        "parameter", {"ParameterFilters": [{"Key": "Name", "Values": ["{id}"]}]},
        Type="Type", Tier="Tier",
    ),
    "AWS::ElastiCache::ReplicationGroup": replace(
        _listed(
            "replication-group", {"ReplicationGroupId": "{id}"}, CacheNodeType="CacheNodeType",
            UserGroupIds="UserGroupIds", AtRestEncryptionEnabled="AtRestEncryptionEnabled",
            TransitEncryptionEnabled="TransitEncryptionEnabled",
            SnapshotRetentionLimit="!SnapshotRetentionLimit", LogDeliveryConfigurations=_DELIVERIES,
        ),
        more={"SecurityGroupIds": _CLUSTER},
    ),
    "AWS::ElastiCache::SubnetGroup": _listed(
        "cache-subnet-group", {"CacheSubnetGroupName": "{id}"},
        SubnetIds="Subnets[].SubnetIdentifier",
    ),
    "AWS::ElastiCache::ParameterGroup": _listed(
        "cache-parameter-group", {"CacheParameterGroupName": "{id}"},
        CacheParameterGroupFamily="CacheParameterGroupFamily",
    ),
    "AWS::ElastiCache::User": _listed(
        "cache-user", {"UserId": "{id}"}, AccessString="!AccessString", Engine="Engine",
    ),
    "AWS::ElastiCache::UserGroup": _listed(
        "cache-user-group", {"UserGroupId": "{id}"}, UserIds="UserIds",
    ),
}  # fmt: skip
