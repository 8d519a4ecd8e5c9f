"""JSON strictly by RFC 8259: refuses what `json` accepts beyond it, and what makes `json` fail.

Refused are duplicate members, NaN, Infinity, numbers that overflow to infinity, and nesting beyond
a stated depth. `loads` raises `InvalidJson` only, and no input makes it recurse.
"""

import json
import math
import re
from typing import NoReturn

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
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        duplicate = next(name for name in names if names.count(name) > 1)
        raise InvalidJson("a member occurs twice", duplicate)
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
