"""TL_IAM_7: the policy of a resource or an endpoint admits named principals, never everybody."""

import ipaddress
from collections.abc import Iterator

from tljudge.decode.nodes import Mark
from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource
from tljudge.resolve.values import (
    NOVALUE,
    Text,
    Unknown,
    Value,
    display,
    for_matching,
    is_plain,
    why,
)
from tljudge.resources.statements import (
    ON_RESOURCES,
    Statement,
    bounded_by,
    document,
    mark_in,
    statements,
)

ENDPOINT, PERMISSION = "AWS::EC2::VPCEndpoint", "AWS::Lambda::Permission"
LAYER, BUS = "AWS::Lambda::LayerVersionPermission", "AWS::Events::EventBusPolicy"
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
CALLER = (
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "kms:calleraccount",
    "s3:dataaccesspointaccount",
)
# The policy of an endpoint may also be bounded by the resources that it reaches.
REACHED = ("aws:resourceaccount", "aws:resourceorgid", "aws:resourceorgpaths")
SOURCE = ("aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths")
_ADDRESSES = ("aws:sourceip", "aws:vpcsourceip")


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the principals of each Allow, together with its condition."""
    if resource.type in (PERMISSION, LAYER):
        yield from _permission(resource)
        return
    if resource.type == ENDPOINT:
        yield from _endpoint(resource, policy)
        return
    if resource.type == BUS and resource.get("Principal") is not NOVALUE:
        condition = resource.get("Condition")
        if condition is NOVALUE:
            mark = resource.mark_of("Principal")
            yield from _everybody(resource.get("Principal"), "admits everybody", mark)
    for statement in statements(resource):
        yield from _judged(statement, CALLER, policy)


def _endpoint(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge an endpoint: without a policy, AWS allows everybody every request."""
    value, mark = resource.get("PolicyDocument"), resource.mark_of("PolicyDocument")
    kind, service = resource.get("VpcEndpointType"), resource.get("ServiceName")
    if value is NOVALUE and kind not in ("GatewayLoadBalancer", "Resource", "ServiceNetwork"):
        service_name = for_matching(service, "\0")
        if service_name.startswith("com.amazonaws.vpce."):
            return  # an endpoint of a private service takes no policy
        if service_name.startswith(("com.amazonaws.", "aws.")) and not isinstance(
            kind, Unknown | Text
        ):
            yield fail("has no policy, so AWS allows everybody every request through it", mark)
        else:
            yield unknown("has no policy, and its service is unknown", mark)
    for statement in document(value, mark):
        yield from _judged(statement, (*CALLER, *REACHED), policy)


def _judged(statement: Statement, keys: tuple[str, ...], policy: Policy) -> Iterator[Verdict]:
    if statement.why:
        yield unknown(f"its policy cannot be read: {statement.why}", statement.mark)
        return
    if not statement.allows() or "Principal" not in statement.body:
        return
    for kind, value, mark in _principals(statement):
        text = for_matching(value, "*")
        if kind == "Service" and is_plain(value):
            if text.lower() in policy.deputies:
                message = f"admits {text} for any account"
                yield from _bound(statement, SOURCE, message, mark)
        elif not text.strip("*"):
            if is_plain(value):
                yield from _bound(statement, keys, "admits everybody", mark)
            elif bounded_by(statement, *keys) is not True:
                yield unknown(f"its principal is unknown: {why(value)}", mark)


def _principals(statement: Statement) -> Iterator[tuple[str, Value, Mark]]:
    principal = statement.body["Principal"]
    mark = mark_in(statement.body, "Principal", statement.mark)
    if not isinstance(principal, dict):
        yield "AWS", principal, mark
        return
    for kind, value in principal.items():
        kind_mark = mark_in(principal, kind, mark)
        for principal_value in value if isinstance(value, list) else [value]:
            if isinstance(principal_value, str | int | Unknown | Text):
                yield kind, principal_value, kind_mark


def _bound(
    statement: Statement, keys: tuple[str, ...], message: str, mark: Mark
) -> Iterator[Verdict]:
    bound = bounded_by(statement, *keys)
    if bound is None:
        yield unknown(f"{message}, unless an unknown condition narrows it", mark)
    elif not bound and not _by_address(statement):
        yield fail(f"{message}; no condition narrows the caller", mark)


def _by_address(statement: Statement) -> bool:
    """Whether a condition narrows a statement by source addresses."""
    block = statement.body.get("Condition")
    for operator, tests in block.items() if isinstance(block, dict) else ():
        if operator.lower() != "ipaddress" or not isinstance(tests, dict):
            continue
        for key, value in tests.items():
            listed = value if isinstance(value, list) else [value]
            if key.lower() in _ADDRESSES and listed and not any(map(_is_any_address, listed)):
                return True
    return False


def _is_any_address(value: Value) -> bool:
    """Whether an address range covers every address, or is unknown."""
    if not isinstance(value, str | int):
        return True
    try:
        return ipaddress.ip_network(value, strict=False).prefixlen == 0
    except ValueError:
        return True


def _permission(resource: Resource) -> Iterator[Verdict]:
    """Judge a permission of a function or layer, whose conditions are properties."""
    value, mark = resource.get("Principal"), resource.mark_of("Principal")
    if resource.type == LAYER:
        if resource.get("OrganizationId") is NOVALUE:
            yield from _everybody(value, "allows everybody to use the layer", mark)
        return
    names = ("SourceArn", "SourceAccount", "PrincipalOrgID", "EventSourceToken")
    if any(resource.get(name) is not NOVALUE for name in names):
        return
    yield from _everybody(value, "allows everybody to call the function", mark)
    text = for_matching(value, "x") if not isinstance(value, dict | list) else ""
    if is_plain(value) and text.endswith(".amazonaws.com"):
        yield fail(f"allows {text} to call for any account: no SourceArn or SourceAccount", mark)


def _everybody(value: Value, message: str, mark: Mark) -> Iterator[Verdict]:
    if isinstance(value, dict | list) or value is NOVALUE:
        return
    if not for_matching(value, "*").strip("*"):
        if is_plain(value):
            yield fail(f"{message}: Principal {display(value)}", mark)
        else:
            yield unknown(f"its principal is unknown: {why(value)}", mark)


RULE = Rule(
    id="TL_IAM_7",
    title="Policies on resources name their principals",
    why="everybody means every AWS account, and for a bucket or topic the internet",
    fix="name the principal, or bound it by a condition on account, organisation, ARN or VPC",
    source="https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html",
    types=(*ON_RESOURCES, ENDPOINT, PERMISSION, LAYER),
    check=check,
)
