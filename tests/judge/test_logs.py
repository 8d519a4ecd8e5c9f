"""Log groups: how long, for whom, and that they go with their stack."""

from pathlib import Path
from typing import Any

import pytest

from tests.judge.factory import of_type, ours, template, word

GROUP = "AWS::Logs::LogGroup"


def group(days: Any, **sections: Any) -> dict[str, Any]:
    return template({"L": of_type(GROUP, {"RetentionInDays": days})}, **sections)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (30, "PASS"), ("30", "PASS"), ({"Ref": "Only30"}, "PASS"),
        ({"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "Days"]}, "PASS"),
        (31, "FAIL"), (14, "FAIL"), ({"Ref": "AWS::NoValue"}, "FAIL"),
        ({"Fn::If": ["C", 30, {"Ref": "AWS::NoValue"}]}, "FAIL"),
        ({"Ref": "Any30"}, "FAIL"), ({"Ref": "Some"}, "FAIL"), ({"Ref": "None"}, "FAIL"),
        ({"Fn::FindInMap": ["M", {"Ref": "Stage"}, "Days"]}, "FAIL"),
        ({"Fn::ImportValue": "d"}, "UNKNOWN"),
    ],
)  # fmt: skip
def test_retention(tmp_path: Path, days: Any, expected: str) -> None:
    """Only what can only be 30 passes where the policy says 30."""
    sections: dict[str, Any] = {
        "Parameters": {
            "Only30": {"Type": "Number", "Default": 30, "AllowedValues": [30]},
            "Any30": {"Type": "Number", "Default": 30},
            "Some": {"Type": "Number", "Default": 30, "AllowedValues": [30, 90]},
            "None": {"Type": "Number"},
            "Stage": {"Type": "String", "AllowedValues": ["short", "long"]},
        },
        "Mappings": {
            "M": {
                "eu-central-1": {"Days": 30}, "us-east-1": {"Days": 30},
                "short": {"Days": 30}, "long": {"Days": 365},
            },
        },
        "Conditions": {"C": {"Fn::Equals": [{"Ref": "Stage"}, "long"]}},
    }  # fmt: skip
    if expected == "PASS":
        del sections["Mappings"]["M"]["long"]
    assert word(tmp_path, "TL_LOGS_1", group(days, **sections), policy=ours()) == expected


def test_retention_is_the_services_by_default(tmp_path: Path) -> None:
    """Any project may choose among what the service takes."""
    assert word(tmp_path, "TL_LOGS_1", group(90)) == "PASS"
    assert word(tmp_path, "TL_LOGS_1", group(31)) == "FAIL"
    assert word(tmp_path, "TL_LOGS_1", template({"L": of_type(GROUP)})) == "FAIL"


FUNCTION = "AWS::Lambda::Function"
BY_NAME = {"FunctionName": {"Fn::Sub": "${AWS::StackName}-f"}}


def named(name: Any) -> dict[str, Any]:
    return of_type(GROUP, {"LogGroupName": name, "RetentionInDays": 30})


@pytest.mark.parametrize(
    ("writer", "declared", "expected"),
    [
        (of_type(FUNCTION, BY_NAME), {"Fn::Sub": "/aws/lambda/${AWS::StackName}-f"}, "PASS"),
        (of_type(FUNCTION), {"Fn::Sub": "/aws/lambda/${W}"}, "PASS"),
        (of_type(FUNCTION, BY_NAME), {"Fn::Sub": "/aws/lambda/${W}"}, "PASS"),
        (of_type(FUNCTION, {"LoggingConfig": {"LogGroup": {"Ref": "L"}}}), "/x", "PASS"),
        (of_type(FUNCTION, {"LoggingConfig": {"LogGroup": "/x"}}), "/x", "PASS"),
        (of_type(FUNCTION), "/aws/lambda/other", "FAIL"),
        (of_type(FUNCTION, BY_NAME), {"Fn::Sub": "/aws/lambda/${AWS::StackName}"}, "FAIL"),
        (of_type(FUNCTION), {"Fn::ImportValue": "n"}, "UNKNOWN"),
        (of_type("AWS::ApiGatewayV2::Stage",
                 {"AccessLogSettings": {"DestinationArn": {"Fn::GetAtt": ["L", "Arn"]}}}),
         "/x", "PASS"),
        (of_type("AWS::ApiGatewayV2::Stage",
                 {"AccessLogSettings": {"DestinationArn": "arn:aws:logs:r:1:log-group:/y:*"}}),
         "/x", "FAIL"),
        (of_type("AWS::ApiGatewayV2::Stage",
                 {"AccessLogSettings": {"DestinationArn": {"Fn::ImportValue": "a"}}}),
         "/x", "UNKNOWN"),
        (of_type("AWS::ApiGatewayV2::Stage",
                 {"AccessLogSettings": {"DestinationArn": "arn:aws:logs:r:1:log-group:/x:*"}}),
         "/x", "PASS"),
        (of_type("AWS::CodeBuild::Project", {"Name": "b"}), "/aws/codebuild/b", "PASS"),
        (of_type("AWS::CodeBuild::Project", {"Name": "b"}), "/x", "FAIL"),
        (of_type("AWS::CodeBuild::Project",
                 {"LogsConfig": {"CloudWatchLogs": {"Status": "DISABLED"}}}), "/x", "PASS"),
        (of_type("AWS::EC2::FlowLog", {"LogGroupName": "/x"}), "/x", "PASS"),
        (of_type("AWS::EC2::FlowLog", {"LogGroupName": "/y"}), "/x", "FAIL"),
        (of_type("AWS::ElastiCache::ReplicationGroup", {"LogDeliveryConfigurations": [
            {"DestinationType": "cloudwatch-logs", "LogType": "slow-log",
             "DestinationDetails": {"CloudWatchLogsDetails": {"LogGroup": "/y"}}}]}),
         "/x", "FAIL"),
    ],
)  # fmt: skip
def test_writer_and_its_group(
    tmp_path: Path, writer: dict[str, Any], declared: Any, expected: str
) -> None:
    """By reference or by the name that is really written to."""
    body = template({"W": writer, "L": named(declared)})
    assert word(tmp_path, "TL_LOGS_2", body) == expected


