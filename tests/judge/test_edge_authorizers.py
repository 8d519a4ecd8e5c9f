"""TL_EDGE_1: every route has an authorizer."""

from pathlib import Path
from typing import Any

import pytest

from tests.judge.edge_templates import AUTHOR, ELSEWHERE, GUARDED, NOTHING, body, http, rest
from tests.judge.factory import findings, of_type, word


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (GUARDED, "PASS"),
        ({"AuthorizationType": "AWS_IAM"}, "PASS"),
        ({"AuthorizationType": "CUSTOM", "AuthorizerId": {"Ref": "Authorizer"}}, "PASS"),
        ({"AuthorizationType": {"Fn::If": ["On", "AWS_IAM", "JWT"]},
          "AuthorizerId": {"Ref": "Authorizer"}}, "PASS"),
        ({}, "FAIL"),
        ({"AuthorizationType": "NONE"}, "FAIL"),
        ({"AuthorizationType": NOTHING}, "FAIL"),
        ({"AuthorizationType": {"Fn::If": ["On", "NONE", "AWS_IAM"]}}, "FAIL"),
        ({"AuthorizationType": "JWT"}, "FAIL"),
        ({"AuthorizationType": "jwt", "AuthorizerId": {"Ref": "Authorizer"}}, "FAIL"),
        ({"AuthorizationType": "JWT", "AuthorizerId": {"Ref": "Api"}}, "FAIL"),
        ({"AuthorizationType": "JWT", "AuthorizerId": "abc123"}, "UNKNOWN"),
        ({"AuthorizationType": "JWT", "AuthorizerId": {"Ref": "Free"}}, "UNKNOWN"),
        ({"AuthorizationType": "JWT", "AuthorizerId": ELSEWHERE}, "UNKNOWN"),
        ({"AuthorizationType": {"Ref": "Free"}}, "UNKNOWN"),
        ({"AuthorizationType": ELSEWHERE}, "UNKNOWN"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["POST /infer", "ANY /{proxy+}", "$default"])
def test_http_route(tmp_path: Path, route: dict[str, Any], key: str, expected: str) -> None:
    """By an authorizer that is declared here, in every combination; `$default` counts."""
    assert word(tmp_path, AUTHOR, http(R={"RouteKey": key, **route})) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("OPTIONS /infer", "PASS"),
        ({"Fn::Sub": "OPTIONS /${Free}"}, "PASS"),
        ({"Fn::Sub": "GET /${Free}"}, "FAIL"),
        ({"Ref": "Free"}, "UNKNOWN"),
        ({"Fn::Sub": "${Free} /x"}, "UNKNOWN"),
    ],
)
def test_preflight_needs_no_authorizer(tmp_path: Path, key: Any, expected: str) -> None:
    """A browser sends no token with it; which route it is may be unknown."""
    assert word(tmp_path, AUTHOR, http(R={"RouteKey": key})) == expected


def test_route_behind_a_condition_is_judged(tmp_path: Path) -> None:
    """It is off by default, and open when it is on."""
    made = http(R={"RouteKey": "GET /x"})
    made["Resources"]["R"]["Condition"] = "On"
    found = [one for one in findings(tmp_path, made) if one.rule == AUTHOR]
    assert [(one.resource, one.verdict, one.message, one.scenario) for one in found] == [
        ("R", "FAIL", "GET /x is open to everybody: it has no authorizer", {"Turn": "on"})
    ]


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ({"C": {"RouteKey": "$connect", "AuthorizationType": "AWS_IAM"},
          "S": {"RouteKey": "send"}, "D": {"RouteKey": "$default"}}, "PASS"),
        ({"C": {"RouteKey": "$connect"}, "S": {"RouteKey": "send"}}, "FAIL"),
        ({"S": {"RouteKey": "send"}}, "FAIL"),
        ({"C": {"RouteKey": "$connect", "AuthorizationType": ELSEWHERE},
          "S": {"RouteKey": "send"}}, "UNKNOWN"),
    ],
)  # fmt: skip
def test_websocket_asks_who_connects(tmp_path: Path, routes: Any, expected: str) -> None:
    """Only a connection can be authorized; without a route for it, messages are open."""
    assert word(tmp_path, AUTHOR, http("WEBSOCKET", **routes)) == expected


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (None, "FAIL"),
        ({"Route": {"AuthorizationType": "AWS_IAM"}}, "PASS"),
        ({"Route": {"AuthorizationType": "NONE"}}, "FAIL"),
        ({"Route": {"AuthorizationType": ELSEWHERE}}, "UNKNOWN"),
        ({"Stage": {}}, "FAIL"),
    ],
)
def test_quick_create_makes_an_open_route(tmp_path: Path, override: Any, expected: str) -> None:
    """`Target` makes `$default`, open; only managed overrides change it."""
    quick = of_type("AWS::ApiGatewayV2::Api", {"ProtocolType": "HTTP", "Target": "arn:x"})
    made = {"Api": quick}
    if override is not None:
        kind = "AWS::ApiGatewayV2::ApiGatewayManagedOverrides"
        made["O"] = of_type(kind, {"ApiId": {"Ref": "Api"}, **override})
    assert word(tmp_path, AUTHOR, body(**made)) == expected


def test_function_url(tmp_path: Path) -> None:
    """Open, signed, and nobody knows."""

    def url(kind: Any) -> dict[str, Any]:
        return body(U=of_type("AWS::Lambda::Url", {"AuthType": kind, "TargetFunctionArn": "f"}))

    assert word(tmp_path, AUTHOR, url("NONE")) == "FAIL"
    assert word(tmp_path, AUTHOR, url(NOTHING)) == "FAIL"
    assert word(tmp_path, AUTHOR, url("AWS_IAM")) == "PASS"
    assert word(tmp_path, AUTHOR, url({"Ref": "Free"})) == "UNKNOWN"


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ({"AuthorizationType": "AWS_IAM"}, "PASS"),
        ({"AuthorizationType": "COGNITO_USER_POOLS", "AuthorizerId": {"Ref": "Authorizer"}},
         "PASS"),
        ({"AuthorizationType": "CUSTOM", "AuthorizerId": {"Ref": "Authorizer"}}, "PASS"),
        ({"AuthorizationType": "NONE", "HttpMethod": "OPTIONS"}, "PASS"),
        ({"AuthorizationType": "NONE"}, "FAIL"),
        ({"AuthorizationType": "NONE", "ApiKeyRequired": True}, "FAIL"),
        ({"AuthorizationType": "NONE", "HttpMethod": "ANY"}, "FAIL"),
        ({}, "FAIL"),
        ({"AuthorizationType": "CUSTOM"}, "FAIL"),
        ({"AuthorizationType": "CUSTOM", "AuthorizerId": "abc"}, "UNKNOWN"),
        ({"AuthorizationType": {"Ref": "Free"}}, "UNKNOWN"),
        ({"AuthorizationType": "NONE", "HttpMethod": {"Ref": "Free"}}, "UNKNOWN"),
    ],
)  # fmt: skip
def test_rest_method(tmp_path: Path, method: dict[str, Any], expected: str) -> None:
    """An API key is no authorizer."""
    assert word(tmp_path, AUTHOR, rest(M=method)) == expected
