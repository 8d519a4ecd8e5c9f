"""APIs for the tests of the edge rules: HTTP, REST and imported."""

from typing import Any

from tests.judge.factory import of_type, template

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


# ---- how often: HTTP ----

KEYS = ("POST /infer", "GET /infer/{id}")


def staged(**stage: Any) -> dict[str, Any]:
    """Two guarded routes, and a stage with other settings."""
    routes: dict[str, Any] = {f"R{i}": {"RouteKey": key, **GUARDED} for i, key in enumerate(KEYS)}
    made = http(**routes)
    made["Resources"]["Stage"]["Properties"] |= stage
    return made


# ---- how often: REST ----

GET = {"AuthorizationType": "AWS_IAM"}
