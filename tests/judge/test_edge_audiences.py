"""TL_EDGE_2: a token authorizer names issuer and audience."""

from pathlib import Path
from typing import Any

import pytest

from tests.judge.edge_templates import (
    ELSEWHERE,
    GUARDED,
    JWT,
    NOTHING,
    TOKENS,
    body,
    http,
    imported,
)
from tests.judge.factory import of_type, word

# ---- whose tokens ----


@pytest.mark.parametrize(
    ("jwt", "expected"),
    [
        (JWT, "PASS"),
        ({"Issuer": {"Fn::Sub": "https://x/${Free}"}, "Audience": [{"Ref": "Client"}]}, "PASS"),
        ({"Issuer": "https://x"}, "FAIL"),
        ({"Issuer": "https://x", "Audience": []}, "FAIL"),
        ({"Issuer": "https://x", "Audience": [""]}, "FAIL"),
        ({"Issuer": "https://x", "Audience": [NOTHING]}, "FAIL"),
        ({"Audience": ["a"]}, "FAIL"),
        ({"Issuer": "", "Audience": ["a"]}, "FAIL"),
        (NOTHING, "FAIL"),
        ({"Issuer": "https://x", "Audience": [{"Ref": "Free"}]}, "UNKNOWN"),
        ({"Issuer": "https://x", "Audience": ELSEWHERE}, "UNKNOWN"),
        (ELSEWHERE, "UNKNOWN"),
    ],
)
def test_token_authorizer(tmp_path: Path, jwt: Any, expected: str) -> None:
    """It names an issuer and an audience that is not empty."""
    made = http(R={"RouteKey": "GET /x", **GUARDED})
    made["Resources"]["Authorizer"]["Properties"]["JwtConfiguration"] = jwt
    made["Resources"]["Client"] = of_type("AWS::Cognito::UserPoolClient", {"UserPoolId": "p"})
    assert word(tmp_path, TOKENS, made) == expected


def test_other_authorizers(tmp_path: Path) -> None:
    """A user pool, a function, an imported one, and a type nobody knows."""

    def authorizer(kind: str, **properties: Any) -> dict[str, Any]:
        return body(A=of_type(f"AWS::{kind}::Authorizer", properties))

    v1, v2 = "ApiGateway", "ApiGatewayV2"
    pools = {"Type": "COGNITO_USER_POOLS"}
    assert word(tmp_path, TOKENS, authorizer(v1, **pools, ProviderARNs=["arn:p"])) == "PASS"
    assert word(tmp_path, TOKENS, authorizer(v1, **pools, ProviderARNs=[])) == "FAIL"
    assert word(tmp_path, TOKENS, authorizer(v1, **pools, ProviderARNs=ELSEWHERE)) == "UNKNOWN"
    request = {"AuthorizerType": "REQUEST"}
    assert word(tmp_path, TOKENS, authorizer(v2, **request, AuthorizerUri="arn:f")) == "PASS"
    assert word(tmp_path, TOKENS, authorizer(v2, **request)) == "FAIL"
    assert word(tmp_path, TOKENS, authorizer(v1, Type="TOKEN")) == "FAIL"
    assert word(tmp_path, TOKENS, authorizer(v2, AuthorizerType=ELSEWHERE)) == "UNKNOWN"
    none = {"x-amazon-apigateway-authorizer": {"type": "jwt", "jwtConfiguration": {"issuer": "i"}}}
    loose = imported({}, components={"securitySchemes": {"t": none}})
    assert word(tmp_path, TOKENS, loose) == "FAIL"
    assert word(tmp_path, TOKENS, imported({})) == "PASS"
