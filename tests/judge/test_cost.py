"""What a template costs: each type's charges, ceilings, hours on demand, and what stays."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.judge import factory
from tests.judge.factory import DEFAULT, TODAY, of_type, ours, template, word
from tests.judge.places import places, replaced
from tljudge.cost.bill import bill, charges
from tljudge.cost.calls import a_month
from tljudge.data import prices
from tljudge.decode.loader import load, read
from tljudge.engine import policy as policies
from tljudge.engine.findings import Finding
from tljudge.engine.policy import Policy
from tljudge.resolve.deployment import Deployment
from tljudge.resolve.quantities import UnknownQuantity
from tljudge.rules import ALL

ROOT = Path(__file__).resolve().parents[2]
CEILINGS, HOURS, STAYS, SILENT = "TL_COST_1", "TL_COST_2", "TL_COST_3", "TL_COST_4"
ELSEWHERE = {"Fn::ImportValue": "elsewhere"}
NOTHING = {"Ref": "AWS::NoValue"}
ON = {"On": {"Fn::Equals": [{"Ref": "Turn"}, "on"]}}
PARAMETERS = {
    "Turn": {"Type": "String", "Default": "off", "AllowedValues": ["off", "on"]},
    "Free": {"Type": "String"},
    "Size": {"Type": "String", "AllowedValues": ["t3.micro", "t3.small"]},
}


def body(**resources: Any) -> dict[str, Any]:
    return template(resources, Parameters=PARAMETERS, Conditions=ON)


def findings(folder: Path, made: dict[str, Any], **how: Any) -> list[Finding]:
    """What the cost rules find."""
    return [one for one in factory.findings(folder, made, **how) if "_COST_" in one.rule]


def policy(folder: Path, text: str) -> Policy:
    """A policy with this [cost], in us-east-1, looked at on the tests' day."""
    path = folder / "policy.toml"
    path.write_text(f"[cost]\n{text}\n", "utf-8")
    return replace(policies.load(path), today=TODAY)


# ---- what each type is charged for ----


def charged(kind: str, properties: dict[str, Any], **others: Any) -> list[tuple[Any, ...]]:
    """(what, when, per, USD or why not) of a resource, in us-east-1 with the built-in usage."""
    made = body(R=of_type(kind, properties), **others)
    deployment = Deployment(read(json.dumps(made)), {}, {})
    found = charges(deployment.root.resources["R"], DEFAULT.cost, prices.load())
    return [
        (one.what, one.when, one.per, one.why if one.usd is None else round(one.usd, 6))
        for one in found
    ]


VOLUME = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeType": "gp3", "VolumeSize": 30}}
NO_ADDRESS = {"NetworkInterfaces": [{"DeviceIndex": "0", "AssociatePublicIpAddress": False}]}
MACHINE = {"InstanceType": "t3.small", "BlockDeviceMappings": [VOLUME], **NO_ADDRESS}
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


