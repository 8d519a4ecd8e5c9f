"""Operators that widen the resources of a statement, in every spelling and obfuscation."""

import re
from collections.abc import Callable, Iterator

from tljudge.mutation.edits import GONE, Break, Edit, Part
from tljudge.mutation.obfuscations import Site, obfuscated, plain
from tljudge.mutation.operator import Operator
from tljudge.mutation.permissions import (
    MEAN_THEMSELVES,
    Grant,
    is_broad,
    limitable,
    listed,
    statements,
)
from tljudge.mutation.target import MutationTarget

NAMED = ("TL_IAM_3",)
ARN = "arn:aws:s3:::example-bucket/*"


def _named(target: MutationTarget) -> Iterator[Grant]:
    """Statements that name their resources, although a wildcard would be possible.

    A condition may narrow a wildcard, so `conditions` breaks the statements that have a condition.
    """
    for grant in statements(target):
        named = bool(grant.resources) and not any(is_broad(value) for value in grant.resources)
        means_itself = grant.kind in MEAN_THEMSELVES
        if named and limitable(grant) and "Condition" not in grant.body and not means_itself:
            yield grant


def _becomes(bad: Part) -> Callable[[MutationTarget], Iterator[Site]]:
    def sites(target: MutationTarget) -> Iterator[Site]:
        for grant in _named(target):
            yield Site((*grant.path, "Resource"), bad, grant.resources[0])

    return sites


def _mixed(target: MutationTarget) -> Iterator[Site]:
    for grant in _named(target):
        good = grant.resources
        yield Site((*grant.path, "Resource"), [*good, "*"], good)


def _kind_of(target: MutationTarget) -> Iterator[Site]:
    """`table/x` becomes `table/*`, where the ARN is a string or an Fn::Sub."""
    for grant in _named(target):
        for value in grant.resources:
            text = value.get("Fn::Sub") if isinstance(value, dict) else value
            wide = _all_of_kind(text) if isinstance(text, str) else None
            if wide is not None:
                yield Site((*grant.path, "Resource"), {"Fn::Sub": wide}, value)
                break


_PART = r"(?:\$\{[^}]*\}|[^:$])*"  # of an ARN; a pseudo parameter has colons of its own
_ARN = re.compile(rf"(arn:{_PART}:(?!s3:|sns:|sqs:){_PART}:{_PART}:{_PART}:[a-z-]+[/:]).")


def _all_of_kind(arn: str) -> str | None:
    match = _ARN.match(arn)
    return None if match is None else f"{match[1]}*"


def _service_of(target: MutationTarget) -> Iterator[Site]:
    for grant in _named(target):
        service = str(grant.actions[0]).partition(":")[0]
        yield Site((*grant.path, "Resource"), f"arn:aws:{service}:*:*:*", grant.resources[0])


def _one_each(target: MutationTarget) -> Iterator[Site]:
    for grant in _named(target):
        yield Site((*grant.path, "Resource"), "*", ARN, lambda value: [value])


def _beside_star(target: MutationTarget) -> Iterator[Break]:
    """Add an action that supports resources to a statement whose actions need a wildcard."""
    for grant in statements(target):
        if grant.kind in MEAN_THEMSELVES or "Condition" in grant.body or "Principal" in grant.body:
            continue
        if any(is_broad(value) for value in grant.resources):
            actions = [*listed(grant.body["Action"]), "ec2:TerminateInstances"]
            yield (Edit((*grant.path, "Action"), actions),)


def _inverted(target: MutationTarget) -> Iterator[Break]:
    """Resource becomes NotResource: everything except the named resources."""
    for grant in _named(target):
        path = grant.path
        yield (
            Edit((*path, "NotResource"), grant.body["Resource"]),
            Edit((*path, "Resource"), GONE),
        )


OPERATORS: tuple[Operator, ...] = (
    plain("resource-all", 'a resource becomes "*"', NAMED, _becomes("*")),
    plain("resource-stars", 'a resource becomes "**"', NAMED, _becomes("**")),
    plain("resource-mixed", 'a "*" among named resources', NAMED, _mixed),
    plain("resource-kind", "a resource becomes all resources of its kind", NAMED, _kind_of),
    plain(
        "resource-service", "a resource becomes all resources of its service", NAMED, _service_of
    ),
    plain("resource-buckets", "a resource becomes all buckets", NAMED, _becomes("arn:aws:s3:::*")),
    plain(
        "resource-objects",
        "a resource becomes all objects",
        NAMED,
        _becomes("arn:aws:s3:::*/*"),
    ),
    plain(
        "resource-partition",
        "a resource becomes all resources in AWS",
        NAMED,
        _becomes("arn:aws:*"),
    ),
    plain(
        "resource-roles",
        "a resource becomes all roles of all accounts",
        NAMED,
        _becomes("arn:aws:iam::*:role/*"),
    ),
    *obfuscated("resource-all", 'a resource becomes "*"', NAMED, _one_each),
    Operator(
        "resource-beside-star",
        "an action with resource-level permissions, beside actions without them",
        NAMED,
        _beside_star,
    ),
    Operator("resource-not", "Resource becomes NotResource", ("TL_IAM_2",), _inverted),
)
