"""Edits of a template in long form: each writes or removes one value, and touches no other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from tljudge.decode.nodes import Scalar

Path = tuple[str | int, ...]
"""Keys and indices from the top of a template; `Fn::If` and its like are keys."""


class Gone(Enum):
    """Nothing: the key or element is taken away."""

    GONE = "GONE"

    def __repr__(self) -> str:
        return "GONE"


GONE: Final = Gone.GONE
Part = Scalar | Mapping[str, "Part"] | Sequence["Part"] | Gone
"""Part of a template in long form, where an intrinsic is a mapping; `GONE` for nothing."""
Body = dict[str, Part]
NO_VALUE = {"Ref": "AWS::NoValue"}


@dataclass(frozen=True, slots=True)
class Edit:
    """`value` at `path`; of the template itself, or of another `file` beside it.

    A path that ends one past a list appends; mappings on the way are made; a file that is not there
    is made too.
    """

    path: Path
    value: Part
    file: str = ""


Break = tuple[Edit, ...]
"""One thing broken; the first edit is the place of it."""


def written(body: Part, path: Path, value: Part) -> Part:
    """A copy of `body` with one value replaced.

    Raises:
        LookupError: there is no such place.
    """
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        copy = list(as_rows(body))
        if value is GONE and not rest:
            del copy[step]
        elif step == len(copy):
            copy.append(written({}, rest, value))
        else:
            copy[step] = written(copy[step], rest, value)
        return copy
    found = dict(as_body(body))
    if value is GONE and not rest:
        del found[step]
    else:
        found[step] = written(found.get(step, {}), rest, value)
    return found


def at(body: Part, path: Path) -> Part:
    """The value at a place.

    Raises:
        LookupError: there is no such place.
    """
    for step in path:
        body = as_rows(body)[step] if isinstance(step, int) else as_body(body)[step]
    return body


def as_body(part: Part) -> Body:
    """The mapping that a part is.

    Raises:
        LookupError: it has another shape.
    """
    if isinstance(part, dict):
        return part
    raise LookupError(f"{type(part).__name__} stands where a mapping is wanted")


def as_rows(part: Part) -> list[Part]:
    """The list that a part is.

    Raises:
        LookupError: it has another shape.
    """
    if isinstance(part, list):
        return part
    raise LookupError(f"{type(part).__name__} stands where a list is wanted")


def mappings(body: Part, path: Path = ()) -> Iterator[tuple[Path, Body]]:
    """Every mapping at or below a value, the outer ones first, intrinsics included."""
    if isinstance(body, dict):
        yield path, body
        for key, inner in body.items():
            yield from mappings(inner, (*path, key))
    elif isinstance(body, list):
        for index, inner in enumerate(body):
            yield from mappings(inner, (*path, index))
