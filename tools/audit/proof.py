"""What proves that a resource is a stack's: its ledger, its tags, or what it came from.

A name that begins alike proves nothing, because another stack may have it. What nobody can prove to
be of another stack, carries no tags and was made since the stack was, is named as such.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jmespath

from tools.audit.kinds import GOING, LOG_OF, Kind
from tools.audit.ledger import Ledger
from tools.audit.look import Found

STACK_ID = "aws:cloudformation:stack-id"
LOG_PREFIXES = ("/aws/lambda/", "/aws/lambda-insights/")


def why_ours(found: Found, tags: Mapping[str, str], ledger: Ledger) -> str:
    """What proves that a resource is of the ledger's stacks; empty where nothing does."""
    if ledger.owns(found.kind.type, found.id):
        return f"a resource of stack {ledger.name}"
    if tags.get(STACK_ID) in ledger.stacks:
        return f"tag {STACK_ID}"
    for (other, how), path in found.kind.of.items():
        for source in _texts(jmespath.search(path, found.item)):
            name = _function_of(source) if how == LOG_OF else source
            if name and ledger.owns(other, name):
                return f"{how} {name}"
    return ""


def is_untagged_since(found: Found, tags: Mapping[str, str], since: datetime | None) -> bool:
    """Whether it was made since then, and says nothing of whose it is."""
    moment = made_at(found.kind, found.item)
    return since is not None and moment is not None and moment >= since and not tags


def is_of_aws(found: Found) -> bool:
    """Whether AWS made and manages it: a default VPC, a service's role."""
    return bool(found.kind.theirs and jmespath.search(found.kind.theirs, found.item))


def is_going(found: Found) -> bool:
    """Whether it ends by itself and bills nothing any more."""
    if not found.kind.state:
        return False
    return str(jmespath.search(found.kind.state, found.item)).lower() in GOING


def made_at(kind: Kind, item: Any) -> datetime | None:
    """When a resource was made; None where AWS does not tell."""
    value = jmespath.search(kind.made, item) if kind.made else None
    if isinstance(value, int | float):
        value = datetime.fromtimestamp(value / 1000, UTC)
    elif isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _function_of(log_group: str) -> str:
    """The function that Lambda writes a log group for."""
    for prefix in LOG_PREFIXES:
        if log_group.startswith(prefix):
            return log_group.removeprefix(prefix)
    return ""


def _texts(value: Any) -> list[str]:
    listed = value if isinstance(value, list) else [value]
    return [one for one in listed if isinstance(one, str) and one]
