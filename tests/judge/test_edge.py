"""The ways in: who may come, how often, from which page, and that it is written down."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.judge.factory import findings, of_type, template, word
from tests.judge.places import places, replaced

AUTHOR, THROTTLE, CORS, LOG, TOKENS = (
    "TL_EDGE_1", "TL_EDGE_3", "TL_EDGE_4", "TL_EDGE_5", "TL_EDGE_2",
)  # fmt: skip
NOTHING = {"Ref": "AWS::NoValue"}
ELSEWHERE = {"Fn::ImportValue": "elsewhere"}
LIMITS = {"ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 20}
LOGGED = {"DestinationArn": {"Fn::GetAtt": ["L", "Arn"]}, "Format": "$context.requestId"}
GROUP = of_type("AWS::Logs::LogGroup", {"LogGroupName": "/x", "RetentionInDays": 30})
JWT = {"Issuer": "https://issuer.example", "Audience": ["app"]}
PARAMETERS = {
    "Free": {"Type": "String"},
    "Turn": {"Type": "String", "Default": "off", "AllowedValues": ["off", "on"]},
    "Origins": {"Type": "CommaDelimitedList"},
    "Exact": {"Type": "CommaDelimitedList", "AllowedPattern": r"^https://[a-z.]+$"},
    "Loose": {"Type": "CommaDelimitedList", "AllowedPattern": r"^https://.*$"},
}
CONDITIONS = {"On": {"Fn::Equals": [{"Ref": "Turn"}, "on"]}}


def body(**resources: Any) -> dict[str, Any]:
    return template(resources, Parameters=PARAMETERS, Conditions=CONDITIONS)


# ---- who may come: HTTP ----


def http(protocol: str = "HTTP", **routes: Any) -> dict[str, Any]:
    """An API with an authorizer, a stage, and routes given as properties."""
    keys = [one["RouteKey"] for one in routes.values()]
    settings = {key: LIMITS for key in keys if isinstance(key, str)}
    stage = {"ApiId": {"Ref": "Api"}, "StageName": "$default", "AccessLogSettings": LOGGED}
    stage |= {"DefaultRouteSettings": LIMITS, "RouteSettings": settings}
    authorizer = {"ApiId": {"Ref": "Api"}, "AuthorizerType": "JWT", "JwtConfiguration": JWT}
    return body(
        Api=of_type("AWS::ApiGatewayV2::Api", {"ProtocolType": protocol, "Name": "a"}),
        Authorizer=of_type("AWS::ApiGatewayV2::Authorizer", authorizer),
        Stage=of_type("AWS::ApiGatewayV2::Stage", stage),
        L=GROUP,
        **{
            name: of_type("AWS::ApiGatewayV2::Route", {"ApiId": {"Ref": "Api"}, **properties})
            for name, properties in routes.items()
        },
    )


GUARDED = {"AuthorizationType": "JWT", "AuthorizerId": {"Ref": "Authorizer"}}


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


# ---- who may come: REST ----


def rest(settings: Any = None, *, stage: Any = None, **methods: Any) -> dict[str, Any]:
    """A REST API with a resource /infer/{id}, a stage, and methods on it."""
    api = {"RestApiId": {"Ref": "Api"}}
    limits = [{"HttpMethod": "*", "ResourcePath": "/*", **LIMITS}]
    properties: dict[str, Any] = {**api, "StageName": "s", "AccessLogSetting": LOGGED}
    properties["MethodSettings"] = limits if settings is None else settings
    made = {
        "Api": of_type("AWS::ApiGateway::RestApi", {"Name": "a"}),
        "Infer": of_type(
            "AWS::ApiGateway::Resource",
            {**api, "ParentId": {"Fn::GetAtt": ["Api", "RootResourceId"]}, "PathPart": "infer"},
        ),
        "One": of_type(
            "AWS::ApiGateway::Resource", {**api, "ParentId": {"Ref": "Infer"}, "PathPart": "{id}"}
        ),
        "Authorizer": of_type(
            "AWS::ApiGateway::Authorizer",
            {**api, "Name": "a", "Type": "COGNITO_USER_POOLS", "ProviderARNs": ["arn:pool"]},
        ),
        "Stage": of_type("AWS::ApiGateway::Stage", properties) if stage is None else stage,
        "L": GROUP,
    }
    for name, given in methods.items():
        known = {**api, "ResourceId": {"Ref": "One"}, "HttpMethod": "GET"}
        made[name] = of_type("AWS::ApiGateway::Method", {**known, **given})
    return body(**made)


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


# ---- imported definitions ----

SCHEMES = {
    "token": {"type": "oauth2", "x-amazon-apigateway-authorizer": {
        "type": "jwt", "jwtConfiguration": {"issuer": "https://i", "audience": ["a"]}}},
    "signed": {"type": "apiKey", "name": "Authorization", "in": "header",
               "x-amazon-apigateway-authtype": "awsSigv4"},
    "key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
    "bare": {"type": "oauth2"},
}  # fmt: skip


def imported(
    operation: Any,
    verb: str = "get",
    path: str = "/x",
    *,
    kind: str = "AWS::ApiGatewayV2::Api",
    **more: Any,
) -> dict[str, Any]:
    document = {"openapi": "3.0.1", "paths": {path: {verb: operation}},
                "components": {"securitySchemes": SCHEMES}, **more}  # fmt: skip
    return body(Api=of_type(kind, {"Body": document}))


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


# ---- how often: HTTP ----

KEYS = ("POST /infer", "GET /infer/{id}")


def staged(**stage: Any) -> dict[str, Any]:
    """Two guarded routes, and a stage with other settings."""
    routes: dict[str, Any] = {f"R{i}": {"RouteKey": key, **GUARDED} for i, key in enumerate(KEYS)}
    made = http(**routes)
    made["Resources"]["Stage"]["Properties"] |= stage
    return made


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ({}, "PASS"),
        ({"RouteSettings": {KEYS[0]: LIMITS, KEYS[1]: {"ThrottlingBurstLimit": "5",
                                                      "ThrottlingRateLimit": "0.5"}}}, "PASS"),
        ({"RouteSettings": {KEYS[0]: LIMITS}}, "FAIL"),
        ({"RouteSettings": {KEYS[0]: LIMITS, "GET /infer": LIMITS}}, "FAIL"),
        ({"RouteSettings": {KEYS[0]: LIMITS, KEYS[1]: {"ThrottlingBurstLimit": 5}}}, "FAIL"),
        ({"RouteSettings": {KEYS[0]: LIMITS, KEYS[1]: {"ThrottlingRateLimit": 5}}}, "FAIL"),
        ({"RouteSettings": {KEYS[0]: LIMITS, KEYS[1]: {"Fn::If": ["On", LIMITS, NOTHING]}}},
         "FAIL"),
        ({"RouteSettings": {KEYS[0]: LIMITS, KEYS[1]: {**LIMITS, "ThrottlingRateLimit": -1}}},
         "FAIL"),
        ({"RouteSettings": {}}, "FAIL"),
        ({"RouteSettings": NOTHING}, "FAIL"),
        ({"DefaultRouteSettings": NOTHING}, "FAIL"),
        ({"DefaultRouteSettings": {"ThrottlingBurstLimit": 5}}, "FAIL"),
        ({"RouteSettings": ELSEWHERE}, "UNKNOWN"),
        ({"RouteSettings": {KEYS[0]: LIMITS, KEYS[1]: ELSEWHERE}}, "UNKNOWN"),
        ({"RouteSettings": {KEYS[0]: LIMITS, KEYS[1]: {**LIMITS,
          "ThrottlingRateLimit": {"Ref": "Free"}}}}, "UNKNOWN"),
        ({"DefaultRouteSettings": ELSEWHERE}, "UNKNOWN"),
    ],
)  # fmt: skip
def test_http_throttle(tmp_path: Path, stage: dict[str, Any], expected: str) -> None:
    """Each route by its own key, with burst and rate, beside the default."""
    assert word(tmp_path, THROTTLE, staged(**stage)) == expected


def test_throttle_of_a_route_that_is_not_known(tmp_path: Path) -> None:
    """Its key, or the stage it is served by."""
    made = staged()
    made["Resources"]["R1"]["Properties"]["RouteKey"] = {"Ref": "Free"}
    assert word(tmp_path, THROTTLE, made) == "UNKNOWN"
    foreign = {"ApiId": {"Ref": "Free"}, "RouteKey": "GET /x"}
    alone = body(R=of_type("AWS::ApiGatewayV2::Route", foreign))
    assert word(tmp_path, THROTTLE, alone) == "UNKNOWN"
    here = {"ApiId": {"Ref": "Free"}, "StageName": "s", "DefaultRouteSettings": LIMITS}
    both = body(
        R=of_type("AWS::ApiGatewayV2::Route", foreign),
        S=of_type("AWS::ApiGatewayV2::Stage", {**here, "RouteSettings": {"GET /x": LIMITS}}),
    )
    assert word(tmp_path, THROTTLE, both) == "PASS"


def test_api_without_a_stage_is_unknown_once(tmp_path: Path) -> None:
    """Somebody makes the stage by hand; the routes do not repeat it."""
    made = staged()
    del made["Resources"]["Stage"]
    found = findings(tmp_path, made)
    assert {(one.rule, one.resource, one.verdict) for one in found} == {
        (THROTTLE, "Api", "UNKNOWN"),
        (LOG, "Api", "UNKNOWN"),
    }


def test_quick_stage_has_neither_throttle_nor_log(tmp_path: Path) -> None:
    """AWS makes it with the account's limits and without a log; overrides may say otherwise."""
    quick = of_type("AWS::ApiGatewayV2::Api", {"ProtocolType": "HTTP", "Target": "arn:x"})
    assert word(tmp_path, THROTTLE, body(Api=quick)) == "FAIL"
    assert word(tmp_path, LOG, body(Api=quick)) == "FAIL"
    stage = {"DefaultRouteSettings": LIMITS, "RouteSettings": {"$default": LIMITS},
             "AccessLogSettings": LOGGED}  # fmt: skip
    overrides = of_type(
        "AWS::ApiGatewayV2::ApiGatewayManagedOverrides", {"ApiId": {"Ref": "Api"}, "Stage": stage}
    )
    made = body(Api=quick, O=overrides, L=GROUP)
    assert word(tmp_path, THROTTLE, made) == "PASS"
    assert word(tmp_path, LOG, made) == "PASS"
    made["Resources"]["O"]["Properties"]["Stage"] = ELSEWHERE
    assert word(tmp_path, THROTTLE, made) == "UNKNOWN"
    assert word(tmp_path, LOG, made) == "UNKNOWN"


