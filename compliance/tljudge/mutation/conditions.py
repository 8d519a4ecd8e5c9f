"""Conditions that kept something narrow: taken away, or left in a form that narrows nothing."""

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
    openings,
    statements,
    trusts,
)
from tljudge.mutation.target import MutationTarget

Block = dict[str, Body]


def _narrowed(target: MutationTarget) -> Iterator[Grant]:
    """An Allow on a wildcard that could be limited, and is by its condition."""
    for one in statements(target):
        narrowed = "Condition" in one.body and any(is_broad(value) for value in one.resources)
        if narrowed and limitable(one) and one.kind not in MEAN_THEMSELVES:
            yield one


def _passing(target: MutationTarget) -> Iterator[Grant]:
    """An Allow to pass a role."""
    for one in statements(target):
        if "iam:PassRole" in one.actions and "Condition" in one.body:
            yield one


def _trusting(target: MutationTarget) -> Iterator[Grant]:
    """A trust that needs its condition: of an account, a provider, a service that acts for others.

    Any other service acts for the account of the role only.
    """
    for one in trusts(target):
        whom = one.body.get("Principal")
        services = listed(whom.get("Service", [])) if isinstance(whom, dict) else []
        needs = not services or any(name in target.policy.deputies for name in services)
        if "Condition" in one.body and needs:
            yield one


def _opening(target: MutationTarget) -> Iterator[Grant]:
    """A policy on a resource or endpoint that would let in everybody, or in for everybody."""
    for one in openings(target):
        whom = one.body["Principal"]
        services = listed(whom.get("Service", [])) if isinstance(whom, dict) else []
        deputy = any(name in target.policy.deputies for name in services)
        if "Condition" in one.body and (whom in ("*", {"AWS": "*"}) or deputy):
            yield one


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
    ("gone", "is taken away", _gone),
    ("region", "asks for a region only", _region),
    ("if-exists", "lets in what has no such key", _if_exists),
    ("all-values", "lets in an empty set", _all_values),
    ("negated", "lets in all but the one", _negated),
    ("anything", "takes any value", _anything),
    ("null", "asks only that there is a value", _present),
)
FAMILIES: tuple[tuple[str, str, str, Callable[[MutationTarget], Iterator[Grant]]], ...] = (
    ("narrowing", "the condition of a wildcard", "TL_IAM_3", _narrowed),
    ("passing", "the condition of iam:PassRole", "TL_IAM_4", _passing),
    ("trust", "the condition of a trust", "TL_IAM_6", _trusting),
    ("opening", "the condition of a policy that lets in", "TL_IAM_7", _opening),
)


def _applied(
    sites: Callable[[MutationTarget], Iterator[Grant]], change: Callable[[Block], Part]
) -> Callable[[MutationTarget], Iterator[Break]]:
    def apply(target: MutationTarget) -> Iterator[Break]:
        for one in sites(target):
            tests = as_body(one.body["Condition"])
            block = {operator: as_body(keys) for operator, keys in tests.items()}
            yield (Edit((*one.path, "Condition"), change(block)),)

    return apply


def _absent(
    sites: Callable[[MutationTarget], Iterator[Grant]],
) -> Callable[[MutationTarget], Iterator[Site]]:
    def apply(target: MutationTarget) -> Iterator[Site]:
        for one in sites(target):
            yield Site((*one.path, "Condition"), NO_VALUE, one.body["Condition"])

    return apply


def _any_account(target: MutationTarget) -> Iterator[Break]:
    """A source that may be in any account, of a service that acts for whoever asks it."""
    for one in _trusting(target):
        if one.names("Service"):
            source = {"ArnLike": {"aws:SourceArn": "arn:aws:scheduler:*:*:schedule/default/x"}}
            yield (Edit((*one.path, "Condition"), source),)


OPERATORS: tuple[Operator, ...] = (
    *(
        operator
        for family, what, rule, sites in FAMILIES
        for operator in obfuscated(family, f"{what} is not there", (rule,), _absent(sites), (IF,))
    ),
    Operator("trust-any-account", "the condition of a trust names no account", ("TL_IAM_6",),
             _any_account),
    *(
    Operator(f"{family}-{name}", f"{what} {says}", (rule,), _applied(sites, change))
    for family, what, rule, sites in FAMILIES
    for name, says, change in WAYS
    ),
)  # fmt: skip
