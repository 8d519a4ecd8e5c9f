"""The law that no unresolvable value mends a finding about an edge."""

from pathlib import Path

import pytest

from tests.judge.edge_templates import (
    AUTHOR,
    CORS,
    ELSEWHERE,
    GET,
    KEYS,
    LIMITS,
    LOG,
    THROTTLE,
    TOKENS,
    body,
    http,
    imported,
    rest,
    staged,
)
from tests.judge.factory import findings, of_type
from tests.judge.places import places, replaced

# ---- the law ----

QUICK = of_type("AWS::ApiGatewayV2::Api", {"ProtocolType": "HTTP", "Target": "arn:x"})
FAILING = {
    "open route": http(R={"RouteKey": "GET /x", "AuthorizationType": "NONE"}),
    "no authorizer": http(R={"RouteKey": "GET /x", "AuthorizationType": "JWT"}),
    "open method": rest(M={"AuthorizationType": "NONE"}),
    "quick create": body(Api=QUICK),
    "open operation": imported({"security": [{"key": []}]}),
    "no audience": body(
        A=of_type(
            "AWS::ApiGatewayV2::Authorizer",
            {"ApiId": "x", "AuthorizerType": "JWT", "JwtConfiguration": {"Issuer": "i"}},
        )
    ),
    "no own limit": staged(RouteSettings={KEYS[0]: LIMITS}),
    "half a limit": staged(DefaultRouteSettings={"ThrottlingBurstLimit": 5}),
    "no method limit": rest([{"HttpMethod": "POST", "ResourcePath": "/*", **LIMITS}], M=GET),
    "any origin": body(
        A=of_type("AWS::ApiGatewayV2::Api", {"CorsConfiguration": {"AllowOrigins": ["*"]}})
    ),
    "no format": staged(AccessLogSettings={"DestinationArn": "arn:x"}),
}


@pytest.mark.parametrize("name", FAILING)
def test_value_nobody_could_resolve_is_never_evidence(tmp_path: Path, name: str) -> None:
    """Whatever becomes unresolvable, what failed is not a pass."""
    made = FAILING[name]
    rules = {one.rule for one in findings(tmp_path, made) if one.verdict == "FAIL"}
    assert rules & {AUTHOR, TOKENS, THROTTLE, CORS, LOG}
    for logical_id, resource in made["Resources"].items():
        for path in places(resource["Properties"]):
            where = ("Resources", logical_id, "Properties", *path)
            found = findings(tmp_path, replaced(made, where, ELSEWHERE))
            said = {one.rule for one in found} | {"?" for one in found if one.verdict != "FAIL"}
            assert rules <= said or "?" in said, where
