"""What each type of resource is charged for, and when."""

from typing import Any

import pytest

from tests.judge.cost_templates import ELSEWHERE, MACHINE, NOTHING, VOLUME, charged
from tests.judge.factory import of_type

RUNS = ("t3.small", "running", "hour", 0.0208)
HOLDS = ("30 GiB gp3", "always", "month", 2.4)
ADDRESS = ("public IPv4", "running", "hour", 0.005)
PERHAPS = ("public IPv4, if its subnet gives one", "running", "hour", 0.005)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, [RUNS, HOLDS]),
        ({"NetworkInterfaces": [{"AssociatePublicIpAddress": True}]}, [RUNS, ADDRESS, HOLDS]),
        ({"NetworkInterfaces": NOTHING}, [RUNS, PERHAPS, HOLDS]),
        ({"NetworkInterfaces": NOTHING, "SubnetId": {"Ref": "Private"}}, [RUNS, HOLDS]),
        ({"NetworkInterfaces": NOTHING, "SubnetId": {"Ref": "Public"}}, [RUNS, ADDRESS, HOLDS]),
        ({"NetworkInterfaces": [{"SubnetId": {"Ref": "Private"}}]}, [RUNS, HOLDS]),
        ({"NetworkInterfaces": NOTHING, "SubnetId": ELSEWHERE}, [RUNS, PERHAPS, HOLDS]),
        ({"InstanceType": "x9.huge"},
         [("x9.huge", "running", "hour", "no price for ec2.x9.huge in us-east-1"), HOLDS]),
        ({"InstanceType": {"Ref": "Free"}},
         [("instance", "running", "hour", "its type: parameter Free has no default"), HOLDS]),
        ({"InstanceType": NOTHING},
         [("instance", "running", "hour", "its type: it is not set"), HOLDS]),
        ({"Tenancy": "dedicated"},
         [("instance", "running", "hour", "no price for dedicated hardware"), HOLDS]),
        ({"BlockDeviceMappings": NOTHING},
         [RUNS, ("gp2", "always", "month", "only its image or snapshot defines its size")]),
        ({"BlockDeviceMappings": [{"DeviceName": "/dev/sdf", "Ebs": VOLUME["Ebs"]}]},
         [RUNS, HOLDS, ("gp2", "always", "month", "only its image or snapshot defines its size")]),
        ({"BlockDeviceMappings": [VOLUME, {"DeviceName": "/dev/sdb", "NoDevice": {}}]},
         [RUNS, HOLDS]),
        ({"BlockDeviceMappings": ELSEWHERE},
         [RUNS, ("volumes", "always", "month",
                 "another stack exports elsewhere")]),
        ({"Monitoring": True},
         [RUNS, HOLDS, ("7 custom metrics", "running", "hour", 0.002877)]),
    ],
)  # fmt: skip
def test_instance(changed: dict[str, Any], expected: list[Any]) -> None:
    """The machine and its address while it runs, its volume always, and nothing for free."""
    subnets = {
        "Private": of_type("AWS::EC2::Subnet", {"MapPublicIpOnLaunch": False}),
        "Public": of_type("AWS::EC2::Subnet", {"MapPublicIpOnLaunch": True}),
    }
    assert charged("AWS::EC2::Instance", {**MACHINE, **changed}, **subnets) == expected


def test_instance_of_a_launch_template() -> None:
    """What the instance says itself wins, device by device; a foreign template is unknown."""
    data = {**MACHINE, "Monitoring": {"Enabled": False}}
    made = of_type("AWS::EC2::LaunchTemplate", {"LaunchTemplateName": "n",
                                                "LaunchTemplateData": data})  # fmt: skip
    for named in ({"LaunchTemplateId": {"Ref": "T"}}, {"LaunchTemplateName": "n"}):
        found = charged("AWS::EC2::Instance", {"LaunchTemplate": named}, T=made)
        assert found == [RUNS, HOLDS]
    smaller = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeType": "gp3", "VolumeSize": 10}}
    own = {"LaunchTemplate": {"LaunchTemplateId": {"Ref": "T"}}, "InstanceType": "t3.micro",
           "BlockDeviceMappings": [smaller]}  # fmt: skip
    assert charged("AWS::EC2::Instance", own, T=made) == [
        ("t3.micro", "running", "hour", 0.0104),
        ("10 GiB gp3", "always", "month", 0.8),
    ]
    foreign = charged("AWS::EC2::Instance", {"LaunchTemplate": {"LaunchTemplateId": "lt-1"}})
    reason = "its launch template is not declared in this deployment"
    assert foreign[0] == ("instance", "running", "hour", f"its type: {reason}")
    assert ("volumes", "always", "month", reason) in foreign


