"""Values that are not, or not wholly, known; and text made of known and unknown pieces."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Union

from tljudge.decode.nodes import (
    Call,
    Json,
    Map,
    Mark,
    Node,
    Scalar,
    Seq,
    as_text,
    made_map,
    made_seq,
)

MAX_LENGTH = 1_000_000
"""Characters and pieces of one text; a template has at most as many bytes."""
MAX_PIECES = 10_000
"""Elements of a list that text is split into."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value nobody can know from the template; equal keys mean the same value.

    `plain` says that it holds no wildcard and no separator, because AWS made it or its parameter
    admits none; `nonempty` that it is not empty. `origin` is the resource it stands for, as
    (stack path, logical id, attribute).
    """

    key: str
    why: str
    plain: bool = False
    nonempty: bool = False
    origin: tuple[str, str, str] | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """Text of at least two pieces, at least one of them unknown."""

    parts: tuple[str | Unknown, ...]

    @property
    def key(self) -> str:
        """Equal for equal text."""
        return "".join(p if isinstance(p, str) else f"${{{p.key}}}" for p in self.parts)


class NoValue(Enum):
    """`AWS::NoValue`: the key or element is not there."""

    NOVALUE = "NOVALUE"

    def __repr__(self) -> str:
        return "NOVALUE"

    __str__ = __repr__


NOVALUE: Final = NoValue.NOVALUE

Value = Union[Scalar, "Map[Value]", "Seq[Value]", Unknown, Text, NoValue]
"""What a rule gets: a value of the template in one scenario."""

EMPTY: Map[Value] = made_map({}, {})
"""A mapping of nothing, where a setting is not there."""


def as_map(value: Value) -> Map[Value]:
    """The mapping that a value is.

    Raises:
        TypeError: it has another shape, which the engine reports as not known.
    """
    if isinstance(value, Map):
        return value
    raise TypeError(f"{type(value).__name__} stands where a mapping is wanted")


def from_json(found: Json, mark: Mark) -> Value:
    """What stands in JSON text as a value of the template; all of it stands where the text does."""
    if isinstance(found, dict):
        mapping = Map({key: from_json(inner, mark) for key, inner in found.items()})
        mapping.marks, mapping.static = dict.fromkeys(found, mark), True
        return mapping
    if isinstance(found, list):
        return made_seq([from_json(inner, mark) for inner in found], [mark] * len(found))
    return found


def join(parts: Iterable[Value]) -> str | Unknown | Text:
    """One text of many pieces: `str`, `Unknown` or `Text`; unknown where it grows beyond bounds."""
    flat: list[str | Unknown] = []
    run: list[str] = []
    length = 0
    for part in parts:
        for piece in part.parts if isinstance(part, Text) else (part,):
            if isinstance(piece, dict | list):
                piece = Unknown("shape", "a list or mapping stands where text is wanted")
            length += 1
            if isinstance(piece, Unknown):
                if run:
                    flat.append("".join(run))
                    run = []
                flat.append(piece)
            elif text := as_text(piece):
                run.append(text)
                length += len(text)
        if length > MAX_LENGTH:
            key = f"long {length} {key_of(part)[:40]}"
            return Unknown(key, f"it is longer than {MAX_LENGTH} characters")
    if run:
        flat.append("".join(run))
    if not flat:
        return ""
    return flat[0] if len(flat) == 1 else Text(tuple(flat))


def pieces(value: Value) -> tuple[str | Unknown, ...]:
    """The pieces of a scalar."""
    if isinstance(value, Text):
        return value.parts
    return (value,) if isinstance(value, Unknown) else (as_text(value),)


def is_plain(value: Value) -> bool:
    """No unknown piece could hold a wildcard or a separator."""
    return all(isinstance(p, str) or p.plain for p in pieces(value))


def key_of(value: Value) -> str:
    """Text that is equal for equal scalars, known or not."""
    if isinstance(value, Text):
        return value.key
    return f"${{{value.key}}}" if isinstance(value, Unknown) else as_text(value)


def for_matching(value: Value, unknown: str) -> str:
    """The text with every piece that is not known to be plain replaced, and `x` for plain ones."""
    return "".join(p if isinstance(p, str) else "x" if p.plain else unknown for p in pieces(value))


def why(value: Value) -> str:
    """Why a value is not known."""
    reasons = [p.why for p in pieces(value) if isinstance(p, Unknown)]
    unclear = [p.why for p in pieces(value) if isinstance(p, Unknown) and not p.plain]
    return (unclear or reasons or ["not known"])[0]


def display(value: Value, limit: int = 100) -> str:
    """A scalar for a person: unknown pieces as `${...}`, and never longer than `limit`."""
    text = "".join(
        p if isinstance(p, str) else f"${{{p.key.removesuffix('!other')}}}" for p in pieces(value)
    )
    return text if len(text) <= limit else f"{text[:limit]}..."


def identity(value: Value | Node) -> str:
    """A stable text for any value."""
    if isinstance(value, list | dict):
        return json.dumps(value, default=repr, sort_keys=True)
    if isinstance(value, Call):
        return f"{value.name}({identity(value.argument)})"
    return key_of(value)


def has_unknown(value: Value, *, plain_too: bool = False) -> bool:
    """Whether a piece is unknown; one that is known to be plain counts with `plain_too`."""
    pending = [value]
    while pending:
        value = pending.pop()
        if type(value) is str:
            continue
        if type(value) is Unknown:
            if plain_too or not value.plain:
                return True
        elif type(value) is Text:
            if plain_too or not is_plain(value):
                return True
        elif isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return False
