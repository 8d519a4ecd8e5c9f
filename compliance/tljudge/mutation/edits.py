"""Edits of a template in long form: each writes or removes one value, and touches no other."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]
"""Keys and indices from the top of a template; `Fn::If` and its like are keys."""


class _Gone:
    """Nothing: the key or element is taken away."""

    def __repr__(self) -> str:
        return "GONE"


GONE = _Gone()
NO_VALUE = {"Ref": "AWS::NoValue"}


@dataclass(frozen=True, slots=True)
class Edit:
    """`value` at `path`; of the template itself, or of another `file` beside it.

    A path that ends one past a list appends; mappings on the way are made; a file that is not there
    is made too.
    """

    path: Path
    value: Any
    file: str = ""


Break = tuple[Edit, ...]
"""One thing broken; the first edit is the place of it."""


def written(body: Any, path: Path, value: Any) -> Any:
    """A copy of `body` with one value replaced.

    Raises:
        LookupError: there is no such place.
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
    found = dict(body)
    if value is GONE and not rest:
        del found[step]
    else:
        found[step] = written(found.get(step, {}), rest, value)
    return found


def at(body: Any, path: Path) -> Any:
    """The value at a place.

    Raises:
        LookupError: there is no such place.
    """
    for step in path:
        body = body[step]
    return body


def mappings(body: Any, path: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every mapping at or below a value, the outer ones first, intrinsics included."""
    if isinstance(body, dict):
        yield path, body
        for key, inner in body.items():
            yield from mappings(inner, (*path, key))
    elif isinstance(body, list):
        for index, inner in enumerate(body):
            yield from mappings(inner, (*path, index))
