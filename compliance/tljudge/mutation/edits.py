"""Edits of a template in long form: each edit writes or removes one value and leaves the rest."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from tljudge.decode.nodes import Scalar

Path = tuple[str | int, ...]
"""Keys and indices from the top of a template; `Fn::If` and its like are keys."""


class Gone(Enum):
    """The type of `GONE`, the value of an edit that removes the key or element."""

    GONE = "GONE"

    def __repr__(self) -> str:
        return "GONE"


GONE: Final = Gone.GONE
Part = Scalar | Mapping[str, "Part"] | Sequence["Part"] | Gone
"""A value of a template in long form, where an intrinsic is a mapping; `GONE` removes it."""
Body = dict[str, Part]
"""A mapping of a template in long form: a resource, its properties, a policy statement."""
NO_VALUE = {"Ref": "AWS::NoValue"}


@dataclass(frozen=True, slots=True)
class Edit:
    """Write `value` at `path`, in the mutated template or in another `file` of its template set.

    An index one past the end of a list appends. Missing mappings on the way, and a missing file,
    are created.
    """

    path: Path
    value: Part
    file: str = ""


Break = tuple[Edit, ...]
"""The edits of one mutant; the report names the place of the first edit."""


def written(body: Part, path: Path, value: Part) -> Part:
    """Copy `body` with the value at `path` replaced, added or (`GONE`) removed.

    Raises:
        LookupError: `path` does not exist.
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
    changed = dict(as_body(body))
    if value is GONE and not rest:
        del changed[step]
    else:
        changed[step] = written(changed.get(step, {}), rest, value)
    return changed


def at(body: Part, path: Path) -> Part:
    """Return the value at `path`.

    Raises:
        LookupError: `path` does not exist.
    """
    for step in path:
        body = as_rows(body)[step] if isinstance(step, int) else as_body(body)[step]
    return body


def as_body(part: Part) -> Body:
    """Return the part if it is a mapping.

    Raises:
        LookupError: it is not; the operator does not apply there.
    """
    if isinstance(part, dict):
        return part
    raise LookupError(f"{type(part).__name__} in place of a mapping")


def as_rows(part: Part) -> list[Part]:
    """Return the part if it is a list.

    Raises:
        LookupError: it is not; the operator does not apply there.
    """
    if isinstance(part, list):
        return part
    raise LookupError(f"{type(part).__name__} in place of a list")


def mappings(body: Part, path: Path = ()) -> Iterator[tuple[Path, Body]]:
    """Yield path and body of every mapping at or below a value, outer first, with intrinsics."""
    if isinstance(body, dict):
        yield path, body
        for key, inner in body.items():
            yield from mappings(inner, (*path, key))
    elif isinstance(body, list):
        for index, inner in enumerate(body):
            yield from mappings(inner, (*path, index))
