"""Resources of statements that are widened, in every spelling and obfuscation."""

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
    """Statements whose resources are named and could not be left out.

    A condition may narrow a wildcard, so statements with one are broken where conditions are.
    """
    for one in statements(target):
        named = bool(one.resources) and not any(is_broad(value) for value in one.resources)
        itself = one.kind in MEAN_THEMSELVES
        if named and limitable(one) and "Condition" not in one.body and not itself:
            yield one


def _becomes(bad: Part) -> Callable[[MutationTarget], Iterator[Site]]:
    def sites(target: MutationTarget) -> Iterator[Site]:
        for one in _named(target):
            yield Site((*one.path, "Resource"), bad, one.resources[0])

    return sites


def _mixed(target: MutationTarget) -> Iterator[Site]:
    for one in _named(target):
        good = one.resources
        yield Site((*one.path, "Resource"), [*good, "*"], good)


def _kind_of(target: MutationTarget) -> Iterator[Site]:
    """`table/x` becomes `table/*`, where the ARN is written so."""
    for one in _named(target):
        for value in one.resources:
            text = value.get("Fn::Sub") if isinstance(value, dict) else value
            wide = _all_of_kind(text) if isinstance(text, str) else None
            if wide is not None:
                yield Site((*one.path, "Resource"), {"Fn::Sub": wide}, value)
                break


_PART = r"(?:\$\{[^}]*\}|[^:$])*"  # of an ARN; a pseudo parameter has colons of its own
_ARN = re.compile(rf"(arn:{_PART}:(?!s3:|sns:|sqs:){_PART}:{_PART}:{_PART}:[a-z-]+[/:]).")


def _all_of_kind(arn: str) -> str | None:
    found = _ARN.match(arn)
    return None if found is None else f"{found[1]}*"


def _service_of(target: MutationTarget) -> Iterator[Site]:
    for one in _named(target):
        service = str(one.actions[0]).partition(":")[0]
        yield Site((*one.path, "Resource"), f"arn:aws:{service}:*:*:*", one.resources[0])


def _one_each(target: MutationTarget) -> Iterator[Site]:
    for one in _named(target):
        yield Site((*one.path, "Resource"), "*", ARN, lambda value: [value])


def _beside_star(target: MutationTarget) -> Iterator[Break]:
    """An action that could be limited, where the wildcard stood for those that cannot."""
    for one in statements(target):
        if one.kind in MEAN_THEMSELVES or "Condition" in one.body or "Principal" in one.body:
            continue
        if any(is_broad(value) for value in one.resources):
            actions = [*listed(one.body["Action"]), "ec2:TerminateInstances"]
            yield (Edit((*one.path, "Action"), actions),)


def _inverted(target: MutationTarget) -> Iterator[Break]:
    """Everything but one resource."""
    for one in _named(target):
        path = one.path
        yield (
            Edit((*path, "NotResource"), one.body["Resource"]),
            Edit((*path, "Resource"), GONE),
        )


OPERATORS: tuple[Operator, ...] = (
    plain("resource-all", 'a resource becomes "*"', NAMED, _becomes("*")),
    plain("resource-stars", 'a resource becomes "**"', NAMED, _becomes("**")),
    plain("resource-mixed", 'a "*" among named resources', NAMED, _mixed),
    plain("resource-kind", "a resource becomes all of its kind", NAMED, _kind_of),
    plain("resource-service", "a resource becomes all of its service", NAMED, _service_of),
    plain("resource-buckets", "a resource becomes all buckets", NAMED, _becomes("arn:aws:s3:::*")),
    plain(
        "resource-objects",
        "a resource becomes all objects",
        NAMED,
        _becomes("arn:aws:s3:::*/*"),
    ),
    plain("resource-partition", "a resource becomes all of AWS", NAMED, _becomes("arn:aws:*")),
    plain(
        "resource-roles",
        "a resource becomes all roles of all accounts",
        NAMED,
        _becomes("arn:aws:iam::*:role/*"),
    ),
    *obfuscated("resource-all", 'a resource becomes "*"', NAMED, _one_each),
    Operator(
        "resource-beside-star",
        "an action that could be limited, beside those that cannot",
        NAMED,
        _beside_star,
    ),
    Operator("resource-not", "Resource becomes NotResource", ("TL_IAM_2",), _inverted),
)
