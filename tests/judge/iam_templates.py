"""Statements, policies and roles for the tests of the IAM rules."""

from typing import Any

from tests.judge.factory import of_type, template

ARN = "arn:aws:s3:::bucket/*"


def allow(action: Any = "s3:GetObject", resource: Any = ARN, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def document(*statements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def managed(*statements: Any, **sections: Any) -> dict[str, Any]:
    body = {"PolicyDocument": document(*statements)}
    return template({"P": of_type("AWS::IAM::ManagedPolicy", body)}, **sections)


def role(trust: Any, **more: Any) -> dict[str, Any]:
    return template(
        {"R": of_type("AWS::IAM::Role", {"AssumeRolePolicyDocument": document(trust), **more})}
    )


PASS = allow(
    "iam:PassRole",
    "arn:aws:iam::1:role/x",
    Condition={"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
)
