"""TL_EDGE_1: every route and method has an authorizer."""

from collections.abc import Iterator

from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource
from tljudge.resolve.values import Text, Unknown, why
from tljudge.resources.api_definitions import OPEN, UNCLEAR
from tljudge.resources.routes import APIS, METHOD, ROUTE, endpoints

URL = "AWS::Lambda::Url"


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge every route that a resource creates, and the URL of a function.

    OPTIONS needs no authorizer: browsers send CORS preflight requests without a token.
    """
    if resource.type == URL:
        kind, mark = resource.get("AuthType"), resource.mark_of("AuthType")
        if isinstance(kind, Unknown | Text):
            yield unknown(f"whether its URL is open is unknown: {why(kind)}", mark)
        elif kind != "AWS_IAM":
            yield fail("its URL is open to everybody: AuthType is not AWS_IAM", mark)
        return
    for endpoint in endpoints(resource):
        if endpoint.state == OPEN:
            yield fail(f"{endpoint.name} is open to everybody: {endpoint.why}", endpoint.mark)
        elif endpoint.state == UNCLEAR:
            yield unknown(
                f"whether {endpoint.name} is open is unknown: {endpoint.why}", endpoint.mark
            )


RULE = Rule(
    id="TL_EDGE_1",
    title="Every route has an authorizer",
    why="a route without an authorizer serves, and bills, everybody on the internet",
    fix="give it a JWT, IAM or custom authorizer that this stack declares",
    source="https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control.html",
    types=(ROUTE, METHOD, *APIS, URL),
    check=check,
)
