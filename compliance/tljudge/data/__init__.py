"""What others know about AWS, generated and checked in; a table is read when first needed."""

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

_HERE = Path(__file__).parent


class Tagging(NamedTuple):
    """How a type is tagged; `form` is `list`, `map` or `either`."""

    name: str
    form: str
    from_stack: bool


@cache
def tagging() -> dict[str, Tagging | None]:
    """Every resource type the schemas know, with its tagging; None where it takes no tags."""
    rows: dict[str, list[object] | None] = json.loads((_HERE / "tagging.json").read_text("utf-8"))
    return {
        kind: None if row is None else Tagging(str(row[0]), str(row[1]), bool(row[2]))
        for kind, row in rows.items()
    }


@cache
def unscoped_actions() -> dict[str, frozenset[str]]:
    """Service prefix to the actions that cannot be limited to a resource, in lower case."""
    rows: dict[str, str] = json.loads((_HERE / "unscoped_actions.json").read_text("utf-8"))
    return {service: frozenset(names.split()) for service, names in rows.items()}