def test_custom_resource_is_unknown_unless_the_policy_frees_it(tmp_path: Path) -> None:
    """What its function makes, nobody sees."""
    made = body(C=of_type("Custom::Maker", {"ServiceToken": "arn:f"}))
    strict = policy(tmp_path, "idle_month_usd = 5")
    assert word(tmp_path, CEILINGS, made, policy=strict) == "UNKNOWN"
    freed = '[[cost.free]]\ntype = "Custom::Maker"\nreason = "makes nothing"'
    freeing = policy(tmp_path, f"idle_month_usd = 5\n{freed}")
    assert word(tmp_path, CEILINGS, made, policy=freeing) == "PASS"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("rate(5 minutes)", 8760.0), ("rate(1 minute)", 43800.0), ("rate(1 day)", 730 / 24),
        ("rate(2 hours)", 365.0), ("cron(0 6 * * ? *)", 730 / 24),
        ("cron(0/15 * * * ? *)", 4 * 730.0), ("cron(*/30 8-17 ? * MON-FRI *)", 20 * 730 / 24),
        ("cron(0,30 6 * * ? *)", 2 * 730 / 24), ("at(2026-01-01T00:00:00)", 1.0), (NOTHING, 0.0),
        ("rate(x)", "the judge cannot read the schedule 'rate(x)'"),
        ("cron(0 6 * *)", "the judge cannot read the schedule 'cron(0 6 * *)'"),
        ("cron(L 6 * * ? *)", "the judge cannot read the schedule 'cron(L 6 * * ? *)'"),
        ({"Ref": "Free"}, "its schedule is unknown: parameter Free has no default"),
    ],
)  # fmt: skip
def test_schedule_says_how_often(expression: Any, expected: Any) -> None:
    """Calls in a month of 730 hours, at most; what is not understood is unknown."""
    made = body(R=of_type("AWS::Events::Rule", {"ScheduleExpression": expression}))
    deployment = Deployment(read(json.dumps(made)), {}, {})
    found = a_month(deployment.root.resources["R"].get("ScheduleExpression"))
    assert (found.why if isinstance(found, UnknownQuantity) else found) == expected


def test_scheduled_function_is_charged_while_idle() -> None:
    """Its schedule goes on when nobody asks; a disabled one does not."""
    timer = {"ScheduleExpression": "rate(1 minute)",
             "Targets": [{"Id": "t", "Arn": {"Fn::GetAtt": ["R", "Arn"]}}]}  # fmt: skip
    function = {"MemorySize": 128}
    ticking = charged("AWS::Lambda::Function", function, T=of_type("AWS::Events::Rule", timer))
    assert [(what, when) for what, when, _, _ in ticking] == [
        ("43,800 calls of 128 MB, and their log", "always")
    ]
    still = of_type("AWS::Events::Rule", {**timer, "State": "DISABLED"})
    asked = charged("AWS::Lambda::Function", function, T=still)
    assert [(what, when) for what, when, _, _ in asked] == [
        ("10,000 calls of 128 MB, and their log", "used")
    ]
    plan = {"ScheduleExpression": "rate(1 day)", "Target": {"Arn": {"Fn::GetAtt": ["R", "Arn"]}}}
    planned = charged(
        "AWS::Lambda::Function", function, T=of_type("AWS::Scheduler::Schedule", plan)
    )
    assert [(what, when) for what, when, _, _ in planned] == [
        ("30 calls of 128 MB, and their log", "always")
    ]


def test_schedule_that_calls_by_name_or_somewhere_else() -> None:
    """A name at the end of an ARN is a reference too; a target nobody knows is unknown."""
    name = {"Fn::Sub": "${AWS::StackName}-f"}
    arn = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:"
    timer = {"ScheduleExpression": "rate(1 day)",
             "Targets": [{"Id": "t", "Arn": {"Fn::Sub": arn + "${AWS::StackName}-f"}}]}  # fmt: skip
    function = {"MemorySize": 128, "FunctionName": name}
    called = charged("AWS::Lambda::Function", function, T=of_type("AWS::Events::Rule", timer))
    assert [(what, when) for what, when, _, _ in called] == [
        ("30 calls of 128 MB, and their log", "always")
    ]
    assert charged("AWS::Events::Rule", timer, F=of_type("AWS::Lambda::Function", function)) == []
    foreign = {**timer, "Targets": [{"Id": "t", "Arn": ELSEWHERE}]}
    assert charged("AWS::Events::Rule", foreign) == [
        ("what it calls", "always", "month", "its target is not declared in this deployment")
    ]
    assert charged("AWS::Events::Rule", {"Targets": foreign["Targets"]}) == []
    plan = {"ScheduleExpression": "rate(1 minute)", "Target": {"Arn": "arn:aws:sqs:r:1:q"}}
    assert charged("AWS::Scheduler::Schedule", plan) == [("its ticks", "always", "month", 0.0438)]


# ---- ceilings ----

