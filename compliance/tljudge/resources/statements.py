"""IAM policy documents and their statements, of every resource type that has them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from tljudge.decode.nodes import Map, Mark, new_map, new_seq
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
# Type of principal to the properties in which a policy names principals of that type.
_NAMED_BY = {
    ROLE: ("Roles", "RoleName"),
    "AWS::IAM::User": ("Users", "UserName"),
    "AWS::IAM::Group": ("Groups", "GroupName"),
}
_ROLE_LIKE = tuple(_NAMED_BY)
# Type of an identity policy to the property with its document.
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
# In their policies, a resource of "*" means the key or secret itself.
MEANS_ITSELF = ("AWS::KMS::Key", "AWS::KMS::ReplicaKey", "AWS::SecretsManager::ResourcePolicy")
SAM = ("AWS::Serverless::Function", "AWS::Serverless::StateMachine")
_ATTACHABLE = tuple(kind for kind in ATTACHED if kind.startswith("AWS::IAM::"))
IDENTITY = (*_ROLE_LIKE, *ATTACHED, *SAM)
CARRIERS = (*IDENTITY, *ON_RESOURCES)


@dataclass(frozen=True, slots=True)
class Statement:
    """A policy statement; if it is unknown, `body` is empty and `why` is the reason."""

    body: Map[Value]
    mark: Mark
    why: str = ""

    def allows(self) -> bool:
        """Whether the effect is not Deny; an unknown effect counts as Allow."""
        effect = self.body.get("Effect")
        return not (isinstance(effect, str) and effect.lower() == "deny")

    def values(self, name: str) -> Iterator[tuple[Value, Mark]]:
        """Yield each value of an element with its place; a single value counts as a list of one."""
        if name in self.body:
            mark = mark_in(self.body, name, self.mark)
            value = self.body[name]
            if isinstance(value, list):
                yield from zip(value, value.marks, strict=True)
            else:
                yield value, mark

    def actions(self) -> list[str]:
        """The actions in lower case, for matching; an unknown piece is `?`."""
        return [for_matching(value, "?").lower() for value, _ in self.values("Action")]


def mark_in(container: Map[Value], key: str, otherwise: Mark) -> Mark:
    """The place of a key, or `otherwise` if the key is absent."""
    return container.marks.get(key, otherwise)


def statements(resource: Resource) -> tuple[Statement, ...]:
    """Every statement of every policy of a resource, except its trust policy."""
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
            for policy, policy_mark in zip(value, value.marks, strict=False):
                yield from _inline(policy, policy_mark)
    else:
        name = ATTACHED.get(resource.type) or ON_RESOURCES[resource.type]
        value = resource.get(name)
        if resource.type == "AWS::Events::EventBusPolicy" and isinstance(value, dict):
            value = new_map({"Statement": value}, {"Statement": resource.mark_of(name)})
        yield from document(value, resource.mark_of(name))


def attached(*principals: Resource) -> Iterator[Resource]:
    """Yield the declared policies of these roles, users or groups, whichever names the other."""
    if not principals:
        return
    deployment, policies = principals[0].deployment, dict[Resource, None]()
    for policy in deployment.all_of(*_ATTACHABLE):
        if any(named in principals for named in _names(policy)) and policy.exists():
            policies[policy] = None
    for principal in principals:
        policies.update(dict.fromkeys(policy for policy in _managed(principal) if policy.exists()))
    yield from policies


def same_principal(resource: Resource) -> Iterator[Resource]:
    """Yield the other resources whose statements apply to the same principals."""
    if resource.type in _ROLE_LIKE:
        yield from attached(resource)
        return
    principals = [principal for principal in _names(resource) if principal.exists()]
    if resource.type == MANAGED:
        declared = resource.deployment.all_of(*_ROLE_LIKE)
        principals += [p for p in declared if resource in _managed(p) and p.exists()]
    yield from principals
    yield from (policy for policy in attached(*principals) if policy is not resource)


def _names(policy: Resource) -> Iterator[Resource]:
    """Yield the declared principals that a policy names."""
    for kind, names in _NAMED_BY.items():
        for name in names:
            value = policy.get(name)
            for reference in value if isinstance(value, list) else [value]:
                origin = reference.origin if isinstance(reference, Unknown) else None
                named = policy.deployment.at(origin)
                if named is not None and named.type == kind:
                    yield named


def _managed(principal: Resource) -> list[Resource]:
    """The declared managed policies that a principal names."""
    arns = principal.get("ManagedPolicyArns")
    named = [
        principal.deployment.at(arn.origin)
        for arn in (arns if isinstance(arns, list) else ())
        if isinstance(arn, Unknown)
    ]
    return [policy for policy in named if policy is not None and policy.type == MANAGED]


def _inline(policy: Value, mark: Mark) -> Iterator[Statement]:
    if isinstance(policy, Unknown):
        # A SAM policy may be the name of a managed policy, which TL_IAM_5 judges.
        yield Statement(EMPTY, mark, why(policy))
    elif isinstance(policy, dict):
        inner = policy if "Statement" in policy else policy.get("PolicyDocument", NOVALUE)
        yield from document(inner, mark_in(policy, "PolicyDocument", mark))


def document(value: Value, mark: Mark) -> Iterator[Statement]:
    """Yield the statements of a policy document, which is a mapping or JSON text."""
    if isinstance(value, str | Text):
        text = "".join(p if isinstance(p, str) else "\ue000" for p in pieces(value))
        unknown = isinstance(value, Text)
        try:
            value = from_json(json.loads(text), mark)
        except (ValueError, RecursionError):
            yield Statement(EMPTY, mark, why(value) if unknown else "it is not JSON")
            return
        if unknown:
            yield from document(_marked(value), mark)
            return
    if isinstance(value, Unknown):
        yield Statement(EMPTY, mark, why(value))
    elif isinstance(value, dict):
        body = value.get("Statement", NOVALUE)
        statements_mark = mark_in(value, "Statement", mark)
        if isinstance(body, Unknown | Text):
            yield Statement(EMPTY, statements_mark, why(body))
        elif isinstance(body, dict):
            yield Statement(body, statements_mark)
        elif isinstance(body, list):
            for statement, statement_mark in zip(body, body.marks, strict=True):
                if isinstance(statement, dict):
                    yield Statement(statement, statement_mark)
                elif isinstance(statement, Unknown):
                    yield Statement(EMPTY, statement_mark, why(statement))


def _marked(value: Value) -> Value:
    """Replace the marker of each unknown piece in parsed JSON text by an `Unknown`."""
    if isinstance(value, dict):
        return new_map({key: _marked(inner) for key, inner in value.items()}, value.marks)
    if isinstance(value, list):
        return new_seq([_marked(inner) for inner in value], value.marks)
    if isinstance(value, str) and "\ue000" in value:
        if value == "\ue000":
            return Unknown("json", "a piece of the JSON text is unknown")
        hole = Unknown("json", "a piece of the JSON text is unknown")
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
    """Whether the condition of a statement narrows it by one of these keys; None if unknown.

    A key that ends in `/` or `:` stands for every key that begins with it. `...IfExists`,
    `ForAllValues:` and negations admit a request without the key, so they narrow nothing.
    `aws:SourceArn` narrows if the ARN has an account, or no account at all, as that of a bucket.

    Args:
        statement: the statement.
        keys: condition keys; case does not matter.
    """
    block = statement.body.get("Condition")
    if isinstance(block, Unknown):
        return None
    wanted = tuple(key.lower() for key in keys)
    unclear = False
    for operator, tests in block.items() if isinstance(block, dict) else ():
        if isinstance(tests, Unknown):
            unclear = True
            continue
        name = operator.lower().removeprefix("foranyvalue:")
        if name not in NARROW_OPERATORS or not isinstance(tests, dict):
            continue
        for key, value in tests.items():
            if not _is_one_of(key.lower(), wanted):
                continue
            values = value if isinstance(value, list) else [value]
            like = name in ("stringlike", "arnlike", "arnequals")
            texts = [for_matching(v, "*" if like else "x") for v in values]
            matches_all = (
                _matches_any_account if key.lower() == "aws:sourcearn" else _is_wildcard_only
            )
            if values and not any(matches_all(text) for text in texts):
                return True
            unclear = unclear or not any(isinstance(v, str) and matches_all(v) for v in values)
    return None if unclear else False


def _is_one_of(key: str, keys: tuple[str, ...]) -> bool:
    return any(key.startswith(k) if k.endswith(("/", ":")) else key == k for k in keys) or (
        ":resourcetag/" in key and "resourcetag" in keys
    )


def _matches_any_account(arn: str) -> bool:
    parts = arn.split(":")
    return _is_wildcard_only(arn) or (
        len(parts) > 5 and bool(parts[4]) and _is_wildcard_only(parts[4])
    )


def _is_wildcard_only(text: str) -> bool:
    return not text.strip("*?")