def test_group_of_machines() -> None:
    """What it wants bills always; what it may grow to, when it has grown."""
    launch = of_type("AWS::EC2::LaunchTemplate", {"LaunchTemplateData": MACHINE})
    group = {"MinSize": "1", "MaxSize": "3", "LaunchTemplate": {"LaunchTemplateId": {"Ref": "T"}}}
    kind = "AWS::AutoScaling::AutoScalingGroup"
    assert charged(kind, group, T=launch) == [
        ("1 × t3.small", "always", "hour", 0.0208),
        ("1 × 30 GiB gp3", "always", "month", 2.4),
        ("2 × t3.small", "grown", "hour", 0.0416),
        ("2 × 30 GiB gp3", "grown", "hour", 0.006575),
    ]
    assert charged(kind, {**group, "MinSize": "0", "MaxSize": "0"}, T=launch) == []
    old = of_type("AWS::AutoScaling::LaunchConfiguration",
                  {**MACHINE, "AssociatePublicIpAddress": False})  # fmt: skip
    del old["Properties"]["NetworkInterfaces"]
    by_configuration = {"MinSize": 1, "MaxSize": 1, "LaunchConfigurationName": {"Ref": "C"}}
    assert charged(kind, by_configuration, C=old) == [
        ("1 × t3.small", "always", "hour", 0.0208),
        ("1 × 30 GiB gp3", "always", "month", 2.4),
    ]
    unclear = charged(kind, {**group, "DesiredCapacity": {"Ref": "Free"}}, T=launch)
    assert unclear[0] == (
        "t3.small", "always", "hour", "how many: parameter Free has no default",
    )  # fmt: skip
    mixed = charged(kind, {**group, "MixedInstancesPolicy": {}}, T=launch)
    assert mixed == [("mixed instances", "always", "hour", "which types run is unknown")]


