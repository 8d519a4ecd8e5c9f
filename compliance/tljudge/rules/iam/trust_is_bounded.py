"""TL_IAM_6: a role trusts whom it names, and no one through them."""

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
ORGANISATION = ("aws:principalorgid", "aws:principalaccount", "aws:principalarn")
SOURCE = ("aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "sts:externalid")


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge each principal of the trust policy with the conditions beside it."""
    for statement in document(resource.get(NAME), resource.mark_of(NAME)):
        if statement.why:
            yield unknown(f"its trust policy cannot be read: {statement.why}", statement.mark)
        elif statement.allows() and "Principal" in statement.body:
            principal = statement.body["Principal"]
            mark = mark_in(statement.body, "Principal", statement.mark)
            if isinstance(principal, dict):
                for kind, value in principal.items():
                    at = mark_in(principal, kind, mark)
                    for one in value if isinstance(value, list) else [value]:
                        yield from _judged(statement, kind, one, at, policy)
            else:
                yield from _judged(statement, "AWS", principal, mark, policy)


def _judged(
    statement: Statement, kind: str, value: Value, mark: Mark, policy: Policy
) -> Iterator[Verdict]:
    text = for_matching(value, "*") if not isinstance(value, int) else as_text(value).zfill(12)
    if kind == "Service":
        if not is_plain(value):
            yield unknown(f"trusts a service that is not known: {why(value)}", mark)
        elif _service(value) in policy.deputies:
            yield from _need(statement, SOURCE, f"trusts {_service(value)} for any account", mark)
    elif kind == "Federated":
        yield from _federated(statement, value, mark)
    elif not text.strip("*"):
        if is_plain(value):
            yield from _need(statement, ORGANISATION, "trusts everybody", mark)
        elif not bounded_by(statement, "sts:externalid"):
            yield unknown(f"trusts a principal that is not known: {why(value)}", mark)
    elif kind == "AWS":
        yield from _account(statement, value, text, mark, policy)


def _service(value: Value) -> str:
    """A service without its region: `logs.eu-central-1.amazonaws.com` is `logs.amazonaws.com`."""
    text = for_matching(value, "x").lower()
    return re.sub(r"^([a-z.-]+?)\.([a-z]{2}(-[a-z]+)+-[0-9]|x)\.", r"\1.", text)


def _need(
    statement: Statement, keys: tuple[str, ...], message: str, mark: Mark
) -> Iterator[Verdict]:
    bound = bounded_by(statement, *keys)
    if bound is None:
        yield unknown(f"{message}, unless a condition that is not known says otherwise", mark)
    elif not bound:
        yield fail(f"{message}; no condition on {' or '.join(keys[:2])}", mark)


def _account(
    statement: Statement, value: Value, text: str, mark: Mark, policy: Policy
) -> Iterator[Verdict]:
    whole = re.fullmatch(r"[0-9]{12}", text)
    root = text.endswith((":root", ":*"))
    if not whole and not root:
        return
    account: Value = value
    if not whole:
        known = "".join(p if isinstance(p, str) else "\0" for p in pieces(value)).split(":")
        account = known[4] if len(known) > 4 else ""
        if account == "\0":
            symbols = [p for p in pieces(value) if isinstance(p, Unknown)]
            inner = [p for p in symbols if p.key not in ("AWS::Partition", "AWS::Region")]
            if inner and all(p.key.startswith("AWS::AccountId") for p in inner):
                return
            if not bounded_by(statement, "sts:externalid"):
                yield unknown(f"trusts an account that is not known: {why(value)}", mark)
            return
    name = as_text(account).zfill(12)
    if name not in policy.trusted_accounts:
        yield from _need(
            statement, ("sts:externalid",), f"trusts everybody in account {name}", mark
        )


def _federated(statement: Statement, value: Value, mark: Mark) -> Iterator[Verdict]:
    """Judge what a provider's token must say; AWS itself checks the audience of SAML."""
    if not any(_takes_web_identity(action) for action in statement.actions()):
        return
    block = statement.body.get("Condition")
    if isinstance(block, Unknown):
        yield unknown("under which conditions it trusts a provider is not known", mark)
        return
    tests = list(_narrowing(block))
    audiences = [one for key, one in tests if key.endswith(":aud")]
    if not audiences or any(_is_everything(one, "x") for one in audiences):
        yield fail("trusts an identity provider for any audience; no condition on its aud", mark)
    elif any(_is_everything(one, "*") for one in audiences):
        yield unknown("for which audience it trusts a provider is not known", mark)
    if "cognito-identity" in for_matching(value, "x"):
        return
    subjects = [one for key, one in tests if key.endswith(":sub")]
    if not subjects:
        yield fail("trusts every subject of an identity provider; no condition on its sub", mark)
    for one in subjects:
        if _is_everything(one, "x"):
            yield fail(f"trusts every subject: sub is {display(one)}", mark)
        elif _is_everything(one, "*"):
            yield unknown(f"which subjects it trusts is not known: {why(one)}", mark)


def _takes_web_identity(action: str) -> bool:
    """Whether an action may take an OpenID Connect token; one that is not known may."""
    return "saml" not in action and action not in ("sts:tagsession", "sts:setsourceidentity")


def _narrowing(block: Value) -> Iterator[tuple[str, Value]]:
    """Key in lower case and value of each test that a token without the key does not pass."""
    for operator, tests in block.items() if isinstance(block, dict) else ():
        narrows = operator.lower().removeprefix("foranyvalue:") in NARROW_OPERATORS
        for key, value in tests.items() if narrows and isinstance(tests, dict) else ():
            for one in value if isinstance(value, list) else [value]:
                # Compared letter by letter, what nobody knows is one value all the same.
                exact = "like" not in operator.lower() and isinstance(one, Unknown | Text)
                yield key.lower(), "x" if exact else one


def _is_everything(value: Value, unclear: str) -> bool:
    return not re.sub(r"^[a-z_]+:", "", for_matching(value, unclear)).strip("*?:/")


RULE = Rule(
    id="TL_IAM_6",
    title="A role trusts whom it names, and no one through them",
    why="whoever can assume the role has its rights",
    fix="name the principal, and require ExternalId, SourceAccount, aud and sub where they apply",
    source="https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html",
    types=("AWS::IAM::Role",),
    check=check,
)