def test_imported_routes_are_throttled_too(tmp_path: Path) -> None:
    """By the keys that the definition makes."""
    made = imported({"security": [{"token": []}]}, "post", "/infer")
    stage = {"ApiId": {"Ref": "Api"}, "StageName": "s", "DefaultRouteSettings": LIMITS}
    for settings, expected in (
        ({"POST /infer": LIMITS}, "PASS"), ({"GET /infer": LIMITS}, "FAIL"),
    ):  # fmt: skip
        made["Resources"]["S"] = of_type(
            "AWS::ApiGatewayV2::Stage", {**stage, "RouteSettings": settings}
        )
        assert word(tmp_path, THROTTLE, made) == expected


# ---- how often: REST ----

GET = {"AuthorizationType": "AWS_IAM"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ([{"HttpMethod": "*", "ResourcePath": "/*", **LIMITS}], "PASS"),
        ([{"HttpMethod": "GET", "ResourcePath": "/infer/{id}", **LIMITS}], "PASS"),
        ([{"HttpMethod": "GET", "ResourcePath": "/~1infer~1{id}", **LIMITS}], "PASS"),
        ([{"HttpMethod": "*", "ResourcePath": "/infer/{id}", **LIMITS}], "PASS"),
        ([{"HttpMethod": "POST", "ResourcePath": "/infer/{id}", **LIMITS}], "FAIL"),
        ([{"HttpMethod": "GET", "ResourcePath": "/infer", **LIMITS}], "FAIL"),
        ([{"HttpMethod": "*", "ResourcePath": "/*", "ThrottlingRateLimit": 5}], "FAIL"),
        ([{"HttpMethod": "*", "ResourcePath": "/*", "ThrottlingRateLimit": -1,
           "ThrottlingBurstLimit": -1}], "FAIL"),
        ([{"HttpMethod": "*", "ResourcePath": "/*", "LoggingLevel": "INFO"}], "FAIL"),
        ([], "FAIL"),
        (NOTHING, "FAIL"),
        ([{"HttpMethod": {"Ref": "Free"}, "ResourcePath": "/*", **LIMITS}], "UNKNOWN"),
        ([ELSEWHERE], "UNKNOWN"),
        (ELSEWHERE, "UNKNOWN"),
        ([{"HttpMethod": "*", "ResourcePath": "/*", **LIMITS,
           "ThrottlingRateLimit": ELSEWHERE}], "UNKNOWN"),
    ],
)  # fmt: skip
def test_rest_throttle(tmp_path: Path, settings: Any, expected: str) -> None:
    """By method settings, exact or with wildcards, encoded or not."""
    assert word(tmp_path, THROTTLE, rest(settings, M=GET)) == expected


