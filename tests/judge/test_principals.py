"""Policies on resources and endpoints: whom they let in."""

from pathlib import Path
from typing import Any

import pytest

from tests.judge.factory import of_type, template, word

RULE = "TL_IAM_7"
ELSEWHERE = {"Fn::ImportValue": "elsewhere"}
PARAMETERS = {
    "Free": {"Type": "String"},
    "Turn": {"Type": "String", "Default": "a", "AllowedValues": ["a", "b"]},
}
SECTIONS = {
    "Parameters": PARAMETERS,
    "Conditions": {"On": {"Fn::Equals": [{"Ref": "Turn"}, "b"]}},
}
HERE = {"Ref": "AWS::AccountId"}
CARRIERS = {
    "AWS::S3::BucketPolicy": "PolicyDocument",
    "AWS::SQS::QueuePolicy": "PolicyDocument",
    "AWS::SNS::TopicPolicy": "PolicyDocument",
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::ECR::Repository": "RepositoryPolicyText",
    "AWS::Logs::ResourcePolicy": "PolicyDocument",
    "AWS::Logs::LogGroup": "ResourcePolicyDocument",
    "AWS::EC2::VPCEndpoint": "PolicyDocument",
}


def allowing(kind: str, principal: Any, condition: Any = None) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "x:Do", "Resource": "arn:x"}
    if condition is not None:
        statement["Condition"] = condition
    document = {CARRIERS[kind]: {"Statement": [statement]}}
    extra = {"Role": of_type("AWS::IAM::Role", {"AssumeRolePolicyDocument": {}})}
    return template({"R": of_type(kind, document), **extra}, **SECTIONS)


@pytest.mark.parametrize("kind", CARRIERS)
@pytest.mark.parametrize(
    ("principal", "condition", "expected"),
    [
        ({"AWS": {"Fn::GetAtt": ["Role", "Arn"]}}, None, "PASS"),
        ({"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}, None, "PASS"),
        ({"Service": "sns.amazonaws.com"}, None, "PASS"),
        ("*", {"StringEquals": {"aws:PrincipalAccount": HERE}}, "PASS"),
        ("*", {"StringEquals": {"AWS:SourceOwner": HERE}}, "PASS"),
        ("*", {"StringLike": {"aws:PrincipalOrgID": "o-123"}}, "PASS"),
        ("*", {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["Role", "Arn"]}}}, "PASS"),
        ("*", {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24"]}}, "PASS"),
        ("*", None, "FAIL"),
        ({"AWS": "*"}, None, "FAIL"),
        ({"AWS": [{"Fn::GetAtt": ["Role", "Arn"]}, "*"]}, None, "FAIL"),
        ({"AWS": {"Fn::Sub": "*"}}, None, "FAIL"),
        ({"AWS": {"Fn::If": ["On", "*", {"Fn::GetAtt": ["Role", "Arn"]}]}}, None, "FAIL"),
        ("*", {"Bool": {"aws:SecureTransport": "true"}}, "FAIL"),
        ("*", {"StringLike": {"aws:PrincipalArn": "*"}}, "FAIL"),
        ("*", {"StringEqualsIfExists": {"aws:PrincipalAccount": HERE}}, "FAIL"),
        ("*", {"StringNotEquals": {"aws:PrincipalAccount": HERE}}, "FAIL"),
        ("*", {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}, "FAIL"),
        ("*", {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "::/0"]}}, "FAIL"),
        ({"Service": "delivery.logs.amazonaws.com"}, None, "FAIL"),
        ({"Service": "delivery.logs.amazonaws.com"},
         {"StringEquals": {"aws:SourceAccount": HERE}}, "PASS"),
        ({"AWS": {"Ref": "Free"}}, None, "UNKNOWN"),
        (ELSEWHERE, None, "UNKNOWN"),
        ("*", ELSEWHERE, "UNKNOWN"),
        ("*", {"StringLike": {"aws:PrincipalArn": {"Ref": "Free"}}}, "UNKNOWN"),
    ],
)  # fmt: skip
def test_policy_on_a_resource(
    tmp_path: Path, kind: str, principal: Any, condition: Any, expected: str
) -> None:
    """Everybody, in each spelling, unless a condition really says who or from where."""
    assert word(tmp_path, RULE, allowing(kind, principal, condition)) == expected


