"""TL_EDGE_2: an authorizer names the issuer and the audience of the tokens that it accepts."""

from collections.abc import Iterable, Iterator

from tljudge.decode.errors import shortened
from tljudge.decode.nodes import Mark
from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource
from tljudge.resolve.values import NOVALUE, Text, Unknown, Value, as_map, why
from tljudge.resources.api_definitions import definition, schemes
from tljudge.resources.routes import APIS
from tljudge.resources.tags import emptiness

HTTP, REST = "AWS::ApiGatewayV2::Authorizer", "AWS::ApiGateway::Authorizer"
_EXTENSION = "x-amazon-apigateway-authorizer"


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge an authorizer, or the JWT authorizers of an imported definition."""
    if resource.type in APIS:
        document = definition(resource)
        for name, scheme in schemes(document).items() if isinstance(document, dict) else ():
            body = scheme.get(_EXTENSION) if isinstance(scheme, dict) else None
            if isinstance(body, dict) and str(body.get("type", "")).lower() == "jwt":
                mark = as_map(scheme).marks.get(_EXTENSION, resource.mark_of("Body"))
                inner = body.get("jwtConfiguration", NOVALUE)
                yield from _tokens(inner, "issuer", "audience", mark, f"{shortened(name, 40)}: ")
        return
    kind = resource.get("AuthorizerType" if resource.type == HTTP else "Type")
    mark = resource.mark_of("AuthorizerType")
    if isinstance(kind, Unknown | Text):
        yield unknown(f"its type is unknown: {why(kind)}", mark)
    elif kind == "JWT":
        inner = resource.get("JwtConfiguration")
        mark = resource.mark_of("JwtConfiguration")
        yield from _tokens(inner, "Issuer", "Audience", mark, "")
    elif kind == "COGNITO_USER_POOLS":
        yield from _filled(resource.get("ProviderARNs"), "user pool", resource.mark)
    else:
        yield from _filled(resource.get("AuthorizerUri"), "function", resource.mark)


def _tokens(value: Value, issuer: str, audience: str, mark: Mark, where: str) -> Iterator[Verdict]:
    if isinstance(value, Unknown):
        yield unknown(f"{where}its issuer and audience are unknown: {why(value)}", mark)
        return
    inner = value if isinstance(value, dict) else {}
    yield from _filled(inner.get(issuer, NOVALUE), f"{where}issuer", mark)
    yield from _filled(inner.get(audience, NOVALUE), f"{where}audience", mark)


def _filled(value: Value, name: str, mark: Mark) -> Iterator[Verdict]:
    values: Iterable[Value] = [] if value is NOVALUE else [value]
    if isinstance(value, dict | list):
        values = list(value)
    states = [emptiness(element) for element in values]
    if not states or "empty" in states:
        yield fail(f"names no {name}" if ": " not in name else f"{name} is not named", mark)
    elif any(state != "full" for state in states):
        yield unknown(f"its {name} may be empty", mark)


RULE = Rule(
    id="TL_EDGE_2",
    title="An authorizer names issuer and audience",
    why="otherwise the API accepts a token for another app, or from another issuer",
    fix="name the issuer and every audience, the user pools, or the function",
    source="https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html",
    types=(HTTP, REST, *APIS),
    check=check,
)