def test_rest_path_that_is_not_known_needs_a_wildcard(tmp_path: Path) -> None:
    """Its resource is made elsewhere."""
    elsewhere = {**GET, "ResourceId": {"Ref": "Free"}}
    assert word(tmp_path, THROTTLE, rest(M=elsewhere)) == "PASS"
    exact = [{"HttpMethod": "GET", "ResourcePath": "/infer/{id}", **LIMITS}]
    assert word(tmp_path, THROTTLE, rest(exact, M=elsewhere)) == "UNKNOWN"


@pytest.mark.parametrize(
    ("throttle", "needed", "stage", "expected"),
    [
        ({"BurstLimit": 1, "RateLimit": 1}, True, {"Ref": "Stage"}, "PASS"),
        ({"BurstLimit": 1, "RateLimit": 1}, True, "s", "PASS"),
        ({"BurstLimit": 1, "RateLimit": 1}, False, "s", "FAIL"),
        ({"BurstLimit": 1, "RateLimit": 1}, True, "other", "FAIL"),
        ({"BurstLimit": 1}, True, "s", "FAIL"),
        (NOTHING, True, "s", "FAIL"),
        ({"BurstLimit": 1, "RateLimit": 1}, {"Ref": "Free"}, "s", "UNKNOWN"),
        (ELSEWHERE, True, "s", "UNKNOWN"),
    ],
)
def test_usage_plan_limits_who_brings_its_key(
    tmp_path: Path, throttle: Any, needed: Any, stage: Any, expected: str
) -> None:
    """It counts only where the method asks for a key."""
    made = rest([], M={**GET, "ApiKeyRequired": needed})
    plan = {"ApiStages": [{"ApiId": {"Ref": "Api"}, "Stage": stage}], "Throttle": throttle}
    made["Resources"]["P"] = of_type("AWS::ApiGateway::UsagePlan", plan)
    assert word(tmp_path, THROTTLE, made) == expected


