"""Actions, resources and managed policies: each case beside what passes."""

from pathlib import Path
from typing import Any

import pytest

from tests.judge.factory import of_type, template, word
from tests.judge.iam_templates import ARN, allow, document, managed, role


@pytest.mark.parametrize(
    "action",
    ["*", "*:*", "s3:*", "S3:*", "s3:?utObject", "s3:Get*", ["s3:GetObject", "sqs:*"],
     {"Fn::Sub": "${AWS::Partition}:*"}, {"Fn::Join": [":", ["s3", "*"]]}],
)  # fmt: skip
def test_wildcard_action_fails(tmp_path: Path, action: Any) -> None:
    """In any spelling, as text or in a list."""
    assert word(tmp_path, "TL_IAM_1", managed(allow(action))) == "FAIL"


def test_named_action_passes_and_unknown_is_unknown(tmp_path: Path) -> None:
    """The three values, for the action."""
    parameters = {"Parameters": {"A": {"Type": "String"}}}
    assert word(tmp_path, "TL_IAM_1", managed(allow())) == "PASS"
    assert word(tmp_path, "TL_IAM_1", managed(allow({"Ref": "A"}), **parameters)) == "UNKNOWN"
    imported = {"Fn::ImportValue": "x"}
    assert word(tmp_path, "TL_IAM_1", managed(allow(imported))) == "UNKNOWN"


def test_statement_may_be_an_object_and_any_statement_counts(tmp_path: Path) -> None:
    """An object instead of a list, and the second statement."""
    single = {"PolicyDocument": {"Statement": allow("s3:*")}}
    body = template({"P": of_type("AWS::IAM::Policy", single)})
    assert word(tmp_path, "TL_IAM_1", body) == "FAIL"
    assert word(tmp_path, "TL_IAM_1", managed(allow(), allow("s3:*"))) == "FAIL"


INLINE = {"Policies": [{"PolicyName": "x", "PolicyDocument": document(allow("sqs:*"))}]}
DOCUMENT = {"PolicyDocument": document(allow("sqs:*"))}


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("AWS::IAM::Role", INLINE),
        ("AWS::IAM::User", INLINE),
        ("AWS::IAM::Group", INLINE),
        ("AWS::IAM::Policy", DOCUMENT),
        ("AWS::IAM::ManagedPolicy", DOCUMENT),
        ("AWS::IAM::RolePolicy", DOCUMENT),
        ("AWS::IAM::UserPolicy", DOCUMENT),
        ("AWS::IAM::GroupPolicy", DOCUMENT),
        ("AWS::Serverless::Function", {"Policies": [document(allow("sqs:*"))]}),
        ("AWS::S3::BucketPolicy", DOCUMENT),
        ("AWS::SQS::QueuePolicy", DOCUMENT),
        ("AWS::SNS::TopicPolicy", DOCUMENT),
        ("AWS::KMS::Key", {"KeyPolicy": document(allow("sqs:*"))}),
        ("AWS::ECR::Repository", {"RepositoryPolicyText": document(allow("sqs:*"))}),
        ("AWS::Lambda::Permission", {"Action": "lambda:*"}),
        (
            "AWS::Logs::ResourcePolicy",
            {"PolicyDocument": '{"Statement": {"Effect": "Allow", "Action": "logs:*"}}'},
        ),
    ],
)
def test_every_carrier_is_judged(tmp_path: Path, kind: str, properties: dict[str, Any]) -> None:
    """A wildcard is found wherever a policy can stand."""
    body = template({"X": of_type(kind, properties)}, Transform="AWS::Serverless-2016-10-31")
    assert word(tmp_path, "TL_IAM_1", body) == "FAIL"


@pytest.mark.parametrize("name", ["NotAction", "NotResource", "NotPrincipal"])
def test_inverted_allow_fails_and_inverted_deny_passes(tmp_path: Path, name: str) -> None:
    """Allow with Not... allows everything else; a Deny with it takes away."""
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": ARN, name: "x"}
    assert word(tmp_path, "TL_IAM_2", managed(statement)) == "FAIL"
    assert word(tmp_path, "TL_IAM_2", managed(statement | {"Effect": "Deny"})) == "PASS"


@pytest.mark.parametrize(
    "resource",
    ["*", {"Fn::Sub": "*"}, {"Fn::Join": ["", ["*", ""]]}, {"Fn::If": ["C", "*", ARN]}, [ARN, "*"],
     "arn:aws:s3:::*", "arn:aws:iam::*:role/*", "arn:*",
     {"Fn::Sub": "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/*"}],
)  # fmt: skip
def test_resource_that_names_nothing_fails(tmp_path: Path, resource: Any) -> None:
    """`*` in every spelling, in a list, in one branch, or as a whole kind."""
    sections = {
        "Parameters": {"S": {"Type": "String", "Default": "no"}},
        "Conditions": {"C": {"Fn::Equals": [{"Ref": "S"}, "yes"]}},
    }
    assert word(tmp_path, "TL_IAM_3", managed(allow(resource=resource), **sections)) == "FAIL"


