"""Routes and methods of APIs: declared, imported or created by AWS, each with its authorizer."""

from collections.abc import Iterator
from dataclasses import dataclass

from tljudge.decode.nodes import Mark
from tljudge.resolve.deployment import Deployment, Resource
from tljudge.resolve.values import (
    NOVALUE,
    Text,
    Unknown,
    Value,
    display,
    key_of,
    pieces,
    why,
)
from tljudge.resources.api_definitions import (
    GUARDED,
    OPEN,
    UNCLEAR,
    definition,
    operations,
    secured,
)

HTTP_API, REST_API = "AWS::ApiGatewayV2::Api", "AWS::ApiGateway::RestApi"
ROUTE, METHOD = "AWS::ApiGatewayV2::Route", "AWS::ApiGateway::Method"
OVERRIDES = "AWS::ApiGatewayV2::ApiGatewayManagedOverrides"
APIS = {HTTP_API: "ApiId", REST_API: "RestApiId"}
_AUTHORIZERS = ("AWS::ApiGatewayV2::Authorizer", "AWS::ApiGateway::Authorizer")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route of an HTTP API or a method of a REST API.

    Attributes:
        key: its name in stage settings, `GET /infer/{id}` or `$default`; None if unknown.
        name: its name in messages.
        state: `open`, `guarded` or `unclear`.
        why: the reason for the state.
        needs_key: whether callers need an API key, so that usage plans apply; None if unknown.
        mark: its place.
    """

    key: str | None
    name: str
    state: str
    why: str
    needs_key: bool | None
    mark: Mark


def api_key(value: Value) -> str:
    """A key that is equal for all references to the same API."""
    if isinstance(value, Unknown) and value.origin is not None:
        return f"{value.origin[0]}{value.origin[1]}"
    return key_of(value) if not isinstance(value, dict | list) else ""


def api_of(resource: Resource) -> tuple[str, Resource | None]:
    """The API of a route, method or stage: its key, and its resource if it is declared."""
    if resource.type in APIS:
        return f"{resource.stack.path}{resource.id}", resource
    name = "RestApiId" if resource.type.startswith("AWS::ApiGateway::") else "ApiId"
    value = resource.get(name)
    declared = resource.deployment.at(value.origin) if isinstance(value, Unknown) else None
    if declared is not None and declared.type not in APIS:
        declared = None
    return api_key(value), declared


def of_api(deployment: Deployment, key: str, *kinds: str) -> Iterator[Resource]:
    """Yield the existing resources of these types that belong to an API, given by its key."""
    for resource in deployment.of_type(*kinds):
        if api_of(resource)[0] == key:
            yield resource


def endpoints(resource: Resource) -> Iterator[Endpoint]:
    """Yield the routes and methods that a resource creates."""
    if resource.type == ROUTE:
        yield _route(resource)
    elif resource.type == METHOD:
        yield _method(resource)
    elif resource.type in APIS:
        yield from _created_by_aws(resource)
        yield from _imported(resource)


# ---- declared as resources ----


def _route(resource: Resource) -> Endpoint:
    key = _text(resource.get("RouteKey"))
    name = display(resource.get("RouteKey"), 60)
    state, reason = _access(resource, resource.get("AuthorizationType"))
    if state != GUARDED:
        verb = _verb(resource.get("RouteKey"))
        if verb == "OPTIONS":
            state, reason = GUARDED, ""  # browsers send CORS preflight requests without a token
        elif _is_websocket(resource, key):
            if key != "$connect":
                state, reason = _by_connection(resource)
        elif verb is None and state == OPEN:
            state, reason = UNCLEAR, f"its route key is unknown, and {reason}"
    return Endpoint(key, name, state, reason, None, resource.mark_of("AuthorizationType"))


def _is_websocket(resource: Resource, key: str | None) -> bool:
    """Whether a route belongs to a WebSocket API, where only `$connect` has an authorizer."""
    _, api = api_of(resource)
    if api is not None:
        return bool(api.get("ProtocolType") == "WEBSOCKET")
    return key is not None and key != "$default" and " " not in key


def _by_connection(resource: Resource) -> tuple[str, str]:
    key, _ = api_of(resource)
    for route in of_api(resource.deployment, key, ROUTE):
        if route.get("RouteKey") == "$connect":
            return GUARDED, ""  # the $connect route gets its own verdict
    return OPEN, "the API has no $connect route with an authorizer"


def _method(resource: Resource) -> Endpoint:
    verb, path = _text(resource.get("HttpMethod")), method_path(resource)
    state, reason = _access(resource, resource.get("AuthorizationType"))
    if state != GUARDED:
        if verb == "OPTIONS":
            state, reason = GUARDED, ""
        elif verb is None and state == OPEN:
            state, reason = UNCLEAR, f"its method is unknown, and {reason}"
    key = None if verb is None or path is None else f"{verb} {path}"
    name = f"{display(resource.get('HttpMethod'), 20)} {path or '(unknown path)'}"
    asked = resource.get("ApiKeyRequired")
    needs_key = None if isinstance(asked, Unknown | Text) else str(asked).lower() == "true"
    return Endpoint(key, name, state, reason, needs_key, resource.mark_of("AuthorizationType"))


def method_path(method: Resource) -> str | None:
    """The path of a REST method, such as `/infer/{id}`; None if a resource above is unknown."""
    value = method.get("ResourceId")
    parts: list[str] = []
    while True:
        declared = method.deployment.at(value.origin) if isinstance(value, Unknown) else None
        if declared is None or len(parts) > 30:
            return None
        if declared.type == REST_API:
            return "/" + "/".join(reversed(parts))
        part = declared.get("PathPart")
        if declared.type != "AWS::ApiGateway::Resource" or not isinstance(part, str):
            return None
        parts.append(part)
        value = declared.get("ParentId")


def _access(resource: Resource, kind: Value, named: Value = NOVALUE) -> tuple[str, str]:
    """Judge an authorization type: its state, and the reason."""
    if isinstance(kind, Unknown | Text):
        return UNCLEAR, f"its authorization is unknown: {why(kind)}"
    if kind is NOVALUE or kind == "NONE":
        return OPEN, "it has no authorizer"
    if kind == "AWS_IAM":
        return GUARDED, ""
    if kind not in ("JWT", "CUSTOM", "COGNITO_USER_POOLS"):
        return OPEN, f"API Gateway has no authorization type {display(kind, 30)}"
    authorizer = resource.get("AuthorizerId") if named is NOVALUE else named
    if authorizer is NOVALUE:
        return OPEN, f"{kind} without an authorizer"
    declared = (
        resource.deployment.at(authorizer.origin) if isinstance(authorizer, Unknown) else None
    )
    if declared is None:
        reason = why(authorizer) if isinstance(authorizer, Unknown | Text) else "it is a literal id"
        return UNCLEAR, f"its authorizer is not declared in this deployment: {reason}"
    if declared.type not in _AUTHORIZERS:
        return OPEN, f"{declared.id} is not an authorizer"
    return GUARDED, ""


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) else None


def _verb(key: Value) -> str | None:
    """The method at the start of a route key, in upper case; None if it is unknown."""
    first = pieces(key)[0] if isinstance(key, str | Text) else None
    if not isinstance(first, str):
        return None
    return first.split(" ", 1)[0].upper() if " " in first or first == key else None


# ---- created by AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop.html


def overrides(api: Resource) -> Iterator[Resource]:
    """Yield the overrides of the route and stage that AWS creates for an API with a Target."""
    for override in api.deployment.of_type(OVERRIDES):
        if api_key(override.get("ApiId")) == api_of(api)[0]:
            yield override


def has_target(api: Resource) -> bool:
    """Whether the API has a Target, for which AWS creates a route and a stage."""
    return api.type == HTTP_API and api.get("Target") is not NOVALUE


def _created_by_aws(api: Resource) -> Iterator[Endpoint]:
    if not has_target(api):
        return
    key = _text(api.get("RouteKey")) if api.get("RouteKey") is not NOVALUE else "$default"
    state, reason = OPEN, "Target creates a route without an authorizer"
    for override in overrides(api):
        route = override.get("Route")
        if isinstance(route, Unknown):
            state, reason = UNCLEAR, why(route)
        elif isinstance(route, dict) and "AuthorizationType" in route:
            kind, authorizer = route["AuthorizationType"], route.get("AuthorizerId", "")
            state, reason = _access(override, kind, authorizer)
    yield Endpoint(key, key or "its route", state, reason, None, api.mark_of("Target"))


# ---- imported ----


def _imported(api: Resource) -> Iterator[Endpoint]:
    document = definition(api)
    mark = api.mark_of("Body") if api.get("Body") is not NOVALUE else api.mark
    if isinstance(document, str):
        yield Endpoint(None, "its routes", UNCLEAR, document, None, mark)
    if not isinstance(document, dict):
        return
    for verb, path, body, operation_mark in operations(document, mark):
        key = "$default" if path == "/$default" else f"{verb} {path}"
        if isinstance(body, Unknown):
            yield Endpoint(None, key, UNCLEAR, why(body), None, operation_mark)
            continue
        state, reason, needs_key = secured(document, body)
        if verb == "OPTIONS":
            state, reason = GUARDED, ""
        yield Endpoint(key, key, state, reason, needs_key, operation_mark)
