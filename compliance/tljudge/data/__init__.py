"""Tables about AWS, generated from other projects and checked in; each is read on first use."""

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

_HERE = Path(__file__).parent


class Tagging(NamedTuple):
    """How a resource type takes tags.

    Attributes:
        name: the property that holds the tags.
        form: `list` of Key and Value, `map`, or `either`.
        from_stack: whether CloudFormation passes stack tags to resources of the type.
    """

    name: str
    form: str
    from_stack: bool


@cache
def tagging() -> dict[str, Tagging | None]:
    """Every resource type in the provider schemas, with its tagging; None without tags."""
    rows: dict[str, list[object] | None] = json.loads((_HERE / "tagging.json").read_text("utf-8"))
    return {
        kind: None if row is None else Tagging(str(row[0]), str(row[1]), bool(row[2]))
        for kind, row in rows.items()
    }


@cache
def unscoped_actions() -> dict[str, frozenset[str]]:
    """By service prefix, the actions without resource-level permissions, all in lower case."""
    rows: dict[str, str] = json.loads((_HERE / "unscoped_actions.json").read_text("utf-8"))
    return {service: frozenset(names.split()) for service, names in rows.items()}