def test_denial_of_everybody_passes(tmp_path: Path) -> None:
    """A Deny lets nobody in."""
    made = allowing("AWS::S3::BucketPolicy", "*")
    statement = made["Resources"]["R"]["Properties"]["PolicyDocument"]["Statement"][0]
    statement["Effect"] = "Deny"
    assert word(tmp_path, RULE, made) == "PASS"


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, "FAIL"),
        ({"VpcEndpointType": "Interface"}, "FAIL"),
        ({"ServiceName": "com.amazonaws.vpce.eu-central-1.vpce-svc-1",
          "VpcEndpointType": "Interface"}, "PASS"),
        ({"ServiceName": "x", "VpcEndpointType": "GatewayLoadBalancer"}, "PASS"),
        ({"ServiceName": {"Ref": "Free"}}, "UNKNOWN"),
        ({"VpcEndpointType": {"Ref": "Free"}}, "UNKNOWN"),
        ({"PolicyDocument": ELSEWHERE}, "UNKNOWN"),
        ({"PolicyDocument": {"Statement": {
            "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*",
            "Condition": {"StringEquals": {"aws:ResourceAccount": HERE}}}}}, "PASS"),
    ],
)  # fmt: skip
def test_endpoint(tmp_path: Path, properties: dict[str, Any], expected: str) -> None:
    """Without a policy of its own, AWS gives it one for everybody."""
    known = {"VpcId": "v", "ServiceName": {"Fn::Sub": "com.amazonaws.${AWS::Region}.s3"}}
    endpoint = of_type("AWS::EC2::VPCEndpoint", {**known, **properties})
    assert word(tmp_path, RULE, template({"E": endpoint}, **SECTIONS)) == expected


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"Principal": "events.amazonaws.com", "SourceArn": "arn:aws:events:r:1:rule/x"}, "PASS"),
        ({"Principal": "s3.amazonaws.com", "SourceAccount": HERE}, "PASS"),
        ({"Principal": "111122223333"}, "PASS"),
        ({"Principal": "*", "PrincipalOrgID": "o-1"}, "PASS"),
        ({"Principal": "*"}, "FAIL"),
        ({"Principal": "*", "FunctionUrlAuthType": "NONE"}, "FAIL"),
        ({"Principal": "events.amazonaws.com"}, "FAIL"),
        ({"Principal": "s3.amazonaws.com", "SourceArn": {"Fn::If": ["On", "arn:x",
          {"Ref": "AWS::NoValue"}]}}, "FAIL"),
        ({"Principal": {"Ref": "Free"}}, "UNKNOWN"),
    ],
)  # fmt: skip
def test_permission_of_a_function(tmp_path: Path, properties: Any, expected: str) -> None:
    """A service calls for whoever asks it, unless its source is named."""
    known = {"Action": "lambda:InvokeFunction", "FunctionName": "f"}
    permission = of_type("AWS::Lambda::Permission", {**known, **properties})
    assert word(tmp_path, RULE, template({"P": permission}, **SECTIONS)) == expected


def test_layer_and_event_bus(tmp_path: Path) -> None:
    """Their conditions are properties, too."""

    def said(kind: str, **properties: Any) -> str:
        return word(tmp_path, RULE, template({"R": of_type(kind, properties)}, **SECTIONS))

    layer, bus = "AWS::Lambda::LayerVersionPermission", "AWS::Events::EventBusPolicy"
    assert said(layer, Principal="*") == "FAIL"
    assert said(layer, Principal="*", OrganizationId="o-1") == "PASS"
    assert said(layer, Principal=ELSEWHERE) == "UNKNOWN"
    assert said(bus, Principal="*", Action="events:PutEvents") == "FAIL"
    condition = {"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": "o-1"}
    assert said(bus, Principal="*", Condition=condition) == "PASS"
    assert said(bus, Statement={"Effect": "Allow", "Principal": "*"}) == "FAIL"
