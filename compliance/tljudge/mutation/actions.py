"""Operators that widen the actions of a statement, in every spelling and obfuscation."""

from collections.abc import Callable, Iterator
from functools import partial

from tljudge.mutation.edits import Part
from tljudge.mutation.obfuscations import IF, Site, obfuscated, plain
from tljudge.mutation.operator import Operator
from tljudge.mutation.permissions import Grant, statements, trusts
from tljudge.mutation.target import MutationTarget

NAMED = ("TL_IAM_1",)
PERMISSION = "AWS::Lambda::Permission"


def _service(grant: Grant) -> str:
    return str(grant.actions[0]).partition(":")[0]


def _widened(bad: Callable[[str], Part]) -> Callable[[MutationTarget], Iterator[Site]]:
    """Sites where `bad(first action)` replaces all actions of a statement."""

    def sites(target: MutationTarget) -> Iterator[Site]:
        for grant in statements(target):
            first = grant.actions[0] if grant.actions else None
            if isinstance(first, str) and "*" not in first and bad(first) is not None:
                yield Site((*grant.path, "Action"), bad(first), first)

    return sites


def _beside(good: str, bad: Part) -> list[Part]:
    return [good, bad]


def _added(target: MutationTarget) -> Iterator[Site]:
    for grant in statements(target):
        if isinstance(grant.body.get("Action"), list):
            path = (*grant.path, "Action", len(grant.actions))
            yield Site(path, f"{_service(grant)}:*", grant.actions[0])
        elif isinstance(good := grant.body.get("Action"), str):
            yield Site(
                (*grant.path, "Action"), f"{_service(grant)}:*", good, partial(_beside, good)
            )


def _one_each(target: MutationTarget) -> Iterator[Site]:
    """The whole `Action` becomes a list of one value, which an obfuscation can then hide."""
    for grant in statements(target):
        if isinstance(grant.actions[0], str):
            yield Site(
                (*grant.path, "Action"), f"{_service(grant)}:*", grant.actions[0], lambda v: [v]
            )


def _trusted(target: MutationTarget) -> Iterator[Site]:
    for grant in trusts(target):
        yield Site((*grant.path, "Action"), "sts:*", grant.body["Action"])


def _permissions(target: MutationTarget) -> Iterator[Site]:
    for logical_id, properties in target.resources(PERMISSION):
        path = ("Resources", logical_id, "Properties", "Action")
        yield Site(path, "lambda:*", properties["Action"])


def _part(action: str, make: Callable[[str, str], str]) -> str | None:
    service, colon, name = action.partition(":")
    return f"{service}:{make(service, name)}" if colon and len(name) > 3 else None


OPERATORS: tuple[Operator, ...] = (
    plain("action-all", 'all actions become "*"', NAMED, _widened(lambda _: "*")),
    plain("action-all-all", 'all actions become "*:*"', NAMED, _widened(lambda _: "*:*")),
    plain(
        "action-service",
        "an action becomes all actions of its service",
        NAMED,
        _widened(lambda action: f"{action.partition(':')[0]}:*"),
    ),
    plain(
        "action-service-upper",
        "an action becomes all actions of its service, in capitals",
        NAMED,
        _widened(lambda action: f"{action.partition(':')[0].upper()}:*"),
    ),
    plain(
        "action-question-mark",
        "a letter of an action becomes a question mark",
        NAMED,
        _widened(lambda action: _part(action, lambda _, name: f"?{name[1:]}")),
    ),
    plain(
        "action-inner-wildcard",
        "the middle of an action becomes a wildcard",
        NAMED,
        _widened(lambda action: _part(action, lambda _, name: f"{name[:1]}*{name[-1:]}")),
    ),
    plain(
        "action-prefix",
        "the end of an action becomes a wildcard",
        NAMED,
        _widened(lambda action: _part(action, lambda _, name: f"{name[:3]}*")),
    ),
    plain("action-added", "all actions of a service, beside the named actions", NAMED, _added),
    *obfuscated("action-service", "an action becomes all actions of its service", NAMED, _one_each),
    *obfuscated(
        "action-added", "all actions of a service, beside the named actions", NAMED, _added, (IF,)
    ),
    plain("action-trust", "who may assume a role may call every STS action", NAMED, _trusted),
    plain(
        "permission-action",
        "who may invoke a function may call every Lambda action",
        NAMED,
        _permissions,
    ),
)