NAT = of_type("AWS::EC2::NatGateway")
KEY = of_type("AWS::KMS::Key")
GPU = {"on_demand": "On"}


def test_without_ceilings_nothing_is_said_of_sums(tmp_path: Path) -> None:
    """The built-in policy suits any project; the rule is not even asked."""
    assert word(tmp_path, CEILINGS, body(N=NAT, X=of_type("AWS::Bedrock::Agent"))) == "PASS"
    rule = next(rule for rule in ALL if rule.id == CEILINGS)
    assert rule.applies(DEFAULT) is False
    assert rule.applies(ours()) is True


@pytest.mark.parametrize(
    ("ceiling", "expected"),
    [("idle_month_usd = 34", "PASS"), ("idle_month_usd = 33.84", "FAIL"),
     ("idle_month_eur = 33", "PASS"), ("idle_month_eur = 32", "FAIL"),
     ("active_hour_usd = 0.05", "PASS"), ("active_hour_usd = 0.04", "FAIL")],
)  # fmt: skip
def test_ceiling_holds_or_not(tmp_path: Path, ceiling: str, expected: str) -> None:
    """NAT 32.85 and a key 1.00 a month; a ceiling in euro at the rate of the price file."""
    chosen = policy(tmp_path, ceiling)
    assert word(tmp_path, CEILINGS, body(N=NAT, K=KEY), policy=chosen) == expected


def test_sum_is_a_finding_of_what_costs_most(tmp_path: Path) -> None:
    """It lists the parts, and the combination that has them."""
    made = body(K=KEY, N={**NAT, "Condition": "On"}, S=of_type("AWS::SecretsManager::Secret"))
    found = findings(tmp_path, made, policy=policy(tmp_path, "idle_month_usd = 3"))
    assert [(o.rule, o.resource, o.verdict, o.message, o.scenario) for o in found] == [
        (CEILINGS, "N", "FAIL",
         "an idle month costs 34.25 USD, over 3.00: 32.85 N, 1.00 K, 0.40 S", {"Turn": "on"})
    ]  # fmt: skip


def test_idle_is_without_the_on_demand_part(tmp_path: Path) -> None:
    """Behind the condition it counts for an active hour only."""
    made = body(K=KEY, N={**NAT, "Condition": "On"})
    idle = policy(tmp_path, 'on_demand = "On"\nidle_month_usd = 1')
    assert word(tmp_path, CEILINGS, made, policy=idle) == "PASS"
    hour = policy(tmp_path, 'on_demand = "On"\nactive_hour_usd = 0.045')
    found = findings(tmp_path, made, policy=hour)
    assert [(o.resource, o.message, o.scenario) for o in found] == [
        ("N", "an active hour costs 0.05 USD, over 0.04: 0.04 N, 0.00 K", {"Turn": "on"})
    ]


def test_on_demand_by_a_parameter(tmp_path: Path) -> None:
    """Where no condition has a name of its own."""
    made = body(K=KEY, N={**NAT, "Condition": "On"})
    chosen = policy(tmp_path, 'on_demand = "Turn=on"\nidle_month_usd = 1')
    assert word(tmp_path, CEILINGS, made, policy=chosen) == "PASS"


def test_stopped_instance_counts_as_idle(tmp_path: Path) -> None:
    """Its volume bills; running, it is as dear as the dearest type it may have."""
    made = body(Node=of_type("AWS::EC2::Instance", MACHINE))
    idle = policy(tmp_path, "idle_month_usd = 3")
    assert word(tmp_path, CEILINGS, made, policy=idle) == "FAIL"
    still = '[[cost.stopped]]\nresource = "Node"\nreason = "r"\nruns_as = ["g4dn.xlarge"]'
    stopped = policy(tmp_path, f"idle_month_usd = 3\n{still}")
    assert word(tmp_path, CEILINGS, made, policy=stopped) == "PASS"
    hour = policy(tmp_path, f"active_hour_usd = 0.5\n{still}")
    found = findings(tmp_path, made, policy=hour)
    assert [(o.resource, o.message) for o in found] == [
        ("Node", "an active hour costs 0.53 USD, over 0.50: 0.53 Node")
    ]


