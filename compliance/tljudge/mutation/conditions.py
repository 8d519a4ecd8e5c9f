"""Operators that remove the condition of a statement, or rewrite it so that it narrows nothing."""

from collections.abc import Callable, Iterator

from tljudge.mutation.edits import GONE, NO_VALUE, Body, Break, Edit, Part, as_body
from tljudge.mutation.obfuscations import IF, Site, obfuscated
from tljudge.mutation.operator import Operator
from tljudge.mutation.permissions import (
    MEAN_THEMSELVES,
    Grant,
    is_broad,
    limitable,
    listed,
    resource_policies,
    statements,
    trusts,
)
from tljudge.mutation.target import MutationTarget

Block = dict[str, Body]


def _narrowed(target: MutationTarget) -> Iterator[Grant]:
    """Allow statements on a wildcard resource that only their condition limits."""
    for grant in statements(target):
        narrowed = "Condition" in grant.body and any(is_broad(value) for value in grant.resources)
        if narrowed and limitable(grant) and grant.kind not in MEAN_THEMSELVES:
            yield grant


def _passing(target: MutationTarget) -> Iterator[Grant]:
    """Allow statements for `iam:PassRole` that have a condition."""
    for grant in statements(target):
        if "iam:PassRole" in grant.actions and "Condition" in grant.body:
            yield grant


def _trusting(target: MutationTarget) -> Iterator[Grant]:
    """Trusts that need their condition: of an account, an identity provider or a confused deputy.

    A deputy is a service that acts for any account (`policy.deputies`). Every other service acts
    only for the account of the role, so its trust needs no condition.
    """
    for grant in trusts(target):
        principal = grant.body.get("Principal")
        services = listed(principal.get("Service", [])) if isinstance(principal, dict) else []
        needs_condition = not services or any(name in target.policy.deputies for name in services)
        if "Condition" in grant.body and needs_condition:
            yield grant


def _resource_policy(target: MutationTarget) -> Iterator[Grant]:
    """Resource policies that would admit everybody, or a deputy for everybody, unconditionally."""
    for grant in resource_policies(target):
        principal = grant.body["Principal"]
        services = listed(principal.get("Service", [])) if isinstance(principal, dict) else []
        deputy = any(name in target.policy.deputies for name in services)
        if "Condition" in grant.body and (principal in ("*", {"AWS": "*"}) or deputy):
            yield grant


def _operators(block: Block, rename: Callable[[str], str]) -> Block:
    return {rename(name): tests for name, tests in block.items()}


def _gone(_: Block) -> Part:
    return GONE


def _region(_: Block) -> Part:
    return {"StringEquals": {"aws:RequestedRegion": "eu-central-1"}}


def _if_exists(block: Block) -> Part:
    return _operators(block, lambda name: f"{name}IfExists")


def _all_values(block: Block) -> Part:
    return _operators(block, lambda name: f"ForAllValues:{name}")


def _negated(block: Block) -> Part:
    return _operators(
        block, lambda name: name.replace("String", "StringNot").replace("Arn", "ArnNot")
    )


def _anything(block: Block) -> Part:
    return {"StringLike": {key: "*" for tests in block.values() for key in tests}}


def _present(block: Block) -> Part:
    return {"Null": {key: "false" for tests in block.values() for key in tests}}


WAYS: tuple[tuple[str, str, Callable[[Block], Part]], ...] = (
    ("gone", "is removed", _gone),
    ("region", "tests only the region", _region),
    ("if-exists", "admits requests without the key", _if_exists),
    ("all-values", "admits an empty set", _all_values),
    ("negated", "admits all but the named value", _negated),
    ("anything", "admits any value", _anything),
    ("null", "tests only that the key is present", _present),
)
FAMILIES: tuple[tuple[str, str, str, Callable[[MutationTarget], Iterator[Grant]]], ...] = (
    ("narrowing", "the condition of a wildcard", "TL_IAM_3", _narrowed),
    ("passing", "the condition of iam:PassRole", "TL_IAM_4", _passing),
    ("trust", "the condition of a trust", "TL_IAM_6", _trusting),
    ("opening", "the condition of a resource policy", "TL_IAM_7", _resource_policy),
)


def _applied(
    sites: Callable[[MutationTarget], Iterator[Grant]], change: Callable[[Block], Part]
) -> Callable[[MutationTarget], Iterator[Break]]:
    def apply(target: MutationTarget) -> Iterator[Break]:
        for grant in sites(target):
            tests = as_body(grant.body["Condition"])
            block = {operator: as_body(keys) for operator, keys in tests.items()}
            yield (Edit((*grant.path, "Condition"), change(block)),)

    return apply


def _absent(
    sites: Callable[[MutationTarget], Iterator[Grant]],
) -> Callable[[MutationTarget], Iterator[Site]]:
    def apply(target: MutationTarget) -> Iterator[Site]:
        for grant in sites(target):
            yield Site((*grant.path, "Condition"), NO_VALUE, grant.body["Condition"])

    return apply


def _any_account(target: MutationTarget) -> Iterator[Break]:
    """The source of a service's requests may then be in any account."""
    for grant in _trusting(target):
        if grant.names("Service"):
            source = {"ArnLike": {"aws:SourceArn": "arn:aws:scheduler:*:*:schedule/default/x"}}
            yield (Edit((*grant.path, "Condition"), source),)


OPERATORS: tuple[Operator, ...] = (
    *(
        operator
        for family, subject, rule, sites in FAMILIES
        for operator in obfuscated(family, f"{subject} is missing", (rule,), _absent(sites), (IF,))
    ),
    Operator("trust-any-account", "the condition of a trust names no account", ("TL_IAM_6",),
             _any_account),
    *(
    Operator(f"{family}-{name}", f"{subject} {change_text}", (rule,), _applied(sites, change))
    for family, subject, rule, sites in FAMILIES
    for name, change_text, change in WAYS
    ),
)  # fmt: skip
