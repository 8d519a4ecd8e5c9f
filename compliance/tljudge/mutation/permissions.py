"""Where a template says what is allowed: found by shape, not by the rules' list of carriers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tljudge.data import unscoped_actions
from tljudge.mutation.edits import Body, Part, Path, mappings
from tljudge.mutation.target import MutationTarget

TRUST = "AssumeRolePolicyDocument"
# It bounds what passes an endpoint, and grants nothing.
GRANT_NOTHING = ("AWS::EC2::VPCEndpoint",)
# There a resource of "*" is the one that carries the policy.
MEAN_THEMSELVES = ("AWS::KMS::Key", "AWS::KMS::ReplicaKey", "AWS::SecretsManager::ResourcePolicy")
ROLE = "AWS::IAM::Role"
BROAD: Body = {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::example-bucket/*"}
"""A statement that names no action."""
ROLE_LIKE = (ROLE, "AWS::IAM::User", "AWS::IAM::Group")


@dataclass(frozen=True, slots=True)
class Grant:
    """One statement and where it stands."""

    path: Path
    body: Body
    owner: str
    kind: str

    @property
    def actions(self) -> list[Part]:
        return listed(self.body.get("Action", []))

    @property
    def resources(self) -> list[Part]:
        return listed(self.body.get("Resource", []))

    def names(self, kind: str) -> bool:
        """Whether its principals are, or may be, of a kind."""
        whom = self.body.get("Principal")
        return isinstance(whom, dict | str) and kind in whom

    def allows(self) -> bool:
        return self.body.get("Effect") == "Allow"


def document(statement: Body) -> Body:
    """A policy of one statement."""
    return {"Version": "2012-10-17", "Statement": [statement]}


def listed(value: Part) -> list[Part]:
    """One or many as many."""
    return value if isinstance(value, list) else [value]


def statements(target: MutationTarget, effect: str = "Allow") -> Iterator[Grant]:
    """Every statement with this effect that is no role's trust."""
    return (one for one in _all(target, effect) if TRUST not in one.path)


def trusts(target: MutationTarget) -> Iterator[Grant]:
    """Every statement of every role's trust policy."""
    return (one for one in _all(target, "Allow") if TRUST in one.path)


def openings(target: MutationTarget) -> Iterator[Grant]:
    """Every Allow of a policy on a resource or an endpoint, which says whom it lets in."""
    for one in _all(target, "Allow", ()):
        if TRUST not in one.path and "Principal" in one.body:
            yield one


def _all(
    target: MutationTarget, effect: str, without: tuple[str, ...] = GRANT_NOTHING
) -> Iterator[Grant]:
    for logical_id, properties in target.resources():
        kind = target.kind(logical_id)
        if kind in without:
            continue
        top = ("Resources", logical_id, "Properties")
        for path, body in mappings(properties, top):
            if body.get("Effect") == effect and ("Action" in body or "NotAction" in body):
                yield Grant(path, body, logical_id, kind)


def documents(target: MutationTarget) -> Iterator[tuple[Path, list[Part], str]]:
    """The statement list of every policy that is no role's trust: path, statements, owner."""
    for logical_id, properties in target.resources():
        if target.kind(logical_id) in GRANT_NOTHING:
            continue
        for path, body in mappings(properties, ("Resources", logical_id, "Properties")):
            found = body.get("Statement")
            if TRUST not in path and isinstance(found, list) and found:
                yield (*path, "Statement"), found, logical_id


def limitable(grant: Grant) -> bool:
    """Whether one of its actions could be limited to a resource."""
    return any(not _has_no_resource(action) for action in grant.actions)


def _has_no_resource(action: Part) -> bool:
    service, _, name = str(action).lower().partition(":")
    return name in unscoped_actions().get(service, frozenset())


def is_broad(resource: Part) -> bool:
    """Whether a resource is written as all there are, or all of a kind."""
    text = resource.get("Fn::Sub", "") if isinstance(resource, dict) else resource
    if not isinstance(text, str):
        return False
    # A pseudo parameter has colons of its own.
    parts = re.sub(r"\$\{[^}]*\}", "x", text).split(":", 5)
    of_kind = len(parts) == 6 and re.fullmatch(r"([a-z-]+|\*)/\*", parts[5]) is not None
    return parts[-1] == "*" or (of_kind and parts[2] != "s3")
