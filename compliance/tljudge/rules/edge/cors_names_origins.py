"""TL_EDGE_4: CORS admits named origins, methods and headers only."""

from collections.abc import Iterable, Iterator

from tljudge.decode.nodes import Map, Mark
from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource
from tljudge.resolve.values import (
    EMPTY,
    NOVALUE,
    Text,
    Unknown,
    Value,
    as_map,
    display,
    is_plain,
    pieces,
    why,
)
from tljudge.resources.api_definitions import definition, operations
from tljudge.resources.routes import HTTP_API, METHOD, REST_API

URL, ANSWER = "AWS::Lambda::Url", "AWS::ApiGateway::GatewayResponse"
_LISTS = ("AllowOrigins", "AllowMethods", "AllowHeaders", "ExposeHeaders")
_HEADER = "access-control-"


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the CORS headers that the gateway adds; those of a function are not in the template."""
    if resource.type in (HTTP_API, URL):
        name = "CorsConfiguration" if resource.type == HTTP_API else "Cors"
        yield from _settings(resource.get(name), resource.mark_of(name), _LISTS)
    if resource.type == METHOD:
        integration = resource.get("Integration")
        mark = resource.mark_of("Integration")
        yield from _responses(integration, "IntegrationResponses", "ResponseParameters", mark)
    elif resource.type == ANSWER:
        name = "ResponseParameters"
        yield from _headers(resource.get(name), resource.mark_of(name))
    elif resource.type in (HTTP_API, REST_API):
        document = definition(resource)
        if isinstance(document, dict):
            yield from _document(document, resource.mark_of("Body"))


def _settings(value: Value, mark: Mark, names: tuple[str, ...]) -> Iterator[Verdict]:
    if value is NOVALUE:
        return
    if not isinstance(value, dict):
        reason = why(value) if isinstance(value, Unknown | Text) else "it is not a mapping"
        yield unknown(f"its CORS settings are unknown: {reason}", mark)
        return
    credentials = value.get(
        names[0].replace("Origins", "Credentials").replace("origins", "credentials")
    )
    with_cookies = ", with credentials" if str(credentials).lower() == "true" else ""
    for name in names:
        inner = value.get(name, NOVALUE)
        at = value.marks.get(name, mark)
        marks = inner.marks if isinstance(inner, list) else None
        listed = inner if isinstance(inner, list) else [] if inner is NOVALUE else [inner]
        for index, entry in enumerate(listed):
            entry_mark = marks[index] if marks else at
            yield from _judged(entry, f"{name[0].upper()}{name[1:]}", entry_mark, with_cookies)


def _judged(value: Value, name: str, mark: Mark, more: str = "") -> Iterator[Verdict]:
    if isinstance(value, dict | list):
        yield unknown(f"{name} has an unexpected shape", mark)
        return
    literal = "".join(piece for piece in pieces(value) if isinstance(piece, str))
    if "*" in literal:
        yield fail(f"{name} has a wildcard: {display(value, 60)}{more}", mark)
    elif not is_plain(value):
        yield unknown(f"{name} may have a wildcard: {why(value)}", mark)


def _headers(value: Value, mark: Mark) -> Iterator[Verdict]:
    """Judge the CORS headers among the parameters of a response."""
    if isinstance(value, Unknown):
        yield unknown(f"its response headers are unknown: {why(value)}", mark)
    for name, inner in value.items() if isinstance(value, dict) else ():
        header = name.rsplit(".", 1)[-1]
        if header.lower().startswith(_HEADER):
            yield from _judged(inner, header, as_map(value).marks.get(name, mark))


def _responses(value: Value, listed: str, parameters: str, mark: Mark) -> Iterator[Verdict]:
    if isinstance(value, Unknown):
        yield unknown(f"its responses are unknown: {why(value)}", mark)
        return
    responses = value.get(listed, NOVALUE) if isinstance(value, dict) else NOVALUE
    bodies: Iterable[Value] = [responses]
    if isinstance(responses, dict):
        bodies = responses.values()
    elif isinstance(responses, list):
        bodies = responses
    for body in bodies:
        if isinstance(body, Unknown):
            yield unknown(f"its responses are unknown: {why(body)}", mark)
        elif isinstance(body, dict):
            at = body.marks.get(parameters, mark)
            yield from _headers(body.get(parameters, EMPTY), at)


def _document(document: Map[Value], mark: Mark) -> Iterator[Verdict]:
    marks = document.marks
    name = "x-amazon-apigateway-cors"
    lists = tuple(f"{key[0].lower()}{key[1:]}" for key in _LISTS)
    yield from _settings(document.get(name, NOVALUE), marks.get(name, mark), lists)
    name = "x-amazon-apigateway-gateway-responses"
    responses = document.get(name, EMPTY)
    for response in responses.values() if isinstance(responses, dict) else ():
        inner = (
            response.get("responseParameters", EMPTY) if isinstance(response, dict) else response
        )
        yield from _headers(inner, marks.get(name, mark))
    for _, _, body, at in operations(document, mark):
        integration: Value = EMPTY
        if isinstance(body, dict):
            integration = body.get("x-amazon-apigateway-integration", EMPTY)
        yield from _responses(integration, "responses", "responseParameters", at)


RULE = Rule(
    id="TL_EDGE_4",
    title="CORS names its origins",
    why="with a wildcard, any page in a user's browser calls the API in the user's name",
    fix="list scheme, host and port of each origin, and the methods and headers that are used",
    source="https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html",
    types=(HTTP_API, REST_API, METHOD, ANSWER, URL),
    check=check,
)
