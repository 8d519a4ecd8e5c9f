"""TL_EDGE_1 on what an OpenAPI definition brings."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.judge.edge_templates import AUTHOR, ELSEWHERE, SCHEMES, body, imported
from tests.judge.factory import findings, of_type, template, word


@pytest.mark.parametrize("kind", ["AWS::ApiGatewayV2::Api", "AWS::ApiGateway::RestApi"])
@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"security": [{"token": []}]}, "PASS"),
        ({"security": [{"signed": []}]}, "PASS"),
        ({"security": [{"key": [], "token": []}]}, "PASS"),
        ({"x-amazon-apigateway-auth": {"type": "AWS_IAM"}}, "PASS"),
        ({}, "FAIL"),
        ({"security": []}, "FAIL"),
        ({"security": [{}]}, "FAIL"),
        ({"security": [{"token": []}, {}]}, "FAIL"),
        ({"security": [{"key": []}]}, "FAIL"),
        ({"security": [{"bare": []}]}, "FAIL"),
        ({"security": [{"nowhere": []}]}, "FAIL"),
        ({"security": ELSEWHERE}, "UNKNOWN"),
        ({"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://b/k"}}},
         "UNKNOWN"),
    ],
)  # fmt: skip
def test_imported_operation(tmp_path: Path, operation: Any, kind: str, expected: str) -> None:
    """Every alternative of its security must have an authorizer."""
    assert word(tmp_path, AUTHOR, imported(operation, kind=kind)) == expected


def test_imported_definition_as_a_whole(tmp_path: Path) -> None:
    """Security for all, a preflight, JSON text, Swagger 2, and what is read at deployment."""
    everywhere = imported({}, security=[{"token": []}])
    assert word(tmp_path, AUTHOR, everywhere) == "PASS"
    assert word(tmp_path, AUTHOR, imported({"security": []}, security=[{"token": []}])) == "FAIL"
    assert word(tmp_path, AUTHOR, imported({}, "options")) == "PASS"
    assert word(tmp_path, AUTHOR, imported({}, "x-amazon-apigateway-any-method")) == "FAIL"
    old = {"swagger": "2.0", "paths": {"/x": {"get": {"security": [{"token": []}]}}},
           "securityDefinitions": SCHEMES}  # fmt: skip
    api = "AWS::ApiGateway::RestApi"
    for given in (old, json.dumps(old)):
        assert word(tmp_path, AUTHOR, body(Api=of_type(api, {"Body": given}))) == "PASS"
    unclear: list[dict[str, Any]] = [
        {"BodyS3Location": {"Bucket": "b", "Key": "k"}}, {"CloneFrom": "abc"},
        {"Body": ELSEWHERE}, {"Body": "openapi: 3.0.1"},
        {"Body": {"paths": ELSEWHERE}}, {"Body": {"paths": {"/x": {"$ref": "y"}}}},
    ]  # fmt: skip
    for properties in unclear:
        assert word(tmp_path, AUTHOR, body(Api=of_type(api, properties))) == "UNKNOWN"


def test_serverless_api_is_never_passed_over(tmp_path: Path) -> None:
    """What SAM makes of it is expanded, or nobody saw it; either way it is not a pass."""
    api = of_type("AWS::Serverless::HttpApi", {"StageName": "s"})
    made = template({"A": api}, Transform="AWS::Serverless-2016-10-31")
    assert findings(tmp_path, made) != []
