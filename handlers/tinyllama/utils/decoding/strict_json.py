"""JSON strictly by RFC 8259: refuses what `json` accepts beyond it, and what makes `json` fail.

Refused are duplicate members, objects of more than 256 members, NaN, Infinity, numbers that
overflow to infinity, and nesting beyond a stated depth. `loads` raises `InvalidJson` only, no input
makes it recurse, and its cost grows with the length of the text and no faster.
"""

import json
import math
import re
from typing import NoReturn

MAX_MEMBERS = 256
"""Of one object: more than any document that we read has."""

# A string, or a bracket outside of strings. An unterminated string matches up to the end, so that
# the expression stays linear.
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


class InvalidJson(ValueError):
    """The text is not strict JSON. `duplicate` names the member that occurs twice, if any does."""

    def __init__(self, message: str, duplicate: str | None = None) -> None:
        super().__init__(message)
        self.duplicate = duplicate


def loads(text: str, *, max_depth: int) -> object:
    """Parse a JSON value; the caller has bounded the length of `text`.

    Raises:
        InvalidJson: with a message that holds nothing of `text`.
    """
    if _deeper_than(max_depth, text):
        raise InvalidJson("nested too deeply")
    try:
        return _DECODER.decode(text)
    except InvalidJson:
        raise
    except ValueError:
        # JSONDecodeError quotes the text; a number of over 4,300 digits is a plain ValueError.
        raise InvalidJson("not JSON") from None


def _deeper_than(limit: int, text: str) -> bool:
    if text.count("[") + text.count("{") <= limit:
        return False
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        first = text[match.start()]
        if first in "[{":
            depth += 1
            if depth > limit:
                return True
        elif first in "]}":
            depth -= 1
    return False


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(pairs) > MAX_MEMBERS:
        raise InvalidJson("too many members")
    members: dict[str, object] = {}
    for name, value in pairs:
        if name in members:
            raise InvalidJson("a member occurs twice", name)
        members[name] = value
    return members


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise InvalidJson("a number too large")
    return number


def _no_constant(_: str) -> NoReturn:
    raise InvalidJson("not a number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=_finite, parse_constant=_no_constant
)
