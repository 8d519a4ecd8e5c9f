"""Edits of a template in long form: each edit writes or removes one value and leaves the rest."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]
"""Keys and indices from the top of a template; `Fn::If` and its like are keys."""


class _Gone:
    """The type of `GONE`, the value of an edit that removes the key or element."""

    def __repr__(self) -> str:
        return "GONE"


GONE = _Gone()
NO_VALUE = {"Ref": "AWS::NoValue"}


@dataclass(frozen=True, slots=True)
class Edit:
    """Write `value` at `path`, in the mutated template or in another `file` of its template set.

    An index one past the end of a list appends. Missing mappings on the way, and a missing file,
    are created.
    """

    path: Path
    value: Any
    file: str = ""


Break = tuple[Edit, ...]
"""The edits of one mutant; the report names the place of the first edit."""


def written(body: Any, path: Path, value: Any) -> Any:
    """Copy `body` with the value at `path` replaced, added or (`GONE`) removed.

    Raises:
        LookupError: `path` does not exist.
    """
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        copy = list(body)
        if value is GONE and not rest:
            del copy[step]
        elif step == len(copy):
            copy.append(written({}, rest, value))
        else:
            copy[step] = written(copy[step], rest, value)
        return copy
    changed = dict(body)
    if value is GONE and not rest:
        del changed[step]
    else:
        changed[step] = written(changed.get(step, {}), rest, value)
    return changed


def at(body: Any, path: Path) -> Any:
    """Return the value at `path`.

    Raises:
        LookupError: `path` does not exist.
    """
    for step in path:
        body = body[step]
    return body


def mappings(body: Any, path: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield path and body of every mapping at or below a value, outer first, with intrinsics."""
    if isinstance(body, dict):
        yield path, body
        for key, inner in body.items():
            yield from mappings(inner, (*path, key))
    elif isinstance(body, list):
        for index, inner in enumerate(body):
            yield from mappings(inner, (*path, index))
