"""TL_IAM_7: a policy on a resource or an endpoint lets in whom it names, never everybody."""

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
# Through an endpoint, what may be reached is a bound as well.
REACHED = ("aws:resourceaccount", "aws:resourceorgid", "aws:resourceorgpaths")
SOURCE = ("aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths")
_ADDRESSES = ("aws:sourceip", "aws:vpcsourceip")


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge each Allow with the condition beside it."""
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
            yield from _everybody(resource.get("Principal"), "lets everybody in", mark)
    for statement in statements(resource):
        yield from _judged(statement, CALLER, policy)


def _endpoint(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """AWS lets everybody through an endpoint that says nothing."""
    value, mark = resource.get("PolicyDocument"), resource.mark_of("PolicyDocument")
    kind, service = resource.get("VpcEndpointType"), resource.get("ServiceName")
    if value is NOVALUE and kind not in ("GatewayLoadBalancer", "Resource", "ServiceNetwork"):
        known = for_matching(service, "\0")
        if known.startswith("com.amazonaws.vpce."):
            return  # a service of somebody's own, which takes no policy
        if known.startswith(("com.amazonaws.", "aws.")) and not isinstance(kind, Unknown | Text):
            yield fail("has no policy, so AWS lets everybody do everything through it", mark)
        else:
            yield unknown("it has no policy, and what it leads to is not known", mark)
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
                message = f"lets {text} in for any account"
                yield from _bound(statement, SOURCE, message, mark)
        elif not text.strip("*"):
            if is_plain(value):
                yield from _bound(statement, keys, "lets everybody in", mark)
            elif bounded_by(statement, *keys) is not True:
                yield unknown(f"whom it lets in is not known: {why(value)}", mark)


def _principals(statement: Statement) -> Iterator[tuple[str, Value, Mark]]:
    principal = statement.body["Principal"]
    mark = mark_in(statement.body, "Principal", statement.mark)
    if not isinstance(principal, dict):
        yield "AWS", principal, mark
        return
    for kind, value in principal.items():
        at = mark_in(principal, kind, mark)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str | int | Unknown | Text):
                yield kind, one, at


def _bound(
    statement: Statement, keys: tuple[str, ...], message: str, mark: Mark
) -> Iterator[Verdict]:
    bound = bounded_by(statement, *keys)
    if bound is None:
        yield unknown(f"{message}, unless a condition that is not known says otherwise", mark)
    elif not bound and not _by_address(statement):
        yield fail(f"{message}; no condition says from where", mark)


def _by_address(statement: Statement) -> bool:
    """Whether a condition names addresses that are fewer than all."""
    block = statement.body.get("Condition")
    for operator, tests in block.items() if isinstance(block, dict) else ():
        if operator.lower() != "ipaddress" or not isinstance(tests, dict):
            continue
        for key, value in tests.items():
            listed = value if isinstance(value, list) else [value]
            if key.lower() in _ADDRESSES and listed and not any(map(_is_world, listed)):
                return True
    return False


def _is_world(value: Value) -> bool:
    """Whether an address range is all there is, or nobody knows."""
    if not isinstance(value, str | int):
        return True
    try:
        return ipaddress.ip_network(value, strict=False).prefixlen == 0
    except ValueError:
        return True


def _permission(resource: Resource) -> Iterator[Verdict]:
    """A function's or layer's permission; its conditions are properties."""
    value, mark = resource.get("Principal"), resource.mark_of("Principal")
    if resource.type == LAYER:
        if resource.get("OrganizationId") is NOVALUE:
            yield from _everybody(value, "lets everybody use the layer", mark)
        return
    names = ("SourceArn", "SourceAccount", "PrincipalOrgID", "EventSourceToken")
    if any(resource.get(name) is not NOVALUE for name in names):
        return
    yield from _everybody(value, "lets everybody call the function", mark)
    text = for_matching(value, "x") if not isinstance(value, dict | list) else ""
    if is_plain(value) and text.endswith(".amazonaws.com"):
        yield fail(f"lets {text} call for any account: no SourceArn or SourceAccount", mark)


def _everybody(value: Value, message: str, mark: Mark) -> Iterator[Verdict]:
    if isinstance(value, dict | list) or value is NOVALUE:
        return
    if not for_matching(value, "*").strip("*"):
        if is_plain(value):
            yield fail(f"{message}: Principal {display(value)}", mark)
        else:
            yield unknown(f"whom it lets in is not known: {why(value)}", mark)


RULE = Rule(
    id="TL_IAM_7",
    title="Policies on resources name their principals",
    why="everybody is every account of AWS, and with a bucket or a topic the internet",
    fix="name the principal, or bound it by a condition on account, organisation, ARN or VPC",
    source="https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html",
    types=(*ON_RESOURCES, ENDPOINT, PERMISSION, LAYER),
    check=check,
)