@pytest.mark.parametrize(
    ("resource", "ceiling", "expected"),
    [
        (of_type("AWS::Bedrock::Agent"), "idle_month_usd", "UNKNOWN"),
        (of_type("AWS::RDS::DBInstance", {"DBClusterIdentifier": "c"}), "idle_month_usd",
         "UNKNOWN"),
        (of_type("AWS::EC2::Instance", {**MACHINE, "InstanceType": {"Ref": "Free"}}),
         "idle_month_usd", "UNKNOWN"),
        (of_type("AWS::CodeBuild::Project"), "idle_month_usd", "PASS"),
        (of_type("AWS::CodeBuild::Project"), "active_hour_usd", "UNKNOWN"),
        (of_type("AWS::IAM::Group"), "idle_month_usd", "PASS"),
        (of_type("AWS::CloudFormation::Stack", {"TemplateURL": ELSEWHERE}), "idle_month_usd",
         "UNKNOWN"),
    ],
)  # fmt: skip
def test_unknown_price_is_never_free(
    tmp_path: Path, resource: dict[str, Any], ceiling: str, expected: str
) -> None:
    """What bills by use alone costs nothing while idle."""
    chosen = policy(tmp_path, f"{ceiling} = 1000")
    assert word(tmp_path, CEILINGS, body(R=resource), policy=chosen) == expected


def test_component_has_a_ceiling_of_its_own(tmp_path: Path) -> None:
    """By its tag, also from a stack tag, or by names; for a month of the assumed use."""
    tagged = of_type("AWS::SNS::Topic", {"Tags": [{"Key": "Component", "Value": "mail"}]})
    made = body(T=tagged, K=KEY)
    usage = "[cost.usage]\nrequests_month = 1_000_000"

    def by(ceiling: float, names: str = "") -> str:
        part = f'[[cost.components]]\nname = "mail"\nmonth_usd = {ceiling}\n{names}\n'
        return word(tmp_path, CEILINGS, made, policy=policy(tmp_path, part + usage))

    assert (by(0.5), by(0.49)) == ("PASS", "FAIL")
    assert (by(1.0, 'resources = ["K"]'), by(0.99, 'resources = ["K*"]')) == ("PASS", "FAIL")
    assert by(0.0, 'resources = ["Nothing*"]') == "PASS"
    stack = {"Tags": {"Component": "mail"}}
    part = '[[cost.components]]\nname = "mail"\nmonth_usd = 1.4\n'
    chosen = policy(tmp_path, part + usage)
    assert word(tmp_path, CEILINGS, made, policy=chosen, given=stack) == "FAIL"


def test_component_adds_idle_and_active_hours(tmp_path: Path) -> None:
    """1 USD of key all month, and a NAT for 10 hours."""
    made = body(K=KEY, N={**NAT, "Condition": "On"})
    part = '[[cost.components]]\nname = "x"\nresources = ["*"]\nmonth_usd = '
    usage = "\n[cost.usage]\nactive_hours_month = 10"
    demand = 'on_demand = "On"\n'
    within = policy(tmp_path, f"{demand}{part}1.46{usage}")
    assert word(tmp_path, CEILINGS, made, policy=within) == "PASS"
    over = policy(tmp_path, f"{demand}{part}1.44{usage}")
    found = findings(tmp_path, made, policy=over)
    assert [(o.resource, o.message) for o in found] == [
        ("K", "a month of x costs 1.45 USD, over 1.44: 1.00 K, 0.45 N")
    ]


def test_old_prices_are_a_finding(tmp_path: Path) -> None:
    """Never silence; once, on the first resource that bills."""
    chosen = replace(policy(tmp_path, "idle_month_usd = 100"), today=date(2027, 6, 1))
    found = findings(tmp_path, body(G=of_type("AWS::IAM::Group"), K=KEY, N=NAT), policy=chosen)
    assert [(o.rule, o.resource, o.verdict) for o in found] == [(CEILINGS, "K", "UNKNOWN")]
    assert "191 days old, and the limit is 180" in found[0].message