def test_deployment_makes_a_stage_too(tmp_path: Path) -> None:
    """With a name, and settings in its description."""

    def deployed(**properties: Any) -> dict[str, Any]:
        known = {"RestApiId": {"Ref": "Api"}, **properties}
        return rest(stage=of_type("AWS::ApiGateway::Deployment", known), M=GET)

    described = {**LIMITS, "AccessLogSetting": LOGGED}
    good = deployed(StageName="s", StageDescription=described)
    assert [word(tmp_path, rule, good) for rule in (THROTTLE, LOG)] == ["PASS", "PASS"]
    bare = deployed(StageName="s")
    assert [word(tmp_path, rule, bare) for rule in (THROTTLE, LOG)] == ["FAIL", "FAIL"]
    nameless = deployed()
    assert [word(tmp_path, rule, nameless) for rule in (THROTTLE, LOG)] == ["UNKNOWN", "UNKNOWN"]


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


# ---- what is written down ----


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (LOGGED, "PASS"),
        ({"DestinationArn": "arn:aws:firehose:r:1:deliverystream/amazon-apigateway-x",
          "Format": "$context.requestId"}, "PASS"),
        (NOTHING, "FAIL"),
        ({"DestinationArn": {"Fn::GetAtt": ["L", "Arn"]}}, "FAIL"),
        ({"Format": "$context.requestId"}, "FAIL"),
        ({**LOGGED, "Format": ""}, "FAIL"),
        ({"Fn::If": ["On", LOGGED, NOTHING]}, "FAIL"),
        (ELSEWHERE, "UNKNOWN"),
        ({**LOGGED, "Format": {"Ref": "Free"}}, "UNKNOWN"),
        ({**LOGGED, "DestinationArn": {"Ref": "Free"}}, "UNKNOWN"),
    ],
)  # fmt: skip
def test_access_log(tmp_path: Path, log: Any, expected: str) -> None:
    """A destination and a format, of either kind of stage."""
    assert word(tmp_path, LOG, staged(AccessLogSettings=log)) == expected
    made = rest(M=GET)
    made["Resources"]["Stage"]["Properties"]["AccessLogSetting"] = log
    assert word(tmp_path, LOG, made) == expected


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
