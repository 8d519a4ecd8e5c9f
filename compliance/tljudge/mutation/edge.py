"""Doors that are left open: without an authorizer, a throttle, named origins or an access log."""

from collections.abc import Callable, Iterator
from typing import Any

from tljudge.mutation.edits import GONE, NO_VALUE, Break, Edit, Path, at, mappings
from tljudge.mutation.obfuscations import IF, ON, UNKNOWABLE, Site, disguised, plain, switch
from tljudge.mutation.operator import Operator
from tljudge.mutation.target import Ground

GUARDED, TOKENS, THROTTLED, NAMED, LOGGED = (
    ("TL_EDGE_1",), ("TL_EDGE_2",), ("TL_EDGE_3",), ("TL_EDGE_4",), ("TL_EDGE_5",)
)  # fmt: skip
API, REST = "AWS::ApiGatewayV2::Api", "AWS::ApiGateway::RestApi"
ROUTE, METHOD, URL = "AWS::ApiGatewayV2::Route", "AWS::ApiGateway::Method", "AWS::Lambda::Url"
AUTHORIZER = "AWS::ApiGatewayV2::Authorizer"
STAGE, REST_STAGE = "AWS::ApiGatewayV2::Stage", "AWS::ApiGateway::Stage"
LIMITS = ("ThrottlingBurstLimit", "ThrottlingRateLimit")
CORS = ("AllowOrigins", "AllowMethods", "AllowHeaders", "ExposeHeaders")
FREELY = {"ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 20}


def _top(logical_id: str, *steps: str | int) -> Path:
    return ("Resources", logical_id, "Properties", *steps)


def _authorization(bad: Any) -> Callable[[Ground], Iterator[Site]]:
    """How a route or method asks who calls; a browser's preflight carries no token."""

    def sites(ground: Ground) -> Iterator[Site]:
        for logical_id, properties in ground.resources(ROUTE, METHOD):
            good = properties.get("AuthorizationType")
            if properties.get("HttpMethod") != "OPTIONS" and good is not None:
                yield Site(_top(logical_id, "AuthorizationType"), bad, good)

    return sites


def _url(ground: Ground) -> Iterator[Site]:
    for logical_id, _ in ground.resources(URL):
        yield Site(_top(logical_id, "AuthType"), "NONE", "AWS_IAM")


def _removed(sites: Callable[[Ground], Iterator[Site]]) -> Callable[[Ground], Iterator[Break]]:
    def apply(ground: Ground) -> Iterator[Break]:
        for site in sites(ground):
            yield (Edit(site.path, GONE),)

    return apply


def _nobody(ground: Ground) -> Iterator[Site]:
    for logical_id, properties in ground.resources(ROUTE, METHOD):
        if "AuthorizerId" in properties:
            yield Site(_top(logical_id, "AuthorizerId"), NO_VALUE, properties["AuthorizerId"])


def _one_more(
    key: str, *, guarded: bool, later: bool = False
) -> Callable[[Ground], Iterator[Break]]:
    """A route beside those of each API, open or without a limit."""

    def apply(ground: Ground) -> Iterator[Break]:
        for logical_id, properties in ground.resources(ROUTE):
            body = {**properties, "RouteKey": key}
            if not guarded:
                asked = ("AuthorizationType", "AuthorizerId", "AuthorizationScopes")
                body = {name: value for name, value in body.items() if name not in asked}
            added = {"Type": ROUTE, **({"Condition": ON} if later else {}), "Properties": body}
            if "Condition" not in ground.body["Resources"][logical_id]:
                place = Edit(("Resources", "MutantRoute"), added)
                yield (place, *switch(ground)) if later else (place,)
                return

    return apply


def _url_added(ground: Ground) -> Iterator[Break]:
    for logical_id, _ in ground.resources("AWS::Lambda::Function"):
        body = {"TargetFunctionArn": {"Ref": logical_id}, "AuthType": "NONE"}
        yield (Edit(("Resources", f"MutantOf{logical_id}"), {"Type": URL, "Properties": body}),)


def _definitions(ground: Ground) -> Iterator[tuple[Path, dict[str, Any]]]:
    for logical_id, properties in ground.resources(API, REST):
        if isinstance(properties.get("Body"), dict):
            yield _top(logical_id, "Body"), properties["Body"]


def _operations(value: Any) -> Callable[[Ground], Iterator[Break]]:
    """What each operation of an imported definition says of security."""

    def apply(ground: Ground) -> Iterator[Break]:
        for path, body in _definitions(ground):
            for inner, found in mappings(body.get("paths"), (*path, "paths")):
                if "security" in found:
                    yield (Edit((*inner, "security"), value),)

    return apply


def _jwt(*steps: str, bad: Any) -> Callable[[Ground], Iterator[Site]]:
    def sites(ground: Ground) -> Iterator[Site]:
        for logical_id, properties in ground.resources(AUTHORIZER):
            good: Any = properties
            for step in steps:
                good = good.get(step) if isinstance(good, dict) else None
            if good is not None:
                yield Site(_top(logical_id, *steps), bad, good)

    return sites


def _pools(ground: Ground) -> Iterator[Site]:
    for logical_id, properties in ground.resources("AWS::ApiGateway::Authorizer"):
        if "ProviderARNs" in properties:
            yield Site(_top(logical_id, "ProviderARNs"), NO_VALUE, properties["ProviderARNs"])


def _default(ground: Ground) -> Iterator[Site]:
    for logical_id, properties in ground.resources(STAGE):
        if "DefaultRouteSettings" in properties:
            good = properties["DefaultRouteSettings"]
            yield Site(_top(logical_id, "DefaultRouteSettings"), NO_VALUE, good)


def _settings(ground: Ground) -> Iterator[Site]:
    """The settings of each route of a stage, and of each method of a REST stage."""
    for logical_id, properties in ground.resources(STAGE, REST_STAGE):
        for key, good in properties.get("RouteSettings", {}).items():
            yield Site(_top(logical_id, "RouteSettings", key), NO_VALUE, good)
        for index, good in enumerate(properties.get("MethodSettings", [])):
            yield Site(_top(logical_id, "MethodSettings", index), NO_VALUE, good)


def _all_settings(ground: Ground) -> Iterator[Site]:
    for logical_id, properties in ground.resources(STAGE, REST_STAGE):
        for name in ("RouteSettings", "MethodSettings"):
            if name in properties:
                yield Site(_top(logical_id, name), NO_VALUE, properties[name])


def _limits(bad: Any) -> Callable[[Ground], Iterator[Site]]:
    """Each limit that stands as such, of a default or of a route."""

    def sites(ground: Ground) -> Iterator[Site]:
        for logical_id, _ in ground.resources(STAGE, REST_STAGE):
            for path, body in mappings(at(ground.body, _top(logical_id)), _top(logical_id)):
                for name in LIMITS:
                    if name in body:
                        yield Site((*path, name), bad, body[name])

    return sites


def _other_key(change: Callable[[str], str]) -> Callable[[Ground], Iterator[Break]]:
    """Settings of a route that is not there, instead of the one that is."""

    def apply(ground: Ground) -> Iterator[Break]:
        for site in _settings(ground):
            key = site.path[-1]
            if isinstance(key, str):
                added = Edit((*site.path[:-1], change(key)), FREELY)
                yield (added, Edit(site.path, GONE))

    return apply


def _cors(name: str, bad: Any) -> Callable[[Ground], Iterator[Site]]:
    """One more element of a list of an API or a function's URL."""

    def sites(ground: Ground) -> Iterator[Site]:
        for kind, settings in ((API, "CorsConfiguration"), (URL, "Cors")):
            for logical_id, properties in ground.resources(kind):
                found = properties.get(settings, {}).get(name)
                path = _top(logical_id, settings, name)
                if isinstance(found, list):
                    yield Site((*path, len(found)), bad, "x")
                elif found is not None:
                    yield Site(path, bad, "x", lambda value: [value])

    return sites


def _headers(bad: Any) -> Callable[[Ground], Iterator[Site]]:
    """What a method of a REST API answers of origins."""

    def sites(ground: Ground) -> Iterator[Site]:
        for logical_id, properties in ground.resources(METHOD):
            for path, body in mappings(properties, _top(logical_id)):
                answered = path[-1] == "ResponseParameters" and "IntegrationResponses" in path
                for name in body if answered else ():
                    if "Allow-Origin" in name:
                        yield Site((*path, name), bad, body[name])

    return sites


def _access_log(*steps: str) -> Callable[[Ground], Iterator[Site]]:
    def sites(ground: Ground) -> Iterator[Site]:
        for kind, name in ((STAGE, "AccessLogSettings"), (REST_STAGE, "AccessLogSetting")):
            for logical_id, properties in ground.resources(kind):
                good = properties.get(name)
                for step in steps:
                    good = good.get(step) if isinstance(good, dict) else None
                if good is not None:
                    yield Site(_top(logical_id, name, *steps), NO_VALUE, good)

    return sites


def _empty_format(ground: Ground) -> Iterator[Site]:
    for site in _access_log("Format")(ground):
        yield Site(site.path, "", site.good)


OPEN, ORIGIN = _authorization("NONE"), _cors("AllowOrigins", "*")
OPERATORS: tuple[Operator, ...] = (
    plain("route-open", "a route asks nobody who he is", GUARDED, OPEN),
    *disguised("route-open", "a route asks nobody who he is", GUARDED, OPEN),
    Operator("route-unsaid", "whether a route asks who calls is not said", GUARDED, _removed(OPEN)),
    Operator("route-nobody", "a route names no authorizer", GUARDED, _removed(_nobody)),
    *disguised("route-nobody", "a route names no authorizer", GUARDED, _nobody, (IF,)),
    Operator("route-added", "one more route, open", GUARDED,
             _one_more("GET /mutant", guarded=False)),
    Operator("route-default", "one more route for all that has none, open", GUARDED,
             _one_more("$default", guarded=False)),
    Operator("route-later", "one more route, open and off by default", GUARDED,
             _one_more("GET /mutant", guarded=False, later=True)),
    plain("url-open", "a function's URL asks nobody who he is", GUARDED, _url),
    *disguised("url-open", "a function's URL asks nobody who he is", GUARDED, _url),
    Operator("url-added", "a function has a URL, open", GUARDED, _url_added),
    Operator("definition-open", "an imported operation needs no security", GUARDED,
             _operations([])),
    Operator("definition-maybe", "an imported operation needs security, or none", GUARDED,
             _operations([{"tokens": []}, {}])),
    Operator("authorizer-audience-gone", "an authorizer names no audience", TOKENS,
             _removed(_jwt("JwtConfiguration", "Audience", bad=GONE))),
    plain("authorizer-audience-none", "an authorizer's audiences are an empty list", TOKENS,
          _jwt("JwtConfiguration", "Audience", bad=[])),
    plain("authorizer-audience-empty", "an authorizer's audience is empty", TOKENS,
          _jwt("JwtConfiguration", "Audience", bad=[""])),
    Operator("authorizer-issuer-gone", "an authorizer names no issuer", TOKENS,
             _removed(_jwt("JwtConfiguration", "Issuer", bad=GONE))),
    *disguised("authorizer-audience", "an authorizer names no audience", TOKENS,
               _jwt("JwtConfiguration", "Audience", bad=NO_VALUE), (IF,)),
    *disguised("authorizer-issuer", "an authorizer's issuer is empty", TOKENS,
               _jwt("JwtConfiguration", "Issuer", bad=""), (IF, *UNKNOWABLE)),
    Operator("authorizer-pools-gone", "an authorizer names no user pool", TOKENS,
             _removed(_pools)),
    Operator("throttle-default", "a stage limits no route by default", THROTTLED,
             _removed(_default)),
    *disguised("throttle-default", "a stage limits no route by default", THROTTLED, _default,
               (IF,)),
    Operator("throttle-route", "a route has no limit of its own", THROTTLED, _removed(_settings)),
    *disguised("throttle-route", "a route has no limit of its own", THROTTLED, _settings, (IF,)),
    Operator("throttle-routes", "no route has a limit of its own", THROTTLED,
             _removed(_all_settings)),
    *disguised("throttle-routes", "no route has a limit of its own", THROTTLED, _all_settings,
               (IF,)),
    Operator("throttle-half", "a route has one limit of two", THROTTLED, _removed(_limits(None))),
    plain("throttle-off", "a limit of -1, which is none", THROTTLED, _limits(-1)),
    *disguised("throttle-off", "a limit of -1, which is none", THROTTLED, _limits(-1)),
    Operator("throttle-case", "a limit for a route in lower case", THROTTLED,
             _other_key(str.lower)),
    Operator("throttle-path", "a limit for a route with another path", THROTTLED,
             _other_key(lambda key: f"{key}/")),
    Operator("throttle-new", "one more route, without a limit", THROTTLED,
             _one_more("GET /mutant", guarded=True)),
    plain("cors-origin", "every origin", NAMED, ORIGIN),
    plain("cors-scheme", "every origin of a scheme", NAMED, _cors("AllowOrigins", "https://*")),
    plain("cors-methods", "every method", NAMED, _cors("AllowMethods", "*")),
    plain("cors-headers", "every header", NAMED, _cors("AllowHeaders", "*")),
    plain("cors-exposed", "every header is exposed", NAMED, _cors("ExposeHeaders", "*")),
    *disguised("cors-origin", "every origin", NAMED, ORIGIN),
    plain("cors-answer", "a method answers every origin", NAMED, _headers("'*'")),
    *disguised("cors-answer", "a method answers every origin", NAMED, _headers("'*'"),
               (IF, *UNKNOWABLE)),
    Operator("access-gone", "a stage writes no access log", LOGGED, _removed(_access_log())),
    *disguised("access", "a stage writes no access log", LOGGED, _access_log(), (IF,)),
    Operator("access-nowhere", "an access log goes nowhere", LOGGED,
             _removed(_access_log("DestinationArn"))),
    Operator("access-formless", "an access log has no format", LOGGED,
             _removed(_access_log("Format"))),
    plain("access-empty", "an access log's format is empty", LOGGED, _empty_format),
)  # fmt: skip
