"""TL_IAM_3: every allowed resource is named, if the action supports resource-level permissions."""

import re
from collections.abc import Iterator, Sequence

from tljudge.data import unscoped_actions
from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource
from tljudge.resolve.values import Value, display, for_matching, why
from tljudge.resources.statements import CARRIERS, MEANS_ITSELF, Statement, bounded_by, statements

MOST_NAMED = 20
# In ARNs of these services the last part begins with the name, not with a resource type.
NO_KIND = frozenset({"s3", "sns", "sqs", "execute-api", "codecommit"})


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge each resource of each Allow; `*` passes for actions that support no resource."""
    if resource.type in MEANS_ITSELF:
        return
    for statement in statements(resource):
        if statement.why:
            yield unknown(f"its policy cannot be read: {statement.why}", statement.mark)
        elif statement.allows():
            yield from _judged(statement, policy)


def _judged(statement: Statement, policy: Policy) -> Iterator[Verdict]:
    broad = [
        (value, mark, is_broad(for_matching(value, "x")))
        for value, mark in statement.values("Resource")
        if is_broad(for_matching(value, "*"))
    ]
    if not broad:
        return
    actions = [(value, for_matching(value, "?")) for value, _ in statement.values("Action")]
    limitable = [value for value, text in actions if not _has_no_resource(text.lower())]
    if actions and not limitable:
        return
    narrowed = bounded_by(statement, "resourcetag", *policy.narrowing_keys)
    if narrowed:
        return
    named = listed(limitable) or "all but NotAction"
    for value, mark, surely in broad:
        if surely and narrowed is False:
            yield fail(f"allows {named} on {display(value)}", mark)
        else:
            reason = why(value) if not surely else "its condition is unknown"
            yield unknown(f"allows {named} on an unknown resource: {reason}", mark)


def is_broad(arn: str) -> bool:
    """Whether an ARN is a wildcard for a whole account, service or resource type."""
    if not arn.strip("*?"):
        return True
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return arn.startswith("arn:") and "*" in parts[-1]
    names = [name for name in re.split("[/:]", parts[5]) if name]
    if not names or not names[0].strip("*?"):
        return True
    return parts[2] not in NO_KIND and len(names) > 1 and not names[1].strip("*?")


def listed(values: Sequence[Value]) -> str:
    """Actions or ARNs as the template writes them; all, so that a waiver covers only these."""
    more = f" and {len(values) - MOST_NAMED} more" if len(values) > MOST_NAMED else ""
    names = sorted((display(value) for value in values), key=str.lower)
    return ", ".join(names[:MOST_NAMED]) + more


def _has_no_resource(action: str) -> bool:
    service, _, name = action.partition(":")
    return name in unscoped_actions().get(service, frozenset())


RULE = Rule(
    id="TL_IAM_3",
    title="Every allowed resource is named",
    why="a wildcard reaches the resources of every other stack in the account",
    fix="name the ARN, or narrow it by a condition on the resource's tags",
    source="https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html",
    types=CARRIERS,
    check=check,
)
