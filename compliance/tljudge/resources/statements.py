"""Policy documents and their statements, wherever a resource carries them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from tljudge.decode.nodes import Map, Mark, made_map, made_seq
from tljudge.resolve.deployment import Resource
from tljudge.resolve.values import (
    EMPTY,
    NOVALUE,
    Text,
    Unknown,
    Value,
    for_matching,
    from_json,
    pieces,
    why,
)

ROLE, MANAGED = "AWS::IAM::Role", "AWS::IAM::ManagedPolicy"
TRUST = "AssumeRolePolicyDocument"
# Of a principal, to the properties by which a policy names such principals.
_NAMED_BY = {
    ROLE: ("Roles", "RoleName"),
    "AWS::IAM::User": ("Users", "UserName"),
    "AWS::IAM::Group": ("Groups", "GroupName"),
}
_ROLE_LIKE = tuple(_NAMED_BY)
# Type to the property that holds its document.
ATTACHED = {
    "AWS::IAM::Policy": "PolicyDocument",
    "AWS::IAM::ManagedPolicy": "PolicyDocument",
    "AWS::IAM::RolePolicy": "PolicyDocument",
    "AWS::IAM::UserPolicy": "PolicyDocument",
    "AWS::IAM::GroupPolicy": "PolicyDocument",
    "AWS::SSO::PermissionSet": "InlinePolicy",
}
ON_RESOURCES = {
    "AWS::S3::BucketPolicy": "PolicyDocument",
    "AWS::S3::AccessPoint": "Policy",
    "AWS::SQS::QueuePolicy": "PolicyDocument",
    "AWS::SQS::QueueInlinePolicy": "PolicyDocument",
    "AWS::SNS::TopicPolicy": "PolicyDocument",
    "AWS::SNS::TopicInlinePolicy": "PolicyDocument",
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::KMS::ReplicaKey": "KeyPolicy",
    "AWS::ECR::Repository": "RepositoryPolicyText",
    "AWS::ECR::RegistryPolicy": "PolicyText",
    "AWS::SecretsManager::ResourcePolicy": "ResourcePolicy",
    "AWS::Logs::ResourcePolicy": "PolicyDocument",
    "AWS::Logs::LogGroup": "ResourcePolicyDocument",
    "AWS::Events::EventBusPolicy": "Statement",
}
# There, a resource of "*" means the resource that carries the policy.
MEANS_ITSELF = ("AWS::KMS::Key", "AWS::KMS::ReplicaKey", "AWS::SecretsManager::ResourcePolicy")
SAM = ("AWS::Serverless::Function", "AWS::Serverless::StateMachine")
_ATTACHABLE = tuple(kind for kind in ATTACHED if kind.startswith("AWS::IAM::"))
IDENTITY = (*_ROLE_LIKE, *ATTACHED, *SAM)
CARRIERS = (*IDENTITY, *ON_RESOURCES)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; where nobody can know it, `body` is empty and `why` says why."""

    body: Map[Value]
    mark: Mark
    why: str = ""

    def allows(self) -> bool:
        """Everything that is not a Deny."""
        effect = self.body.get("Effect")
        return not (isinstance(effect, str) and effect.lower() == "deny")

    def values(self, name: str) -> Iterator[tuple[Value, Mark]]:
        """The values of an element, one or many, each with its place."""
        if name in self.body:
            mark = mark_in(self.body, name, self.mark)
            value = self.body[name]
            if isinstance(value, list):
                yield from zip(value, value.marks, strict=True)
            else:
                yield value, mark

    def actions(self) -> list[str]:
        """Actions in lower case; an unknown one is `?`."""
        return [for_matching(value, "?").lower() for value, _ in self.values("Action")]


def mark_in(container: Map[Value], key: str, otherwise: Mark) -> Mark:
    """Where a key stands."""
    return container.marks.get(key, otherwise)


def statements(resource: Resource) -> tuple[Statement, ...]:
    """Every statement of every policy a resource carries, its trust policy not among them."""
    return resource.deployment.get_or_compute(
        ("statements", resource), lambda: tuple(_statements(resource))
    )


def _statements(resource: Resource) -> Iterator[Statement]:
    if resource.type in _ROLE_LIKE or resource.type in SAM:
        value = resource.get("Policies")
        mark = resource.mark_of("Policies")
        if isinstance(value, Unknown | Text):
            yield Statement(EMPTY, mark, why(value))
        elif isinstance(value, Map):
            yield from _inline(value, mark)
        elif isinstance(value, list):
            for one, at in zip(value, value.marks, strict=False):
                yield from _inline(one, at)
    else:
        name = ATTACHED.get(resource.type) or ON_RESOURCES[resource.type]
        value = resource.get(name)
        if resource.type == "AWS::Events::EventBusPolicy" and isinstance(value, dict):
            value = made_map({"Statement": value}, {"Statement": resource.mark_of(name)})
        yield from document(value, resource.mark_of(name))


def attached(*principals: Resource) -> Iterator[Resource]:
    """The policies declared here that name one of these roles, users or groups, or it them."""
    if not principals:
        return
    deployment, found = principals[0].deployment, dict[Resource, None]()
    for policy in deployment.all_of(*_ATTACHABLE):
        if any(one in principals for one in _names(policy)) and policy.exists():
            found[policy] = None
    for principal in principals:
        found.update(dict.fromkeys(one for one in _managed(principal) if one.exists()))
    yield from found


