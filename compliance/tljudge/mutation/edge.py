"""Operators that open an API: no authorizer, no throttle, any origin, or no access log.

Long because each rule of the edge has several ways to be broken, one operator each.
"""

from collections.abc import Callable, Iterator

from tljudge.mutation.edits import (
    GONE,
    NO_VALUE,
    Body,
    Break,
    Edit,
    Part,
    Path,
    as_body,
    as_rows,
    at,
    mappings,
)
from tljudge.mutation.obfuscations import IF, ON, UNKNOWABLE, Site, obfuscated, plain, switch
from tljudge.mutation.operator import Operator
from tljudge.mutation.target import MutationTarget

GUARDED, TOKENS, THROTTLED, NAMED, LOGGED = (
    ("TL_EDGE_1",), ("TL_EDGE_2",), ("TL_EDGE_3",), ("TL_EDGE_4",), ("TL_EDGE_5",)
)  # fmt: skip
API, REST = "AWS::ApiGatewayV2::Api", "AWS::ApiGateway::RestApi"
ROUTE, METHOD, URL = "AWS::ApiGatewayV2::Route", "AWS::ApiGateway::Method", "AWS::Lambda::Url"
AUTHORIZER = "AWS::ApiGatewayV2::Authorizer"
STAGE, REST_STAGE = "AWS::ApiGatewayV2::Stage", "AWS::ApiGateway::Stage"
LIMITS = ("ThrottlingBurstLimit", "ThrottlingRateLimit")
CORS = ("AllowOrigins", "AllowMethods", "AllowHeaders", "ExposeHeaders")
GENEROUS_LIMITS = {"ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 20}


def _top(logical_id: str, *steps: str | int) -> Path:
    return ("Resources", logical_id, "Properties", *steps)


def _authorization(bad: Part) -> Callable[[MutationTarget], Iterator[Site]]:
    """The authorization type of each route and method; a browser's preflight carries no token."""

    def sites(target: MutationTarget) -> Iterator[Site]:
        for logical_id, properties in target.resources(ROUTE, METHOD):
            good = properties.get("AuthorizationType")
            if properties.get("HttpMethod") != "OPTIONS" and good is not None:
                yield Site(_top(logical_id, "AuthorizationType"), bad, good)

    return sites


def _url(target: MutationTarget) -> Iterator[Site]:
    for logical_id, _ in target.resources(URL):
        yield Site(_top(logical_id, "AuthType"), "NONE", "AWS_IAM")


def _removed(
    sites: Callable[[MutationTarget], Iterator[Site]],
) -> Callable[[MutationTarget], Iterator[Break]]:
    def apply(target: MutationTarget) -> Iterator[Break]:
        for site in sites(target):
            yield (Edit(site.path, GONE),)

    return apply


def _authorizer_id(target: MutationTarget) -> Iterator[Site]:
    for logical_id, properties in target.resources(ROUTE, METHOD):
        if "AuthorizerId" in properties:
            yield Site(_top(logical_id, "AuthorizerId"), NO_VALUE, properties["AuthorizerId"])


def _one_more(
    key: str, *, guarded: bool, later: bool = False
) -> Callable[[MutationTarget], Iterator[Break]]:
    """Copy the first unconditional route under another key, with or without its authorization."""

    def apply(target: MutationTarget) -> Iterator[Break]:
        for logical_id, properties in target.resources(ROUTE):
            body = {**properties, "RouteKey": key}
            if not guarded:
                asked = ("AuthorizationType", "AuthorizerId", "AuthorizationScopes")
                body = {name: value for name, value in body.items() if name not in asked}
            added: Body = {
                "Type": ROUTE,
                **({"Condition": ON} if later else {}),
                "Properties": body,
            }
            if "Condition" not in target.resource(logical_id):
                place = Edit(("Resources", "MutantRoute"), added)
                yield (place, *switch(target)) if later else (place,)
                return

    return apply


def _url_added(target: MutationTarget) -> Iterator[Break]:
    for logical_id, _ in target.resources("AWS::Lambda::Function"):
        body: Body = {"TargetFunctionArn": {"Ref": logical_id}, "AuthType": "NONE"}
        yield (Edit(("Resources", f"MutantOf{logical_id}"), {"Type": URL, "Properties": body}),)


def _definitions(target: MutationTarget) -> Iterator[tuple[Path, Body]]:
    for logical_id, properties in target.resources(API, REST):
        body = properties.get("Body")
        if isinstance(body, dict):
            yield _top(logical_id, "Body"), body


def _operations(value: Part) -> Callable[[MutationTarget], Iterator[Break]]:
    """Set `security` of each operation in an imported OpenAPI definition."""

    def apply(target: MutationTarget) -> Iterator[Break]:
        for path, body in _definitions(target):
            for place, operation in mappings(body.get("paths"), (*path, "paths")):
                if "security" in operation:
                    yield (Edit((*place, "security"), value),)

    return apply


def _jwt(*steps: str, bad: Part) -> Callable[[MutationTarget], Iterator[Site]]:
    def sites(target: MutationTarget) -> Iterator[Site]:
        for logical_id, properties in target.resources(AUTHORIZER):
            good: Part = properties
            for step in steps:
                good = good.get(step) if isinstance(good, dict) else None
            if good is not None:
                yield Site(_top(logical_id, *steps), bad, good)

    return sites


def _pools(target: MutationTarget) -> Iterator[Site]:
    for logical_id, properties in target.resources("AWS::ApiGateway::Authorizer"):
        if "ProviderARNs" in properties:
            yield Site(_top(logical_id, "ProviderARNs"), NO_VALUE, properties["ProviderARNs"])


def _default(target: MutationTarget) -> Iterator[Site]:
    for logical_id, properties in target.resources(STAGE):
        if "DefaultRouteSettings" in properties:
            good = properties["DefaultRouteSettings"]
            yield Site(_top(logical_id, "DefaultRouteSettings"), NO_VALUE, good)


def _settings(target: MutationTarget) -> Iterator[Site]:
    """The throttle settings of each route of a stage, and of each method of a REST stage."""
    for logical_id, properties in target.resources(STAGE, REST_STAGE):
        for key, good in as_body(properties.get("RouteSettings", {})).items():
            yield Site(_top(logical_id, "RouteSettings", key), NO_VALUE, good)
        for index, good in enumerate(as_rows(properties.get("MethodSettings", []))):
            yield Site(_top(logical_id, "MethodSettings", index), NO_VALUE, good)


def _all_settings(target: MutationTarget) -> Iterator[Site]:
    for logical_id, properties in target.resources(STAGE, REST_STAGE):
        for name in ("RouteSettings", "MethodSettings"):
            if name in properties:
                yield Site(_top(logical_id, name), NO_VALUE, properties[name])


def _limits(bad: Part) -> Callable[[MutationTarget], Iterator[Site]]:
    """Each limit that a stage sets, for the default or for a route."""

    def sites(target: MutationTarget) -> Iterator[Site]:
        for logical_id, _ in target.resources(STAGE, REST_STAGE):
            for path, body in mappings(at(target.body, _top(logical_id)), _top(logical_id)):
                for name in LIMITS:
                    if name in body:
                        yield Site((*path, name), bad, body[name])

    return sites


def _other_key(change: Callable[[str], str]) -> Callable[[MutationTarget], Iterator[Break]]:
    """Rename the key of a route's settings, so that they apply to a route that does not exist."""

    def apply(target: MutationTarget) -> Iterator[Break]:
        for site in _settings(target):
            key = site.path[-1]
            if isinstance(key, str):
                added = Edit((*site.path[:-1], change(key)), GENEROUS_LIMITS)
                yield (added, Edit(site.path, GONE))

    return apply


def _cors(name: str, bad: Part) -> Callable[[MutationTarget], Iterator[Site]]:
    """Add an element to a CORS list of an API or a function URL."""

    def sites(target: MutationTarget) -> Iterator[Site]:
        for kind, settings in ((API, "CorsConfiguration"), (URL, "Cors")):
            for logical_id, properties in target.resources(kind):
                current = as_body(properties.get(settings, {})).get(name)
                path = _top(logical_id, settings, name)
                if isinstance(current, list):
                    yield Site((*path, len(current)), bad, "x")
                elif current is not None:
                    yield Site(path, bad, "x", lambda value: [value])

    return sites


def _headers(bad: Part) -> Callable[[MutationTarget], Iterator[Site]]:
    """The `Access-Control-Allow-Origin` header that a method of a REST API answers with."""

    def sites(target: MutationTarget) -> Iterator[Site]:
        for logical_id, properties in target.resources(METHOD):
            for path, body in mappings(properties, _top(logical_id)):
                answered = path[-1] == "ResponseParameters" and "IntegrationResponses" in path
                for name in body if answered else ():
                    if "Allow-Origin" in name:
                        yield Site((*path, name), bad, body[name])

    return sites


def _access_log(*steps: str) -> Callable[[MutationTarget], Iterator[Site]]:
    def sites(target: MutationTarget) -> Iterator[Site]:
        for kind, name in ((STAGE, "AccessLogSettings"), (REST_STAGE, "AccessLogSetting")):
            for logical_id, properties in target.resources(kind):
                good = properties.get(name)
                for step in steps:
                    good = good.get(step) if isinstance(good, dict) else None
                if good is not None:
                    yield Site(_top(logical_id, name, *steps), NO_VALUE, good)

    return sites


def _empty_format(target: MutationTarget) -> Iterator[Site]:
    for site in _access_log("Format")(target):
        yield Site(site.path, "", site.good)


OPEN, ORIGIN = _authorization("NONE"), _cors("AllowOrigins", "*")
OPERATORS: tuple[Operator, ...] = (
    plain("route-open", "a route has no authorization", GUARDED, OPEN),
    *obfuscated("route-open", "a route has no authorization", GUARDED, OPEN),
    Operator("route-unsaid", "a route declares no authorization type", GUARDED, _removed(OPEN)),
    Operator("route-nobody", "a route names no authorizer", GUARDED, _removed(_authorizer_id)),
    *obfuscated("route-nobody", "a route names no authorizer", GUARDED, _authorizer_id, (IF,)),
    Operator("route-added", "one more route, open", GUARDED,
             _one_more("GET /mutant", guarded=False)),
    Operator("route-default", "one more default route, open", GUARDED,
             _one_more("$default", guarded=False)),
    Operator("route-later", "one more route, open and off by default", GUARDED,
             _one_more("GET /mutant", guarded=False, later=True)),
    plain("url-open", "a function URL has no authorization", GUARDED, _url),
    *obfuscated("url-open", "a function URL has no authorization", GUARDED, _url),
    Operator("url-added", "a function gets an open URL", GUARDED, _url_added),
    Operator("definition-open", "an imported operation needs no security", GUARDED,
             _operations([])),
    Operator("definition-maybe", "security of an imported operation is optional", GUARDED,
             _operations([{"tokens": []}, {}])),
    Operator("authorizer-audience-gone", "an authorizer names no audience", TOKENS,
             _removed(_jwt("JwtConfiguration", "Audience", bad=GONE))),
    plain("authorizer-audience-none", "an authorizer's audiences are an empty list", TOKENS,
          _jwt("JwtConfiguration", "Audience", bad=[])),
    plain("authorizer-audience-empty", "an authorizer's audience is empty", TOKENS,
          _jwt("JwtConfiguration", "Audience", bad=[""])),
    Operator("authorizer-issuer-gone", "an authorizer names no issuer", TOKENS,
             _removed(_jwt("JwtConfiguration", "Issuer", bad=GONE))),
    *obfuscated("authorizer-audience", "an authorizer names no audience", TOKENS,
               _jwt("JwtConfiguration", "Audience", bad=NO_VALUE), (IF,)),
    *obfuscated("authorizer-issuer", "an authorizer's issuer is empty", TOKENS,
               _jwt("JwtConfiguration", "Issuer", bad=""), (IF, *UNKNOWABLE)),
    Operator("authorizer-pools-gone", "an authorizer names no user pool", TOKENS,
             _removed(_pools)),
    Operator("throttle-default", "a stage limits no route by default", THROTTLED,
             _removed(_default)),
    *obfuscated("throttle-default", "a stage limits no route by default", THROTTLED, _default,
               (IF,)),
    Operator("throttle-route", "a route has no limit of its own", THROTTLED, _removed(_settings)),
    *obfuscated("throttle-route", "a route has no limit of its own", THROTTLED, _settings, (IF,)),
    Operator("throttle-routes", "no route has a limit of its own", THROTTLED,
             _removed(_all_settings)),
    *obfuscated("throttle-routes", "no route has a limit of its own", THROTTLED, _all_settings,
               (IF,)),
    Operator("throttle-half", "a route has only one of the two limits", THROTTLED,
             _removed(_limits(None))),
    plain("throttle-off", "a limit of -1, which means no limit", THROTTLED, _limits(-1)),
    *obfuscated("throttle-off", "a limit of -1, which means no limit", THROTTLED, _limits(-1)),
    Operator("throttle-case", "a limit for a route in lower case", THROTTLED,
             _other_key(str.lower)),
    Operator("throttle-path", "a limit for a route with another path", THROTTLED,
             _other_key(lambda key: f"{key}/")),
    Operator("throttle-new", "one more route, without a limit", THROTTLED,
             _one_more("GET /mutant", guarded=True)),
    plain("cors-origin", "CORS allows every origin", NAMED, ORIGIN),
    plain("cors-scheme", "CORS allows every origin of a scheme", NAMED, _cors("AllowOrigins", "https://*")),
    plain("cors-methods", "CORS allows every method", NAMED, _cors("AllowMethods", "*")),
    plain("cors-headers", "CORS allows every header", NAMED, _cors("AllowHeaders", "*")),
    plain("cors-exposed", "CORS exposes every header", NAMED, _cors("ExposeHeaders", "*")),
    *obfuscated("cors-origin", "CORS allows every origin", NAMED, ORIGIN),
    plain("cors-answer", "a method allows every origin", NAMED, _headers("'*'")),
    *obfuscated("cors-answer", "a method allows every origin", NAMED, _headers("'*'"),
               (IF, *UNKNOWABLE)),
    Operator("access-gone", "a stage writes no access log", LOGGED, _removed(_access_log())),
    *obfuscated("access", "a stage writes no access log", LOGGED, _access_log(), (IF,)),
    Operator("access-nowhere", "an access log has no destination", LOGGED,
             _removed(_access_log("DestinationArn"))),
    Operator("access-formless", "an access log has no format", LOGGED,
             _removed(_access_log("Format"))),
    plain("access-empty", "an access log's format is empty", LOGGED, _empty_format),
)  # fmt: skip
