"""TL_IAM_1: every allowed action is named, without a wildcard."""

from collections.abc import Iterator

from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource
from tljudge.resolve.values import Value, display, is_plain, pieces, why
from tljudge.resources.statements import CARRIERS, ROLE, TRUST, document, statements

PERMISSION = "AWS::Lambda::Permission"


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge every statement of every policy of a resource, and of a role's trust policy."""
    if resource.type == PERMISSION:
        yield from _judged(resource.get("Action"), resource.mark_of("Action"))
        return
    judged = list(statements(resource))
    if resource.type == ROLE:
        trust = document(resource.get(TRUST), resource.mark_of(TRUST))
        # TL_IAM_6 reports a trust policy that is unknown.
        judged += [statement for statement in trust if not statement.why]
    for statement in judged:
        if statement.why:
            yield unknown(f"its policy cannot be read: {statement.why}", statement.mark)
        elif statement.allows():
            for action, mark in statement.values("Action"):
                yield from _judged(action, mark)


def _judged(action: Value, mark: tuple[int, int]) -> Iterator[Verdict]:
    literal = "".join(piece for piece in pieces(action) if isinstance(piece, str))
    if "*" in literal or "?" in literal:
        yield fail(f"allows {display(action)}", mark)
    elif not is_plain(action):
        yield unknown(f"an action is unknown: {why(action)}", mark)


RULE = Rule(
    id="TL_IAM_1",
    title="Every allowed action is named",
    why="a wildcard also allows what AWS adds later",
    fix="name each action that is called",
    source="https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html#grant-least-privilege",
    types=(*CARRIERS, PERMISSION),
    check=check,
)