@pytest.mark.parametrize(
    ("action", "resource", "more"),
    [
        ("s3:GetObject", ARN, {}),
        ("ecr:GetAuthorizationToken", "*", {}),
        ("ec2:DescribeInstances", "*", {}),
        ("cloudwatch:PutMetricData", "*", {}),
        ("xray:PutTraceSegments", "*", {}),
        ("ssm:ListCommandInvocations", "*", {}),
        ("ec2:StartInstances", "*", {"StringEquals": {"aws:ResourceTag/Project": "p"}}),
        ("kms:Decrypt", "*", {"StringEquals": {"cloudwatch:namespace": "n"}}),
        ("kms:Decrypt", "*", {"StringEquals": {"kms:EncryptionContext:app": "a"}}),
        ("logs:PutLogEvents", "arn:aws:logs:r:111122223333:log-group:/x:*", {}),
        ("execute-api:Invoke", "arn:aws:execute-api:r:111122223333:api/*/GET/x", {}),
        ("sqs:SendMessage", {"Fn::GetAtt": ["Q", "Arn"]}, {}),
    ],
)
def test_resource_that_is_named_or_cannot_be_passes(
    tmp_path: Path, action: str, resource: Any, more: dict[str, Any]
) -> None:
    """`*` where nothing narrower exists or a condition narrows it, and wildcards below a name."""
    body = managed(allow(action, resource, **({"Condition": more} if more else {})))
    body["Resources"]["Q"] = of_type("AWS::SQS::Queue")
    assert word(tmp_path, "TL_IAM_3", body) == "PASS"


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"ec2:Region": "eu-central-1"}},
        {"StringLike": {"aws:ResourceTag/Project": "*"}},
        {"StringNotEquals": {"aws:ResourceTag/Project": "p"}},
        {"StringEqualsIfExists": {"aws:ResourceTag/Project": "p"}},
        {"ForAllValues:StringEquals": {"aws:ResourceTag/Project": "p"}},
    ],
)
def test_condition_that_narrows_nothing_does_not_help(
    tmp_path: Path, condition: dict[str, Any]
) -> None:
    """A region, a wildcard, a negation, and what lets requests without the key in."""
    body = managed(allow("ec2:StartInstances", "*", Condition=condition))
    assert word(tmp_path, "TL_IAM_3", body) == "FAIL"


@pytest.mark.parametrize(
    "resource",
    [{"Ref": "A"}, {"Fn::Sub": "arn:aws:s3:::${A}/*"}, {"Fn::ImportValue": "x"},
     {"Fn::Transform": {"Name": "m"}}],
)  # fmt: skip
def test_resource_that_may_be_anything_is_unknown(tmp_path: Path, resource: Any) -> None:
    """A parameter without default, another stack's value, a macro's body."""
    body = managed(allow(resource=resource), Parameters={"A": {"Type": "String"}})
    assert word(tmp_path, "TL_IAM_3", body) == "UNKNOWN"


def test_deny_passes_everywhere(tmp_path: Path) -> None:
    """A Deny of everything is the opposite of a fault."""
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    for rule in ("TL_IAM_1", "TL_IAM_2", "TL_IAM_3", "TL_IAM_4"):
        assert word(tmp_path, rule, managed(deny)) == "PASS"


ROLE = "arn:aws:iam::111122223333:role/one"
TO = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([allow("iam:PassRole", ROLE, Condition=TO)], "PASS"),
        ([allow("iam:PassRole", "*", Condition=TO)], "FAIL"),
        ([allow("iam:PassRole", "arn:aws:iam::1:role/*", Condition=TO)], "FAIL"),
        ([allow("iam:PassRole", ROLE)], "FAIL"),
        ([allow("iam:PassRole", ROLE, Condition=TO), allow("ec2:RunInstances", ARN)], "FAIL"),
        ([allow("iam:PassRole", ROLE, Condition=TO), allow("lambda:CreateFunction", ARN)], "FAIL"),
        ([allow("IAM:ATTACHROLEPOLICY", ROLE)], "FAIL"),
        ([allow("iam:CreatePolicyVersion", ROLE)], "FAIL"),
        ([allow("iam:PassRole", {"Fn::ImportValue": "r"}, Condition=TO)], "UNKNOWN"),
    ],
)
def test_passing_roles_and_widening_rights(
    tmp_path: Path, statements: list[Any], expected: str
) -> None:
    """Named role, named service, nothing beside it that runs code, no escalation."""
    assert word(tmp_path, "TL_IAM_4", managed(*statements)) == expected


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        ("arn:aws:iam::aws:policy/AdministratorAccess", "FAIL"),
        ("arn:aws:iam::aws:policy/PowerUserAccess", "FAIL"),
        ({"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AdministratorAccess"}, "FAIL"),
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", "PASS"),
        ({"Ref": "P"}, "PASS"),
        ({"Fn::ImportValue": "p"}, "UNKNOWN"),
    ],
)
def test_managed_policy(tmp_path: Path, arn: Any, expected: str) -> None:
    """By the ARN's last part, however it is put together."""
    body = role({"Effect": "Deny"}, ManagedPolicyArns=[arn])
    body["Resources"]["P"] = of_type("AWS::IAM::ManagedPolicy", {"PolicyDocument": document()})
    assert word(tmp_path, "TL_IAM_5", body) == expected
