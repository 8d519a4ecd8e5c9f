"""Policy statements of a template, recognised by their shape.

The rules use a list of types that carry policies; this module does not, so that a type missing from
that list leaves a surviving mutant.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tljudge.data import unscoped_actions
from tljudge.mutation.edits import Body, Part, Path, mappings
from tljudge.mutation.target import MutationTarget

TRUST = "AssumeRolePolicyDocument"
# The policy of an endpoint limits its traffic; it grants nothing.
GRANT_NOTHING = ("AWS::EC2::VPCEndpoint",)
# In their policies, a resource of "*" means the key or secret itself.
MEAN_THEMSELVES = ("AWS::KMS::Key", "AWS::KMS::ReplicaKey", "AWS::SecretsManager::ResourcePolicy")
ROLE = "AWS::IAM::Role"
BROAD: Body = {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::example-bucket/*"}
"""A statement with a wildcard action."""
ROLE_LIKE = (ROLE, "AWS::IAM::User", "AWS::IAM::Group")


@dataclass(frozen=True, slots=True)
class Grant:
    """A policy statement: its path and body, and its resource's logical id and type."""

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
        """Whether its `Principal` has the key `kind`, such as `Service` or `Federated`."""
        whom = self.body.get("Principal")
        return isinstance(whom, dict | str) and kind in whom

    def allows(self) -> bool:
        return self.body.get("Effect") == "Allow"


def document(statement: Body) -> Body:
    """A policy document with one statement."""
    return {"Version": "2012-10-17", "Statement": [statement]}


def listed(value: Part) -> list[Part]:
    """The value itself if it is a list, else a list of it."""
    return value if isinstance(value, list) else [value]


def statements(target: MutationTarget, effect: str = "Allow") -> Iterator[Grant]:
    """Every statement with this effect, except those of trust policies."""
    return (grant for grant in _grants(target, effect) if TRUST not in grant.path)


def trusts(target: MutationTarget) -> Iterator[Grant]:
    """Every statement of every role's trust policy."""
    return (grant for grant in _grants(target, "Allow") if TRUST in grant.path)


def resource_policies(target: MutationTarget) -> Iterator[Grant]:
    """Every Allow statement with a principal, outside trust policies."""
    for grant in _grants(target, "Allow", ()):
        if TRUST not in grant.path and "Principal" in grant.body:
            yield grant


def _grants(
    target: MutationTarget, effect: str, excluded_types: tuple[str, ...] = GRANT_NOTHING
) -> Iterator[Grant]:
    for logical_id, properties in target.resources():
        kind = target.kind(logical_id)
        if kind in excluded_types:
            continue
        top = ("Resources", logical_id, "Properties")
        for path, body in mappings(properties, top):
            if body.get("Effect") == effect and ("Action" in body or "NotAction" in body):
                yield Grant(path, body, logical_id, kind)


def documents(target: MutationTarget) -> Iterator[tuple[Path, list[Part], str]]:
    """Every policy document with a statement list, except trust policies.

    Yields:
        Path and statements of the list, and the logical id of the resource that has it.
    """
    for logical_id, properties in target.resources():
        if target.kind(logical_id) in GRANT_NOTHING:
            continue
        for path, body in mappings(properties, ("Resources", logical_id, "Properties")):
            existing = body.get("Statement")
            if TRUST not in path and isinstance(existing, list) and existing:
                yield (*path, "Statement"), existing, logical_id


def limitable(grant: Grant) -> bool:
    """Whether at least one action of the statement supports resource-level permissions."""
    return any(not _has_no_resource(action) for action in grant.actions)


def _has_no_resource(action: Part) -> bool:
    service, _, name = str(action).lower().partition(":")
    return name in unscoped_actions().get(service, frozenset())


def is_broad(resource: Part) -> bool:
    """Whether a resource is a wildcard for everything, or for everything of a kind (`table/*`)."""
    text = resource.get("Fn::Sub", "") if isinstance(resource, dict) else resource
    if not isinstance(text, str):
        return False
    # A pseudo parameter has colons of its own.
    parts = re.sub(r"\$\{[^}]*\}", "x", text).split(":", 5)
    of_kind = len(parts) == 6 and re.fullmatch(r"([a-z-]+|\*)/\*", parts[5]) is not None
    return parts[-1] == "*" or (of_kind and parts[2] != "s3")