def test_every_combination_is_priced_or_said_not_to_be(tmp_path: Path) -> None:
    """Twenty independent switches are a million combinations."""
    names = [f"P{i}" for i in range(20)]
    made = template(
        {f"R{i}": {**NAT, "Condition": f"C{i}"} for i in range(20)},
        Parameters={n: {"Type": "String", "AllowedValues": ["a", "b"]} for n in names},
        Conditions={f"C{i}": {"Fn::Equals": [{"Ref": n}, "a"]} for i, n in enumerate(names)},
    )
    found = findings(tmp_path, made, policy=policy(tmp_path, "idle_month_usd = 100"))
    assert {(o.resource, o.verdict) for o in found if o.rule == CEILINGS} == {
        ("R0", "FAIL"),
        ("R0", "UNKNOWN"),
    }


# ---- hours on demand ----


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (NAT, "FAIL"),
        ({**NAT, "Condition": "On"}, "PASS"),
        (KEY, "PASS"),
        (of_type("AWS::EC2::Volume", {"Size": 1}), "PASS"),
        (of_type("AWS::EC2::EIP"), "FAIL"),
        (of_type("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Interface", "SubnetIds": ["a"]}),
         "FAIL"),
        (of_type("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Gateway"}), "PASS"),
        (of_type("AWS::EC2::VPCEndpoint", {"VpcEndpointType": {"Fn::If": ["On", "Interface",
                 "Gateway"]}, "SubnetIds": ["a"]}), "PASS"),
        (of_type("AWS::EC2::Instance", MACHINE), "FAIL"),
        (of_type("AWS::RDS::DBInstance"), "FAIL"),
        (of_type("AWS::ElastiCache::ReplicationGroup", {"CacheNodeType": "cache.t4g.micro"}),
         "FAIL"),
        (of_type("AWS::Lambda::Function"), "PASS"),
        (of_type("AWS::Bedrock::Agent"), "UNKNOWN"),
        (of_type("Custom::Maker", {"ServiceToken": "arn:f"}), "UNKNOWN"),
        (of_type("AWS::CloudFormation::Stack", {"TemplateURL": "https://x"}), "UNKNOWN"),
        (of_type("AWS::AutoScaling::AutoScalingGroup", {"MinSize": 0, "MaxSize": 2,
         "LaunchTemplate": {"LaunchTemplateId": "lt-1"}}), "UNKNOWN"),
    ],
)  # fmt: skip
def test_hours_are_on_demand(tmp_path: Path, resource: dict[str, Any], expected: str) -> None:
    """While the condition is off, nothing bills by the hour."""
    chosen = policy(tmp_path, 'on_demand = "On"')
    assert word(tmp_path, HOURS, body(R=resource), policy=chosen) == expected
    assert word(tmp_path, HOURS, body(R=resource)) == "PASS"  # nothing is on demand


def test_hours_of_a_stopped_instance_and_without_the_condition(tmp_path: Path) -> None:
    """One that is named as stopped is idle; where no template has the condition, all is off."""
    made = body(Node=of_type("AWS::EC2::Instance", MACHINE))
    still = '[[cost.stopped]]\nresource = "Node"\nreason = "stops itself"'
    stopped = policy(tmp_path, f'on_demand = "On"\n{still}')
    assert word(tmp_path, HOURS, made, policy=stopped) == "PASS"
    found = findings(tmp_path, template({"N": NAT}), policy=policy(tmp_path, 'on_demand = "On"'))
    assert [(o.rule, o.resource, o.message) for o in found] == [
        (HOURS, "N", "bills by the hour while On is off: NAT gateway, 32.85 USD a month")
    ]


