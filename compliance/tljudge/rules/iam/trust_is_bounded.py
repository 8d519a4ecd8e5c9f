"""TL_IAM_6: a role trusts only the principals that it names."""

import re
from collections.abc import Iterator

from tljudge.decode.nodes import Mark, as_text
from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource
from tljudge.resolve.values import (
    Text,
    Unknown,
    Value,
    display,
    for_matching,
    is_plain,
    pieces,
    why,
)
from tljudge.resources.statements import (
    NARROW_OPERATORS,
    Statement,
    bounded_by,
    document,
    mark_in,
)

NAME = "AssumeRolePolicyDocument"
ORGANISATION = ("aws:PrincipalOrgID", "aws:PrincipalAccount", "aws:PrincipalArn")
SOURCE = ("aws:SourceAccount", "aws:SourceArn", "aws:SourceOrgID", "sts:ExternalId")


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge each principal of the trust policy, together with its condition."""
    for statement in document(resource.get(NAME), resource.mark_of(NAME)):
        if statement.why:
            yield unknown(f"its trust policy cannot be read: {statement.why}", statement.mark)
        elif statement.allows() and "Principal" in statement.body:
            principal = statement.body["Principal"]
            mark = mark_in(statement.body, "Principal", statement.mark)
            if isinstance(principal, dict):
                for kind, value in principal.items():
                    kind_mark = mark_in(principal, kind, mark)
                    for principal_value in value if isinstance(value, list) else [value]:
                        yield from _judged(statement, kind, principal_value, kind_mark, policy)
            else:
                yield from _judged(statement, "AWS", principal, mark, policy)


def _judged(
    statement: Statement, kind: str, value: Value, mark: Mark, policy: Policy
) -> Iterator[Verdict]:
    text = for_matching(value, "*") if not isinstance(value, int) else as_text(value).zfill(12)
    if kind == "Service":
        if not is_plain(value):
            yield unknown(f"trusts an unknown service: {why(value)}", mark)
        elif _service(value) in policy.deputies:
            yield from _need(statement, SOURCE, f"trusts {_service(value)} for any account", mark)
    elif kind == "Federated":
        yield from _federated(statement, value, mark)
    elif not text.strip("*"):
        if is_plain(value):
            yield from _need(statement, ORGANISATION, "trusts everybody", mark)
        elif not bounded_by(statement, "sts:ExternalId"):
            yield unknown(f"trusts an unknown principal: {why(value)}", mark)
    elif kind == "AWS":
        yield from _account(statement, value, text, mark, policy)


def _service(value: Value) -> str:
    """The principal without region: `logs.amazonaws.com` for `logs.eu-central-1.amazonaws.com`."""
    text = for_matching(value, "x").lower()
    return re.sub(r"^([a-z.-]+?)\.([a-z]{2}(-[a-z]+)+-[0-9]|x)\.", r"\1.", text)


def _need(
    statement: Statement, keys: tuple[str, ...], message: str, mark: Mark
) -> Iterator[Verdict]:
    bound = bounded_by(statement, *keys)
    if bound is None:
        yield unknown(f"{message}, unless an unknown condition narrows it", mark)
    elif not bound:
        yield fail(f"{message}; no condition on {' or '.join(keys[:2])}", mark)


def _account(
    statement: Statement, value: Value, text: str, mark: Mark, policy: Policy
) -> Iterator[Verdict]:
    is_id = re.fullmatch(r"[0-9]{12}", text)
    root = text.endswith((":root", ":*"))
    if not is_id and not root:
        return
    account: Value = value
    if not is_id:
        arn_parts = "".join(p if isinstance(p, str) else "\0" for p in pieces(value)).split(":")
        account = arn_parts[4] if len(arn_parts) > 4 else ""
        if account == "\0":
            symbols = [p for p in pieces(value) if isinstance(p, Unknown)]
            relevant = [p for p in symbols if p.key not in ("AWS::Partition", "AWS::Region")]
            if relevant and all(p.key.startswith("AWS::AccountId") for p in relevant):
                return
            if not bounded_by(statement, "sts:ExternalId"):
                yield unknown(f"trusts an unknown account: {why(value)}", mark)
            return
    name = as_text(account).zfill(12)
    if name not in policy.trusted_accounts:
        yield from _need(
            statement, ("sts:ExternalId",), f"trusts everybody in account {name}", mark
        )


def _federated(statement: Statement, provider: Value, mark: Mark) -> Iterator[Verdict]:
    """Judge the audience and subject of a web identity; AWS checks the audience of SAML itself."""
    if not any(_takes_web_identity(action) for action in statement.actions()):
        return
    block = statement.body.get("Condition")
    if isinstance(block, Unknown):
        yield unknown("the condition on a trusted identity provider is unknown", mark)
        return
    tests = list(_narrowing(block))
    audiences = [value for key, value in tests if key.endswith(":aud")]
    if not audiences or any(_is_everything(audience, "x") for audience in audiences):
        yield fail("trusts an identity provider for any audience; no condition on its aud", mark)
    elif any(_is_everything(audience, "*") for audience in audiences):
        yield unknown("the audience of a trusted identity provider is unknown", mark)
    if "cognito-identity" in for_matching(provider, "x"):
        return
    subjects = [value for key, value in tests if key.endswith(":sub")]
    if not subjects:
        yield fail("trusts every subject of an identity provider; no condition on its sub", mark)
    for subject in subjects:
        if _is_everything(subject, "x"):
            yield fail(f"trusts every subject: sub is {display(subject)}", mark)
        elif _is_everything(subject, "*"):
            yield unknown(f"the trusted subjects are unknown: {why(subject)}", mark)


def _takes_web_identity(action: str) -> bool:
    """Whether an action may accept an OpenID Connect token; an unknown action may."""
    return "saml" not in action and action not in ("sts:tagsession", "sts:setsourceidentity")


def _narrowing(block: Value) -> Iterator[tuple[str, Value]]:
    """Yield key, in lower case, and value of each test that a token without the key fails."""
    for operator, tests in block.items() if isinstance(block, dict) else ():
        narrows = operator.lower().removeprefix("foranyvalue:") in NARROW_OPERATORS
        for key, value in tests.items() if narrows and isinstance(tests, dict) else ():
            for operand in value if isinstance(value, list) else [value]:
                # Without wildcards, an unknown operand still is a single value.
                exact = "like" not in operator.lower() and isinstance(operand, Unknown | Text)
                yield key.lower(), "x" if exact else operand


def _is_everything(value: Value, unclear: str) -> bool:
    return not re.sub(r"^[a-z_]+:", "", for_matching(value, unclear)).strip("*?:/")


RULE = Rule(
    id="TL_IAM_6",
    title="A role trusts only the principals that it names",
    why="a principal that can assume the role has the role's permissions",
    fix="name the principal, and require ExternalId, SourceAccount, aud and sub where they apply",
    source="https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html",
    types=("AWS::IAM::Role",),
    check=check,
)
