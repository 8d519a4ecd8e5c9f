"""Read unquoted scalars as CloudFormation does, by YAML 1.1: `yes` is true and 0123 is octal.

A date stays text, as in CloudFormation.
"""

import re

from tljudge.decode.nodes import Scalar

TYPED = frozenset("yYnNtTfFoO~-+.0123456789")
_WORDS: dict[str, bool | None] = {
    spelling: value
    for words, value in (("yes true on", True), ("no false off", False), ("null ~", None))
    for word in words.split()
    for spelling in (word, word.capitalize(), word.upper())
}
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_OTHER_INTEGER = re.compile(r"[-+]?(0[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+)")
_SEXAGESIMAL = re.compile(r"[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+")
_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9_]+)([eE][-+][0-9]+)?")
_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_MAX_DIGITS = 64


def plain(text: str, is_json: bool = False) -> Scalar:
    """The value of an unquoted scalar; text that matches no YAML 1.1 type stays text."""
    if not text:
        return None
    if text[0] not in TYPED:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _MAX_DIGITS:
        return text
    if _DECIMAL.fullmatch(text):
        return int(text.replace("_", ""))
    if _OTHER_INTEGER.fullmatch(text):
        digits = text.replace("_", "")
        octal = digits.lstrip("+-").isdigit()
        return int(digits, 8) if octal else int(digits, 0)
    if _SEXAGESIMAL.fullmatch(text):
        total = 0
        for piece in text.lstrip("+-").replace("_", "").split(":"):
            total = total * 60 + int(piece)
        return -total if text[0] == "-" else total
    if _FLOAT.fullmatch(text) and any(c.isdigit() for c in text):
        return float(text.replace("_", ""))
    if is_json and _JSON_NUMBER.fullmatch(text):
        return float(text)
    return text