def test_nested_stack_is_on_demand_with_its_parent(tmp_path: Path) -> None:
    """The parent's condition decides for the child, and a retained child keeps what it holds."""
    (tmp_path / "child.yaml").write_text(json.dumps(template({"N": NAT})))
    nested = of_type("AWS::CloudFormation::Stack", {"TemplateURL": "./child.yaml"})
    chosen = policy(tmp_path, 'on_demand = "On"\nnothing_survives = true')
    assert word(tmp_path, HOURS, body(S=nested), policy=chosen) == "FAIL"
    gated = {**nested, "Condition": "On"}
    assert word(tmp_path, HOURS, body(S=gated), policy=chosen) == "PASS"
    assert word(tmp_path, STAYS, body(S=gated), policy=chosen) == "PASS"
    kept = {**gated, "DeletionPolicy": "Retain"}
    assert word(tmp_path, STAYS, body(S=kept), policy=chosen) == "FAIL"


# ---- what stays ----


def disk(**ebs: Any) -> dict[str, Any]:
    return {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8, **ebs}}


def launched(mapping: dict[str, Any]) -> dict[str, Any]:
    data = {"LaunchTemplateData": {"BlockDeviceMappings": [mapping]}}
    return of_type("AWS::EC2::LaunchTemplate", data)


SECOND = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 8}}
LB = "AWS::ElasticLoadBalancingV2::LoadBalancer"
GUARD = [{"Key": "deletion_protection.enabled", "Value": "true"}]


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (NAT, "PASS"),
        ({**NAT, "DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}, "PASS"),
        ({**NAT, "DeletionPolicy": "Retain"}, "FAIL"),
        ({**NAT, "DeletionPolicy": "RetainExceptOnCreate"}, "FAIL"),
        ({**NAT, "UpdateReplacePolicy": "Retain"}, "FAIL"),
        (of_type("AWS::EC2::Volume", {"Size": 1}, DeletionPolicy="Snapshot"), "FAIL"),
        (of_type("AWS::ElastiCache::ReplicationGroup", {}, DeletionPolicy="Snapshot"), "FAIL"),
        (of_type("AWS::Redshift::Cluster", {}, DeletionPolicy="Snapshot"), "FAIL"),
        (of_type("AWS::IAM::Role", {}, DeletionPolicy="Retain"), "PASS"),
        (of_type("AWS::Logs::LogGroup", {}, DeletionPolicy="Retain"), "FAIL"),
        (of_type("AWS::Bedrock::Agent", {}, DeletionPolicy="Retain"), "UNKNOWN"),
        (of_type("AWS::RDS::DBInstance"), "FAIL"),
        (of_type("AWS::RDS::DBInstance", {"DBClusterIdentifier": "c"}), "PASS"),
        (of_type("AWS::RDS::DBInstance", {}, DeletionPolicy="Delete"), "PASS"),
        (of_type("AWS::RDS::DBInstance", {"DeleteAutomatedBackups": False},
                 DeletionPolicy="Delete"), "FAIL"),
        (of_type("AWS::RDS::DBInstance", {"DeletionProtection": True},
                 DeletionPolicy="Delete"), "FAIL"),
        (of_type("AWS::RDS::DBInstance", {"DeletionProtection": ELSEWHERE},
                 DeletionPolicy="Delete"), "UNKNOWN"),
        (of_type("AWS::Cognito::UserPool", {"DeletionProtection": "ACTIVE"}), "FAIL"),
        (of_type("AWS::Cognito::UserPool", {"DeletionProtection": "INACTIVE"}), "PASS"),
        (of_type("AWS::DynamoDB::Table", {"DeletionProtectionEnabled": True}), "FAIL"),
        (of_type("AWS::EC2::Instance", {**MACHINE, "DisableApiTermination": True}), "FAIL"),
        (of_type(LB, {"LoadBalancerAttributes": GUARD}), "FAIL"),
        (of_type(LB, {"LoadBalancerAttributes": ELSEWHERE}), "UNKNOWN"),
        (of_type("AWS::EC2::Instance", {**MACHINE, "BlockDeviceMappings": [disk(
            DeleteOnTermination=True)]}), "PASS"),
        (of_type("AWS::EC2::Instance", {**MACHINE, "BlockDeviceMappings": [disk(
            DeleteOnTermination=False)]}), "FAIL"),
        (of_type("AWS::EC2::Instance", {**MACHINE, "BlockDeviceMappings": [disk(
            DeleteOnTermination={"Fn::If": ["On", False, True]})]}), "FAIL"),
        (of_type("AWS::EC2::Instance", {**MACHINE, "BlockDeviceMappings": [disk(
            DeleteOnTermination={"Ref": "Free"})]}), "UNKNOWN"),
        (of_type("AWS::EC2::Instance", MACHINE), "PASS"),
        (of_type("AWS::EC2::Instance", {**MACHINE, "BlockDeviceMappings": [SECOND]}), "UNKNOWN"),
        (of_type("AWS::EC2::Instance", {**MACHINE, "LaunchTemplate": {
            "LaunchTemplateId": "lt-1"}}), "UNKNOWN"),
        (launched(disk(DeleteOnTermination=True)), "PASS"),
        (launched(disk(DeleteOnTermination="false")), "FAIL"),
        (launched(SECOND), "UNKNOWN"),
        (of_type("AWS::AutoScaling::LaunchConfiguration", {"BlockDeviceMappings": [SECOND]}),
         "PASS"),
        (of_type("AWS::S3::Bucket"), "UNKNOWN"),
        (of_type("AWS::ECR::Repository"), "FAIL"),
        (of_type("AWS::ECR::Repository", {"EmptyOnDelete": True}), "PASS"),
        (of_type("AWS::ECR::Repository", {"EmptyOnDelete": {"Ref": "Free"}}), "UNKNOWN"),
        (of_type("AWS::ElastiCache::ServerlessCache", {"FinalSnapshotName": "n"}), "FAIL"),
        (of_type("AWS::KMS::Key", {"PendingWindowInDays": 7}), "PASS"),
        (of_type("AWS::SecretsManager::Secret"), "PASS"),
    ],
)  # fmt: skip
def test_nothing_billed_stays(tmp_path: Path, resource: dict[str, Any], expected: str) -> None:
    """Where the policy wants it; keys and secrets wait for their end without a bill."""
    chosen = policy(tmp_path, "nothing_survives = true")
    assert word(tmp_path, STAYS, body(R=resource), policy=chosen) == expected
    assert word(tmp_path, STAYS, body(R=resource)) == "PASS"