def beside(resource: Resource) -> Iterator[Resource]:
    """Other resources whose statements are the same principal's."""
    if resource.type in _ROLE_LIKE:
        yield from attached(resource)
        return
    principals = [one for one in _names(resource) if one.exists()]
    if resource.type == MANAGED:
        everybody = resource.deployment.all_of(*_ROLE_LIKE)
        principals += [one for one in everybody if resource in _managed(one) and one.exists()]
    yield from principals
    yield from (one for one in attached(*principals) if one is not resource)


def _names(policy: Resource) -> Iterator[Resource]:
    """The principals that a policy names."""
    for kind, names in _NAMED_BY.items():
        for name in names:
            value = policy.get(name)
            for one in value if isinstance(value, list) else [value]:
                named = policy.deployment.at(one.origin) if isinstance(one, Unknown) else None
                if named is not None and named.type == kind:
                    yield named


def _managed(principal: Resource) -> list[Resource]:
    """The managed policies declared here that a principal names."""
    arns = principal.get("ManagedPolicyArns")
    named = [
        principal.deployment.at(one.origin)
        for one in (arns if isinstance(arns, list) else ())
        if isinstance(one, Unknown)
    ]
    return [one for one in named if one is not None and one.type == MANAGED]


def _inline(policy: Value, mark: Mark) -> Iterator[Statement]:
    if isinstance(policy, Unknown):
        # A SAM policy may be a name; a name is judged where managed policies are.
        yield Statement(EMPTY, mark, why(policy))
    elif isinstance(policy, dict):
        inner = policy if "Statement" in policy else policy.get("PolicyDocument", NOVALUE)
        yield from document(inner, mark_in(policy, "PolicyDocument", mark))


def document(value: Value, mark: Mark) -> Iterator[Statement]:
    """The statements of a policy document, a mapping or JSON text."""
    if isinstance(value, str | Text):
        text = "".join(p if isinstance(p, str) else "\ue000" for p in pieces(value))
        unknown = isinstance(value, Text)
        try:
            value = from_json(json.loads(text), mark)
        except (ValueError, RecursionError):
            yield Statement(EMPTY, mark, why(value) if unknown else "it is no JSON")
            return
        if unknown:
            yield from document(_marked(value), mark)
            return
    if isinstance(value, Unknown):
        yield Statement(EMPTY, mark, why(value))
    elif isinstance(value, dict):
        body = value.get("Statement", NOVALUE)
        at = mark_in(value, "Statement", mark)
        if isinstance(body, Unknown | Text):
            yield Statement(EMPTY, at, why(body))
        elif isinstance(body, dict):
            yield Statement(body, at)
        elif isinstance(body, list):
            for one, place in zip(body, body.marks, strict=True):
                if isinstance(one, dict):
                    yield Statement(one, place)
                elif isinstance(one, Unknown):
                    yield Statement(EMPTY, place, why(one))


def _marked(value: Value) -> Value:
    """JSON that was text with unknown pieces: each piece becomes an unknown value again."""
    if isinstance(value, dict):
        return made_map({key: _marked(inner) for key, inner in value.items()}, value.marks)
    if isinstance(value, list):
        return made_seq([_marked(inner) for inner in value], value.marks)
    if isinstance(value, str) and "\ue000" in value:
        if value == "\ue000":
            return Unknown("json", "a piece of the JSON text is not known")
        hole = Unknown("json", "a piece of the JSON text is not known")
        parts: list[str | Unknown] = []
        for index, piece in enumerate(value.split("\ue000")):
            parts += [hole, piece] if index else [piece]
        return Text(tuple(part for part in parts if part != ""))
    return value


NARROW_OPERATORS = frozenset(
    [
        "stringequals",
        "stringequalsignorecase",
        "stringlike",
        "arnequals",
        "arnlike",
        "numericequals",
        "bool",
        "ipaddress",
    ]
)


def bounded_by(statement: Statement, *keys: str) -> bool | None:
    """Whether a condition really narrows by one of these keys, in lower case; None: not known.

    A key that ends in `/` or `:` stands for all that begin with it. `...IfExists`, `ForAllValues:`
    and negations let a request without the key in, so they narrow nothing. `aws:SourceArn` narrows
    where it names an account or, as a bucket's, has none.
    """
    block = statement.body.get("Condition")
    if isinstance(block, Unknown):
        return None
    unclear = False
    for operator, tests in block.items() if isinstance(block, dict) else ():
        if isinstance(tests, Unknown):
            unclear = True
            continue
        name = operator.lower().removeprefix("foranyvalue:")
        if name not in NARROW_OPERATORS or not isinstance(tests, dict):
            continue
        for key, value in tests.items():
            if not _is_one_of(key.lower(), keys):
                continue
            values = value if isinstance(value, list) else [value]
            like = name in ("stringlike", "arnlike", "arnequals")
            texts = [for_matching(v, "*" if like else "x") for v in values]
            everybody = _is_anybody if key.lower() == "aws:sourcearn" else _is_anything
            if values and not any(everybody(text) for text in texts):
                return True
            unclear = unclear or not any(isinstance(v, str) and everybody(v) for v in values)
    return None if unclear else False


def _is_one_of(key: str, keys: tuple[str, ...]) -> bool:
    return any(key.startswith(one) if one.endswith(("/", ":")) else key == one for one in keys) or (
        ":resourcetag/" in key and "resourcetag" in keys
    )


def _is_anybody(arn: str) -> bool:
    parts = arn.split(":")
    return _is_anything(arn) or (len(parts) > 5 and bool(parts[4]) and _is_anything(parts[4]))


def _is_anything(text: str) -> bool:
    return not text.strip("*?")
