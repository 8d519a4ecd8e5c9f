"""Values that are not, or not wholly, known; and text made of known and unknown pieces."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tljudge.decode.nodes import Call, as_text

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


class _NoValue:
    """`AWS::NoValue`: the key or element is not there."""

    def __repr__(self) -> str:
        return "NOVALUE"


NOVALUE = _NoValue()


def join(parts: Iterable[Any]) -> Any:
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


def pieces(value: Any) -> tuple[str | Unknown, ...]:
    """The pieces of a scalar."""
    if isinstance(value, Text):
        return value.parts
    return (value,) if isinstance(value, Unknown) else (as_text(value),)


def is_plain(value: Any) -> bool:
    """No unknown piece could hold a wildcard or a separator."""
    return all(isinstance(p, str) or p.plain for p in pieces(value))


def key_of(value: Any) -> str:
    """Text that is equal for equal scalars, known or not."""
    if isinstance(value, Text):
        return value.key
    return f"${{{value.key}}}" if isinstance(value, Unknown) else as_text(value)


def for_matching(value: Any, unknown: str) -> str:
    """The text with every piece that is not known to be plain replaced, and `x` for plain ones."""
    return "".join(p if isinstance(p, str) else "x" if p.plain else unknown for p in pieces(value))


def why(value: Any) -> str:
    """Why a value is not known."""
    reasons = [p.why for p in pieces(value) if isinstance(p, Unknown)]
    unclear = [p.why for p in pieces(value) if isinstance(p, Unknown) and not p.plain]
    return (unclear or reasons or ["not known"])[0]


def display(value: Any, limit: int = 100) -> str:
    """A scalar for a person: unknown pieces as `${...}`, and never longer than `limit`."""
    text = "".join(
        p if isinstance(p, str) else f"${{{p.key.removesuffix('!other')}}}" for p in pieces(value)
    )
    return text if len(text) <= limit else f"{text[:limit]}..."


def identity(value: Any) -> str:
    """A stable text for any value."""
    if isinstance(value, list | dict):
        return json.dumps(value, default=repr, sort_keys=True)
    if isinstance(value, Call):
        return f"{value.name}({identity(value.argument)})"
    return key_of(value)


def has_unknown(value: Any, *, plain_too: bool = False) -> bool:
    """Whether a piece is unknown; one that is known to be plain counts with `plain_too`."""
    pending = [value]
    while pending:
        value = pending.pop()
        kind = type(value)
        if kind is str:
            continue
        if kind is Unknown:
            if plain_too or not value.plain:
                return True
        elif kind is Text:
            if plain_too or not is_plain(value):
                return True
        elif isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return False