def test_deletion_policy_that_is_not_known(tmp_path: Path) -> None:
    """With language extensions it may be a reference."""
    made = body(N={**NAT, "DeletionPolicy": {"Ref": "Free"}})
    made["Transform"] = "AWS::LanguageExtensions"
    chosen = policy(tmp_path, "nothing_survives = true")
    assert word(tmp_path, STAYS, made, policy=chosen) == "UNKNOWN"


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (of_type("AWS::RDS::DBInstance"), "FAIL"),
        (of_type("AWS::RDS::DBCluster"), "FAIL"),
        (of_type("AWS::RDS::DBInstance", {"DBClusterIdentifier": "c"}), "PASS"),
        (of_type("AWS::RDS::DBInstance", {}, DeletionPolicy="Snapshot"), "PASS"),
        (of_type("AWS::RDS::DBCluster", {}, DeletionPolicy="Delete"), "PASS"),
    ],
)
def test_what_stays_is_declared_to(tmp_path: Path, resource: dict[str, Any], expected: str) -> None:
    """A database without a DeletionPolicy leaves a snapshot that nobody asked for."""
    assert word(tmp_path, SILENT, body(R=resource)) == expected


def test_snapshot_by_default_where_nobody_knows_the_cluster(tmp_path: Path) -> None:
    """Whether it is a cluster's member decides."""
    member = {"DBClusterIdentifier": {"Fn::If": ["On", "c", NOTHING]}}
    found = findings(tmp_path, body(R=of_type("AWS::RDS::DBInstance", member)))
    assert [(o.rule, o.verdict, o.scenario) for o in found] == [(SILENT, "FAIL", {"Turn": "off"})]


