"""TL_EDGE_4: cross-origin access is given to named origins, methods and headers only."""

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
    """Judge what the gateway itself answers; what a function answers is not in a template."""
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
        reason = why(value) if isinstance(value, Unknown | Text) else "it is no mapping"
        yield unknown(f"its CORS settings are not known: {reason}", mark)
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
        for index, one in enumerate(listed):
            place = marks[index] if marks else at
            yield from _judged(one, f"{name[0].upper()}{name[1:]}", place, with_cookies)


def _judged(value: Value, what: str, mark: Mark, more: str = "") -> Iterator[Verdict]:
    if isinstance(value, dict | list):
        yield unknown(f"{what} has a shape that is not known", mark)
        return
    literal = "".join(piece for piece in pieces(value) if isinstance(piece, str))
    if "*" in literal:
        yield fail(f"{what} has a wildcard: {display(value, 60)}{more}", mark)
    elif not is_plain(value):
        yield unknown(f"{what} may have a wildcard: {why(value)}", mark)


def _headers(value: Value, mark: Mark) -> Iterator[Verdict]:
    """Parameters of a response, by the header they set."""
    if isinstance(value, Unknown):
        yield unknown(f"which headers it answers is not known: {why(value)}", mark)
    for name, inner in value.items() if isinstance(value, dict) else ():
        header = name.rsplit(".", 1)[-1]
        if header.lower().startswith(_HEADER):
            yield from _judged(inner, header, as_map(value).marks.get(name, mark))


def _responses(value: Value, listed: str, parameters: str, mark: Mark) -> Iterator[Verdict]:
    if isinstance(value, Unknown):
        yield unknown(f"what it answers is not known: {why(value)}", mark)
        return
    found = value.get(listed, NOVALUE) if isinstance(value, dict) else NOVALUE
    answers: Iterable[Value] = [found]
    if isinstance(found, dict):
        answers = found.values()
    elif isinstance(found, list):
        answers = found
    for answer in answers:
        if isinstance(answer, Unknown):
            yield unknown(f"what it answers is not known: {why(answer)}", mark)
        elif isinstance(answer, dict):
            at = answer.marks.get(parameters, mark)
            yield from _headers(answer.get(parameters, EMPTY), at)


def _document(document: Map[Value], mark: Mark) -> Iterator[Verdict]:
    marks = document.marks
    name = "x-amazon-apigateway-cors"
    lists = tuple(f"{one[0].lower()}{one[1:]}" for one in _LISTS)
    yield from _settings(document.get(name, NOVALUE), marks.get(name, mark), lists)
    name = "x-amazon-apigateway-gateway-responses"
    answers = document.get(name, EMPTY)
    for answer in answers.values() if isinstance(answers, dict) else ():
        inner = answer.get("responseParameters", EMPTY) if isinstance(answer, dict) else answer
        yield from _headers(inner, marks.get(name, mark))
    for _, _, body, at in operations(document, mark):
        calls: Value = EMPTY
        if isinstance(body, dict):
            calls = body.get("x-amazon-apigateway-integration", EMPTY)
        yield from _responses(calls, "responses", "responseParameters", at)


RULE = Rule(
    id="TL_EDGE_4",
    title="CORS names its origins",
    why="with a wildcard, any page in a user's browser calls the API in the user's name",
    fix="list scheme, host and port of each origin, and the methods and headers that are used",
    source="https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html",
    types=(HTTP_API, REST_API, METHOD, ANSWER, URL),
    check=check,
)
