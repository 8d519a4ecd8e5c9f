"""Values in one scenario: known, unknown, absent, or text of known and unknown pieces."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Union

from tljudge.decode.errors import shortened
from tljudge.decode.nodes import (
    Call,
    Json,
    Map,
    Mark,
    Node,
    Scalar,
    Seq,
    as_text,
    new_map,
    new_seq,
)

MAX_LENGTH = 1_000_000
"""Maximum of characters plus pieces in one text."""
MAX_PIECES = 10_000
"""Maximum of elements when a text is split."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that the template does not decide.

    Attributes:
        key: equal keys mean the same value.
        why: the reason, for messages.
        plain: whether it contains no wildcard and no separator, because AWS generates it or its
            parameter refuses them.
        nonempty: whether it is not empty.
        origin: the resource it refers to, as (stack path, logical id, attribute).
    """

    key: str
    why: str
    plain: bool = False
    nonempty: bool = False
    origin: tuple[str, str, str] | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """Text of two or more pieces, of which at least one is `Unknown`."""

    parts: tuple[str | Unknown, ...]

    @property
    def key(self) -> str:
        """The text with the key of each unknown piece; equal keys mean equal text."""
        return "".join(p if isinstance(p, str) else f"${{{p.key}}}" for p in self.parts)


class NoValue(Enum):
    """The type of `NOVALUE`: the property or element is absent, as for `AWS::NoValue`."""

    NOVALUE = "NOVALUE"

    def __repr__(self) -> str:
        return "NOVALUE"

    __str__ = __repr__


NOVALUE: Final = NoValue.NOVALUE

Value = Union[Scalar, "Map[Value]", "Seq[Value]", Unknown, Text, NoValue]
"""A value of the template in one scenario, as rules get it."""

EMPTY: Map[Value] = new_map({}, {})
"""An empty mapping, for an absent setting."""


def as_map(value: Value) -> Map[Value]:
    """Return the value if it is a mapping.

    Raises:
        TypeError: it is not; the engine then reports UNKNOWN.
    """
    if isinstance(value, Map):
        return value
    raise TypeError(f"{type(value).__name__} in place of a mapping")


def from_json(parsed: Json, mark: Mark) -> Value:
    """Convert parsed JSON text to a value; every part gets the place of the text."""
    if isinstance(parsed, dict):
        mapping = Map({key: from_json(inner, mark) for key, inner in parsed.items()})
        mapping.marks, mapping.static = dict.fromkeys(parsed, mark), True
        return mapping
    if isinstance(parsed, list):
        return new_seq([from_json(inner, mark) for inner in parsed], [mark] * len(parsed))
    return parsed


def join(parts: Iterable[Value]) -> str | Unknown | Text:
    """Concatenate pieces to `str`, `Unknown` or `Text`; `Unknown` if longer than `MAX_LENGTH`."""
    flat: list[str | Unknown] = []
    run: list[str] = []
    length = 0
    for part in parts:
        for piece in part.parts if isinstance(part, Text) else (part,):
            if isinstance(piece, dict | list):
                piece = Unknown("shape", "a list or mapping is in place of text")
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
    """The pieces of a scalar: known text and unknown values."""
    if isinstance(value, Text):
        return value.parts
    return (value,) if isinstance(value, Unknown) else (as_text(value),)


def is_plain(value: Value) -> bool:
    """Whether no unknown piece can contain a wildcard or a separator."""
    return all(isinstance(p, str) or p.plain for p in pieces(value))


def key_of(value: Value) -> str:
    """A text that is equal for equal scalars, known or unknown."""
    if isinstance(value, Text):
        return value.key
    return f"${{{value.key}}}" if isinstance(value, Unknown) else as_text(value)


def for_matching(value: Value, unknown: str) -> str:
    """The text with `x` for each plain unknown piece and `unknown` for each other unknown piece."""
    return "".join(p if isinstance(p, str) else "x" if p.plain else unknown for p in pieces(value))


def why(value: Value) -> str:
    """Why a value is unknown: its first piece that is not plain says it, else its first."""
    reasons = [p.why for p in pieces(value) if isinstance(p, Unknown)]
    unclear = [p.why for p in pieces(value) if isinstance(p, Unknown) and not p.plain]
    return (unclear or reasons or ["unknown"])[0]


def display(value: Value, limit: int = 100) -> str:
    """Format a scalar for messages: unknown pieces as `${...}`, cut in the middle to `limit`."""
    text = "".join(
        p if isinstance(p, str) else f"${{{p.key.removesuffix('!other')}}}" for p in pieces(value)
    )
    return shortened(text, limit)


def identity(value: Value | Node) -> str:
    """A text that is equal for equal values or nodes, of any shape."""
    if isinstance(value, list | dict):
        return json.dumps(value, default=repr, sort_keys=True)
    if isinstance(value, Call):
        return f"{value.name}({identity(value.argument)})"
    return key_of(value)


def has_unknown(value: Value, *, plain_too: bool = False) -> bool:
    """Whether a value contains an unknown piece; plain pieces count only with `plain_too`."""
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