def test_default_policy_does_not_pay_for_prices(tmp_path: Path) -> None:
    """What prices and sums up is imported only when a policy asks for it."""
    path = tmp_path / "t.json"
    path.write_text(json.dumps(template({"N": NAT})))
    program = (
        "import sys\nfrom pathlib import Path\nfrom tljudge.engine import policy\n"
        "from tljudge.runner.check import check\ncheck([Path(sys.argv[1])], policy.load())\n"
        "print('tljudge.cost.services' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True, text=True, cwd=ROOT, timeout=30, check=True,
    )  # fmt: skip
    assert done.stdout == "False\n"


# ---- our own ----


def test_our_bill_while_idle_is_the_volume() -> None:
    """30 GiB of gp3, an alarm, and what the signing keys' timer calls."""
    deployment = Deployment(load(ROOT / "cloudformation" / "stack.yaml"), {"UseGpu": "false"}, {})
    found = bill(deployment, ours().cost, prices.load())
    parts = {line.resource.id: round(line.idle_month_usd, 3) for line in found.lines}
    assert {name: usd for name, usd in parts.items() if usd >= 0.001} == {
        "Node": 2.856,
        "AccessLogVolumeAlarm": 0.1,
        "SigningKeysFunction": 0.01,
    }


# ---- the law ----

WHOLE = (
    "on_demand = 'On'\nnothing_survives = true\nidle_month_usd = 0.001\nactive_hour_usd = 0.000001"
)


@pytest.mark.parametrize(
    "resource",
    [
        of_type("AWS::EC2::Instance", {**MACHINE, "BlockDeviceMappings": [disk(
            VolumeType="gp3", DeleteOnTermination=False)], "DisableApiTermination": True}),
        of_type("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Interface", "SubnetIds": ["a"]}),
        of_type("AWS::ElastiCache::ReplicationGroup", {"Engine": "valkey",
                "CacheNodeType": "cache.t4g.small", "NumCacheClusters": 1}),
        of_type("AWS::EC2::Volume", {"Size": 100, "VolumeType": "gp3", "Iops": 4000}),
        of_type("AWS::CloudWatch::Alarm", {"Metrics": [{"MetricStat": {"Period": 60}}]}),
        of_type("AWS::DynamoDB::Table", {"ProvisionedThroughput": {
            "ReadCapacityUnits": 1, "WriteCapacityUnits": 1}, "DeletionProtectionEnabled": True}),
        of_type("AWS::Lambda::Function", {"MemorySize": 128, "Architectures": ["arm64"]}),
        of_type(LB, {"Subnets": ["a"], "LoadBalancerAttributes": GUARD}),
        of_type("AWS::ECR::Repository", {"EmptyOnDelete": False}),
        of_type("AWS::Cognito::UserPool", {"UserPoolTier": "LITE", "DeletionProtection": "ACTIVE"}),
    ],
    ids=lambda resource: resource["Type"].rsplit("::", 1)[-1],
)  # fmt: skip
def test_value_nobody_could_resolve_is_never_evidence(
    tmp_path: Path, resource: dict[str, Any]
) -> None:
    """Whatever becomes unresolvable, what failed is not a pass."""
    chosen = policy(tmp_path, WHOLE)
    rules = {o.rule for o in findings(tmp_path, body(R=resource), policy=chosen)}
    assert CEILINGS in rules
    for path in places(resource["Properties"]):
        changed = replaced(resource, ("Properties", *path), ELSEWHERE)
        found = findings(tmp_path, body(R=changed), policy=chosen)
        unclear = any(o.verdict == "UNKNOWN" for o in found)
        assert unclear or rules <= {o.rule for o in found}, path
