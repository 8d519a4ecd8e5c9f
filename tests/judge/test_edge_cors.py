"""TL_EDGE_4: CORS names its origins."""

from pathlib import Path
from typing import Any

import pytest

from tests.judge.edge_templates import CORS, ELSEWHERE, GET, NOTHING, body, imported, rest
from tests.judge.factory import findings, of_type, word

# ---- from which page ----


@pytest.mark.parametrize(
    ("cors", "expected"),
    [
        ({"AllowOrigins": ["https://gui.example.com", "http://localhost:8765"]}, "PASS"),
        ({"AllowOrigins": {"Ref": "Exact"}}, "PASS"),
        ({"AllowOrigins": ["https://gui.example.com"], "AllowMethods": ["GET"],
          "AllowHeaders": ["authorization"], "AllowCredentials": True}, "PASS"),
        (NOTHING, "PASS"),
        ({"AllowOrigins": ["*"]}, "FAIL"),
        ({"AllowOrigins": ["https://*"]}, "FAIL"),
        ({"AllowOrigins": ["http://*"]}, "FAIL"),
        ({"AllowOrigins": ["https://a.example", {"Fn::Sub": "https://*"}]}, "FAIL"),
        ({"AllowOrigins": [{"Fn::If": ["On", "*", "https://a.example"]}]}, "FAIL"),
        ({"AllowOrigins": ["*"], "AllowCredentials": True}, "FAIL"),
        ({"AllowOrigins": ["https://a.example"], "AllowMethods": ["*"]}, "FAIL"),
        ({"AllowOrigins": ["https://a.example"], "AllowHeaders": ["*"]}, "FAIL"),
        ({"AllowOrigins": ["https://a.example"], "ExposeHeaders": ["*"]}, "FAIL"),
        ({"AllowOrigins": {"Ref": "Origins"}}, "UNKNOWN"),
        ({"AllowOrigins": {"Ref": "Loose"}}, "UNKNOWN"),
        ({"AllowOrigins": [{"Ref": "Free"}]}, "UNKNOWN"),
        (ELSEWHERE, "UNKNOWN"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("kind", "name"),
    [("AWS::ApiGatewayV2::Api", "CorsConfiguration"), ("AWS::Lambda::Url", "Cors")],
)
def test_cors(tmp_path: Path, cors: Any, kind: str, name: str, expected: str) -> None:
    """Exact origins, methods and headers; a pattern that admits a wildcard is no exact one."""
    assert word(tmp_path, CORS, body(A=of_type(kind, {name: cors}))) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("'https://a.example'", "PASS"), ("'*'", "FAIL"), ({"Fn::Sub": "'https://*'"}, "FAIL"),
     ({"Fn::Sub": "'${Free}'"}, "UNKNOWN")],
)  # fmt: skip
def test_answers_of_the_gateway_itself(tmp_path: Path, value: Any, expected: str) -> None:
    """A mock integration, a gateway response, and both in an imported definition."""
    header = "Access-Control-Allow-Origin"
    mock = {"Type": "MOCK", "IntegrationResponses": [
        {"StatusCode": "200",
         "ResponseParameters": {f"method.response.header.{header}": value}}]}  # fmt: skip
    preflight = rest(M={"HttpMethod": "OPTIONS", "AuthorizationType": "NONE", "Integration": mock})
    assert word(tmp_path, CORS, preflight) == expected
    refusal = {"RestApiId": "x", "ResponseType": "DEFAULT_4XX",
               "ResponseParameters": {f"gatewayresponse.header.{header}": value}}  # fmt: skip
    answer = body(A=of_type("AWS::ApiGateway::GatewayResponse", refusal))
    assert word(tmp_path, CORS, answer) == expected
    operation = {
        "x-amazon-apigateway-integration": {
            "type": "mock",
            "responses": {
                "default": {"responseParameters": {f"method.response.header.{header}": value}}
            },
        }
    }
    api = "AWS::ApiGateway::RestApi"
    assert word(tmp_path, CORS, imported(operation, "options", kind=api)) == expected
    responses: dict[str, Any] = {"x-amazon-apigateway-gateway-responses": {"DEFAULT_4XX": {
        "responseParameters": {f"gatewayresponse.header.{header}": value}}}}  # fmt: skip
    refusing = imported({}, kind=api, **responses)
    assert word(tmp_path, CORS, refusing) == expected


def test_cors_of_an_imported_http_api(tmp_path: Path) -> None:
    """The gateway's extension, whose names begin in lower case."""
    name = "x-amazon-apigateway-cors"
    exact: dict[str, Any] = {name: {"allowOrigins": ["https://a.example"]}}
    assert word(tmp_path, CORS, imported({}, **exact)) == "PASS"
    wild: dict[str, Any] = {name: {"allowOrigins": ["*"], "allowCredentials": True}}
    found = [one for one in findings(tmp_path, imported({}, **wild)) if one.rule == CORS]
    assert [one.message for one in found] == ["AllowOrigins has a wildcard: *, with credentials"]


def test_other_headers_may_have_a_star(tmp_path: Path) -> None:
    """Only what CORS reads is judged."""
    mock = {"IntegrationResponses": [
        {"ResponseParameters": {"method.response.header.Accept": "'*/*'"}}]}  # fmt: skip
    assert word(tmp_path, CORS, rest(M={**GET, "Integration": mock})) == "PASS"