@pytest.mark.parametrize(
    ("kind", "properties", "expected"),
    [
        ("EC2::Volume", {"Size": 100, "VolumeType": "gp3"}, [("100 GiB gp3", 8.0)]),
        ("EC2::Volume", {"Size": 100}, [("100 GiB gp2", 10.0)]),
        ("EC2::Volume", {"Size": 100, "VolumeType": "gp3", "Iops": 4000, "Throughput": 250},
         [("100 GiB gp3", 8.0), ("Iops beyond 3000", 5.0), ("Throughput beyond 125", 5.0)]),
        ("EC2::Volume", {"Size": 10, "VolumeType": "io2", "Iops": 100},
         [("10 GiB io2", 1.25), ("IOPS of io2", 6.5)]),
        ("EC2::Volume", {"VolumeType": "gp3", "SnapshotId": "snap"},
         [("gp3", "only its image or snapshot defines its size")]),
        ("EC2::Volume", {"Size": {"Ref": "Free"}, "VolumeType": "gp3"},
         [("gp3", "parameter Free has no default")]),
        ("EC2::Volume", {"Size": 1, "VolumeType": {"Ref": "Free"}},
         [("volume", "its type: parameter Free has no default")]),
        ("EC2::NatGateway", {}, [("NAT gateway", 0.045)]),
        ("EC2::EIP", {}, [("public IPv4", 0.005)]),
        ("EC2::VPCEndpoint", {}, []),
        ("EC2::VPCEndpoint", {"VpcEndpointType": "Gateway"}, []),
        ("EC2::VPCEndpoint", {"VpcEndpointType": "Interface", "SubnetIds": ["a", "b"]},
         [("interface endpoint, 2 zones", 0.02)]),
        ("EC2::VPCEndpoint", {"VpcEndpointType": "Interface", "SubnetIds": ELSEWHERE},
         [("interface endpoint, unknown number of zones",
           "another stack exports elsewhere")]),
        ("EC2::VPCEndpoint", {"VpcEndpointType": {"Ref": "Free"}},
         [("endpoint", "no price for an endpoint of this type")]),
        ("ElasticLoadBalancingV2::LoadBalancer", {"Scheme": "internal"},
         [("load balancer", 0.0225)]),
        ("ElasticLoadBalancingV2::LoadBalancer", {"Subnets": ["a", "b"]},
         [("load balancer", 0.0225), ("public IPv4 a zone", 0.01)]),
        ("ElasticLoadBalancingV2::LoadBalancer", {"Type": "gateway", "Scheme": "internal"},
         [("load balancer", "no price for this type")]),
        ("ElastiCache::ReplicationGroup",
         {"Engine": "valkey", "CacheNodeType": "cache.t4g.small", "NumCacheClusters": 1},
         [("cache.t4g.small, valkey", 0.0256)]),
        ("ElastiCache::ReplicationGroup",
         {"CacheNodeType": "cache.t4g.micro", "NumNodeGroups": 2, "ReplicasPerNodeGroup": 1,
          "SnapshotRetentionLimit": 3},
         [("4 × cache.t4g.micro, redis", 0.064), ("backups", 0.255)]),
        ("ElastiCache::CacheCluster",
         {"Engine": "redis", "CacheNodeType": "cache.t4g.micro", "NumCacheNodes": 1},
         [("cache.t4g.micro, redis", 0.016)]),
        ("ElastiCache::CacheCluster",
         {"Engine": "memcached", "CacheNodeType": "cache.t4g.micro", "NumCacheNodes": 1},
         [("cache.t4g.micro, memcached",
           "no price for cache.memcached.cache.t4g.micro in us-east-1")]),
        ("ElastiCache::CacheCluster", {"Engine": "redis"},
         [("cache", "its type: it is not set")]),
        ("EKS::Cluster", {}, [("cluster", 0.1)]),
        ("RDS::DBInstance", {}, [("by the hour", "its price is not in the price file")]),
        ("CloudWatch::Alarm", {"Period": 60}, [("alarm", 0.1)]),
        ("CloudWatch::Alarm", {"Period": 10}, [("alarm", 0.3)]),
        ("CloudWatch::Alarm", {"Metrics": [{"MetricStat": {"Period": 60}}, {"Expression": "m"},
                                           {"MetricStat": {"Period": 60}}]},
         [("alarm on 2 metrics", 0.2)]),
        ("CloudWatch::Alarm", {"Metrics": [{"Expression": "SEARCH()"}]},
         [("alarm", "the number of its metrics is unknown")]),
        ("CloudWatch::CompositeAlarm", {}, [("composite alarm", 0.5)]),
        ("CloudWatch::Dashboard", {}, [("dashboard", 3.0)]),
        ("KMS::Key", {}, [("key", 1.0)]),
        ("SecretsManager::Secret", {}, [("secret", 0.4)]),
        ("SSM::Parameter", {"Tier": "Standard"}, []),
        ("SSM::Parameter", {}, []),
        ("SSM::Parameter", {"Tier": "Advanced"}, [("parameter, Advanced", 0.05)]),
        ("SSM::Parameter", {"Tier": {"Ref": "Free"}},
         [("parameter", "its tier: parameter Free has no default")]),
        ("Route53::HostedZone", {}, [("hosted zone", 0.5)]),
        ("S3::Bucket", {}, [("1 GB stored", 0.023)]),
        ("ECR::Repository", {}, [("1 GB stored", 0.1)]),
        ("Budgets::BudgetsAction", {}, [("budget action", 3.04)]),
        ("DynamoDB::Table", {"BillingMode": "PAY_PER_REQUEST"},
         [("10,000 reads and writes", 0.0075), ("1 GB stored", 0.25)]),
        ("DynamoDB::Table",
         {"ProvisionedThroughput": {"ReadCapacityUnits": 10, "WriteCapacityUnits": "10"},
          "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}},
         [("provisioned capacity", 0.0078), ("1 GB stored", 0.25), ("1 GB of recovery", 0.2)]),
        ("DynamoDB::Table", {}, [("provisioned capacity", "it is not set"),
                                 ("1 GB stored", 0.25)]),
        ("ApiGatewayV2::Api", {"ProtocolType": "HTTP"}, [("10,000 requests", 0.01)]),
        ("ApiGatewayV2::Api", {"ProtocolType": "WEBSOCKET"},
         [("messages", "no price for this protocol")]),
        ("ApiGateway::RestApi", {}, [("10,000 requests", 0.035)]),
        ("ApiGateway::Stage", {"AccessLogSetting": {}}, [("0.01 GB of access log", 0.0053)]),
        ("ApiGateway::Stage", {"CacheClusterEnabled": True},
         [("cache of the stage", "no price for it")]),
        ("ApiGatewayV2::Stage", {"RouteSettings": {"GET /": {"DetailedMetricsEnabled": True}}},
         [("detailed metrics", "their number is unknown")]),
        ("Cognito::UserPool", {"UserPoolTier": "LITE"}, [("10 users, LITE", 0.055)]),
        ("Cognito::UserPool", {}, [("10 users, ESSENTIALS", 0.15)]),
        ("Cognito::UserPool", {"UserPoolAddOns": {"AdvancedSecurityMode": "AUDIT"}},
         [("10 users, PLUS", 0.2)]),
        ("SNS::Topic", {"Subscription": [{"Protocol": "email", "Endpoint": "a@b"}]},
         [("10,000 requests", 0.005), ("31 mails", 0.00062)]),
        ("SNS::Subscription", {"Protocol": "email"}, [("31 mails", 0.00062)]),
        ("SNS::Subscription", {"Protocol": "lambda"}, []),
        ("SQS::Queue", {}, [("10,000 requests", 0.004)]),
        ("Logs::LogGroup", {}, []),
        ("Logs::MetricFilter", {"MetricTransformations": [{}]}, [("1 custom metric", 0.000411)]),
        ("Lambda::Function", {"MemorySize": 1024, "Architectures": ["arm64"]},
         [("10,000 calls of 1,024 MB, and their log", 0.020633)]),
        ("Lambda::Function", {"MemorySize": {"Ref": "Free"}},
         [("calls", "parameter Free has no default")]),
        ("Lambda::Function", {"Architectures": ELSEWHERE},
         [("calls", "its architecture is unknown")]),
        ("Lambda::Function", {"SnapStart": {"ApplyOn": "PublishedVersions"},
                              "Runtime": "python3.13", "MemorySize": 128},
         [("10,000 calls of 128 MB, and their log", 0.009383),
          ("SnapStart", "the price file has no price for SnapStart snapshots")]),
        ("Lambda::Alias", {"ProvisionedConcurrencyConfig": {}},
         [("provisioned concurrency", "no price for it")]),
        ("Lambda::Alias", {}, []),
        ("IAM::Role", {}, []),
        ("EC2::SecurityGroup", {}, []),
        ("CodeBuild::Project", {}, [("by use", "its price is not in the price file")]),
        ("Bedrock::Agent", {}, [("it", "the price file does not list AWS::Bedrock::Agent")]),
        ("CloudFormation::Stack", {"TemplateURL": "https://elsewhere"},
         [("nested stack", "its template is not a local file")]),
    ],
)  # fmt: skip
def test_type_is_charged(kind: str, properties: dict[str, Any], expected: list[Any]) -> None:
    """By its properties; what nobody can price says why, and only a listed type is free."""
    found = charged(f"AWS::{kind}", properties)
    assert [(what, usd) for what, _, _, usd in found] == expected
