"""Templates with faults, doubts and neither, of every family of rules, for the laws."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.judge.factory import DEFAULT, TAGS, of_type
from tljudge.engine.policy import Policy

# Other work on the machine is no reason to fail.
settings.register_profile("judge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("judge")

SECTIONS: dict[str, Any] = {
    "Parameters": {
        "Free": {"Type": "String"},
        "Choice": {"Type": "String", "AllowedValues": ["a", "b"]},
        "Range": {"Type": "String", "Default": "10.0.0.0/8"},
    },
    "Conditions": {"IsA": {"Fn::Equals": [{"Ref": "Choice"}, "a"]}},
}
UNKNOWN: dict[str, Any] = {"Fn::ImportValue": "elsewhere"}
UNRESOLVABLE = [UNKNOWN, {"Ref": "Free"}, "{{resolve:ssm:/a/b}}"]


def strict() -> Policy:
    """Everything there is to ask for, asked for."""
    cost = replace(DEFAULT.cost, nothing_survives=True, on_demand="IsA")
    return replace(DEFAULT, retention_days=(30,), stack_vanishes=True, cost=cost)


def either(one: Any, other: Any) -> dict[str, Any]:
    """One in the scenario that IsA holds in, else the other."""
    return {"Fn::If": ["IsA", one, other]}


cidrs = st.sampled_from(
    ["0.0.0.0/0", "10.0.0.0/8", {"Ref": "Range"}, {"Ref": "Free"}, UNKNOWN,
     either("0.0.0.0/0", "10.0.0.0/8"), {"Fn::Sub": "0.0.0.0/0"}]
)  # fmt: skip
actions = st.sampled_from(
    ["s3:GetObject", "s3:*", "ec2:DescribeInstances", "iam:PassRole", {"Ref": "Free"},
     either("s3:PutObject", "*")]
)  # fmt: skip
targets = st.sampled_from(
    ["*", "arn:aws:s3:::b/*", {"Fn::Sub": "arn:aws:s3:::${Free}/*"}, UNKNOWN,
     either("*", "arn:aws:s3:::b")]
)  # fmt: skip
principals = st.sampled_from(
    [{"Service": "lambda.amazonaws.com"}, {"AWS": "*"}, {"AWS": {"Ref": "Free"}},
     {"Service": "logs.amazonaws.com"}, {"AWS": either("*", "123456789012")}]
)  # fmt: skip
managed = st.sampled_from(
    ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::aws:policy/AdministratorAccess",
     {"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/PowerUserAccess"}, UNKNOWN]
)  # fmt: skip
days = st.sampled_from([30, "30", 31, {"Ref": "Free"}, either(30, 31), UNKNOWN])
values = st.sampled_from(["x", "", {"Ref": "Free"}, {"Ref": "Choice"}, UNKNOWN])
keeps = st.sampled_from(["Delete", "Retain", None])
origins = st.sampled_from(["https://a.example", "*", {"Ref": "Free"}, either("*", "https://a.b")])
limits = st.sampled_from([5, "5", -1, {"Ref": "Free"}, UNKNOWN])


def tags(value: Any = "x") -> list[dict[str, Any]]:
    """The required ones; the first with this value."""
    return [{"Key": k, "Value": value if k == "Project" else v} for k, v in TAGS.items()]


def statement(action: Any, target: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": [action], "Resource": [target]}


groups = st.builds(
    lambda found: of_type(
        "AWS::EC2::SecurityGroup",
        {"SecurityGroupEgress": [{"IpProtocol": "-1", "CidrIp": one} for one in found]},
    ),
    st.lists(cidrs, max_size=3),
)
policies = st.builds(
    lambda action, target: of_type(
        "AWS::IAM::ManagedPolicy", {"PolicyDocument": {"Statement": [statement(action, target)]}}
    ),
    actions,
    targets,
)
roles = st.builds(
    lambda principal, policy: of_type(
        "AWS::IAM::Role",
        {
            "AssumeRolePolicyDocument": {
                "Statement": [
                    {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
                ]
            },
            "ManagedPolicyArns": [policy],
            "Tags": tags(),
        },
    ),
    principals,
    managed,
)
log_groups = st.builds(
    lambda number, kept: of_type(
        "AWS::Logs::LogGroup",
        {"RetentionInDays": number},
        **({} if kept is None else {"DeletionPolicy": kept}),
    ),
    days,
    keeps,
)
functions = st.builds(
    lambda name, group: of_type(
        "AWS::Lambda::Function", {"FunctionName": name, "VpcConfig": group, "Tags": tags()}
    ),
    st.sampled_from(["f", {"Ref": "Free"}, UNKNOWN]),
    st.sampled_from(
        [{}, {"SubnetIds": ["s"]}, {"SubnetIds": ["s"], "SecurityGroupIds": [UNKNOWN]}]
    ),
)
tables = st.builds(lambda value: of_type("AWS::DynamoDB::Table", {"Tags": tags(value)}), values)
launches = st.builds(
    lambda kind, value: of_type(
        "AWS::EC2::LaunchTemplate",
        {"LaunchTemplateData": {
            "TagSpecifications": [{"ResourceType": kind, "Tags": tags(value)}]}},
    ),
    st.sampled_from(["instance", "volume", {"Ref": "Free"}]),
    values,
)  # fmt: skip
apis = st.builds(
    lambda origin: of_type(
        "AWS::ApiGatewayV2::Api",
        {"ProtocolType": "HTTP", "CorsConfiguration": {"AllowOrigins": [origin]}, "Tags": TAGS},
    ),
    origins,
)
routes = st.builds(
    lambda kind: of_type(
        "AWS::ApiGatewayV2::Route", {"ApiId": "a", "RouteKey": "GET /x", "AuthorizationType": kind}
    ),
    st.sampled_from(["NONE", "AWS_IAM", {"Ref": "Free"}, either("NONE", "AWS_IAM")]),
)
authorizers = st.builds(
    lambda audience: of_type(
        "AWS::ApiGatewayV2::Authorizer",
        {
            "ApiId": "a",
            "AuthorizerType": "JWT",
            "JwtConfiguration": {"Issuer": "https://i", "Audience": [audience]},
        },
    ),
    values,
)
stages = st.builds(
    lambda limit, log: of_type(
        "AWS::ApiGatewayV2::Stage",
        {
            "ApiId": "a",
            "StageName": "$default",
            "DefaultRouteSettings": {"ThrottlingBurstLimit": limit, "ThrottlingRateLimit": limit},
            "AccessLogSettings": log,
            "Tags": TAGS,
        },
    ),
    limits,
    st.sampled_from([{}, {"DestinationArn": "arn:aws:logs:r:1:log-group:g", "Format": "$x"}]),
)
gateways = st.just(of_type("AWS::EC2::NatGateway", {"SubnetId": "s", "Tags": tags()}))
volumes = st.builds(
    lambda size, kept: of_type(
        "AWS::EC2::Volume",
        {"Size": size, "VolumeType": "gp3", "Tags": tags()},
        **({} if kept is None else {"DeletionPolicy": kept}),
    ),
    st.sampled_from([8, {"Ref": "Free"}, either(8, 80)]),
    keeps,
)
KINDS = {
    "AWS::EC2::SecurityGroup": groups,
    "AWS::IAM::ManagedPolicy": policies,
    "AWS::IAM::Role": roles,
    "AWS::Logs::LogGroup": log_groups,
    "AWS::Lambda::Function": functions,
    "AWS::DynamoDB::Table": tables,
    "AWS::EC2::LaunchTemplate": launches,
    "AWS::ApiGatewayV2::Api": apis,
    "AWS::ApiGatewayV2::Route": routes,
    "AWS::ApiGatewayV2::Authorizer": authorizers,
    "AWS::ApiGatewayV2::Stage": stages,
    "AWS::EC2::NatGateway": gateways,
    "AWS::EC2::Volume": volumes,
}
resources = st.one_of(*KINDS.values())
several = st.dictionaries(
    st.sampled_from([f"R{i}" for i in range(6)]), resources, min_size=1, max_size=4
)
odd: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 3.5, 10**30, "", "x", "*", "a" * 300, "{{resolve:ssm:x}}",
     [], [[]], [{}], [None], ["*"], {}, {"a": {}}, [UNKNOWN], {"a": UNKNOWN},
     {"Ref": "AWS::Region"}, {"Ref": "AWS::NoValue"}, {"Ref": []}, {"Ref": {"Ref": "x"}}, UNKNOWN,
     {"Fn::Sub": "${AWS::Region}-x"}, {"Fn::Sub": ["${A}", {"A": UNKNOWN}]}, {"Fn::Sub": {}},
     {"Fn::GetAtt": ["x", "y"]}, {"Fn::GetAtt": "x"}, {"Fn::If": ["c", 1]}, {"Fn::If": [[], 1, 2]},
     {"Fn::Transform": {"Name": "x"}}, {"Fn::FindInMap": ["a", "b"]},
     {"Fn::FindInMap": [[], {}, UNKNOWN]}, {"Fn::Split": [",", {"Ref": "AWS::Region"}]},
     {"Fn::Join": ["", [[], {}]]}, {"Fn::Join": ["", UNKNOWN]}, {"Fn::Select": [0, []]},
     {"Fn::Select": [UNKNOWN, ["a"]]}, {"Fn::Length": "x"}, {"Fn::ForEach::X": ["a", ["b"], {}]},
     {"Fn::ToJsonString": {"a": [UNKNOWN]}}, {"Fn::Cidr": ["10.0.0.0/8", 1, 8]},
     {"Key": 1, "Value": 2}, [{"Key": {"Ref": "AWS::Region"}, "Value": []}],
     {"Statement": [{"Effect": [], "Action": {}, "Resource": 3, "Condition": [],
                     "Principal": {"AWS": {}}}]}]
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where anything stands, below what stands at a path."""
    yield path
    if isinstance(value, dict):
        for key, one in value.items():
            yield from places(one, (*path, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from places(one, (*path, index))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with something else at one place."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy
