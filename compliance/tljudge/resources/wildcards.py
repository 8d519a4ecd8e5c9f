"""Wildcards of IAM: `*` for any text, `?` for one character, and no other.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html
"""

import re
from fnmatch import translate
from functools import lru_cache

MAX_LENGTH = 2_048


def matches(text: str, pattern: str) -> bool:
    """Whether a pattern matches a text, case-sensitively; over `MAX_LENGTH` it matches all."""
    if "*" not in pattern and "?" not in pattern:
        return text == pattern
    return len(pattern) > MAX_LENGTH or _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern.replace("[", "[[]")))