def test_function_may_not_create_its_group_again(tmp_path: Path) -> None:
    """Inline, attached, or through a managed policy; and unknown where the role is."""

    def body(action: str, **role: Any) -> dict[str, Any]:
        statement = {"Effect": "Allow", "Action": action, "Resource": "arn:aws:logs:r:1:x"}
        inline = {"Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": statement}}]}
        return template(
            {
                "F": of_type(FUNCTION, {"Role": {"Fn::GetAtt": ["R", "Arn"]}}),
                "R": of_type("AWS::IAM::Role", inline | role),
                "L": named({"Fn::Sub": "/aws/lambda/${F}"}),
            }
        )

    basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    assert word(tmp_path, "TL_LOGS_3", body("logs:PutLogEvents")) == "PASS"
    assert word(tmp_path, "TL_LOGS_3", body("logs:CreateLogGroup")) == "FAIL"
    assert word(tmp_path, "TL_LOGS_3", body("logs:*")) == "FAIL"
    through = body("logs:PutLogEvents", ManagedPolicyArns=[basic])
    assert word(tmp_path, "TL_LOGS_3", through) == "FAIL"
    unclear = body("logs:PutLogEvents", ManagedPolicyArns=[{"Fn::ImportValue": "m"}])
    assert word(tmp_path, "TL_LOGS_3", unclear) == "UNKNOWN"
    named_by_role = body("logs:PutLogEvents", ManagedPolicyArns=[{"Ref": "M"}])
    statement = {
        "Effect": "Allow",
        "Action": "logs:CreateLogGroup",
        "Resource": "arn:aws:logs:r:1:x",
    }
    policy = {"PolicyDocument": {"Statement": [statement]}}
    named_by_role["Resources"]["M"] = of_type("AWS::IAM::ManagedPolicy", policy)
    assert word(tmp_path, "TL_LOGS_3", named_by_role) == "FAIL"
    foreign = body("logs:PutLogEvents")
    foreign["Resources"]["F"]["Properties"]["Role"] = {"Fn::ImportValue": "r"}
    assert word(tmp_path, "TL_LOGS_3", foreign) == "UNKNOWN"


@pytest.mark.parametrize(("kept", "expected"), [("Retain", "FAIL"), ("Delete", "PASS")])
def test_group_vanishes_where_the_policy_says_so(tmp_path: Path, kept: str, expected: str) -> None:
    """Retain is a fault only in a stack that is to vanish."""
    body = template({"L": of_type(GROUP, {"RetentionInDays": 30}, DeletionPolicy=kept)})
    assert word(tmp_path, "TL_LOGS_4", body, policy=ours()) == expected
    assert word(tmp_path, "TL_LOGS_4", body) == "PASS"


def test_deletion_policy_from_a_parameter_is_unknown(tmp_path: Path) -> None:
    """With language extensions it may be a reference."""
    body = template(
        {"L": of_type(GROUP, {"RetentionInDays": 30}, DeletionPolicy={"Ref": "D"})},
        Parameters={"D": {"Type": "String"}},
        Transform="AWS::LanguageExtensions",
    )
    assert word(tmp_path, "TL_LOGS_4", body, policy=ours()) == "UNKNOWN"
