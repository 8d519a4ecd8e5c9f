"""Counts the steps of Python code: lines that run and functions that are called, not seconds.

A count is the same on every machine. It cannot see inside a function written in C, which is why a
test gives such a function counted objects.
"""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def steps(call: Callable[[], object]) -> int:
    """Run `call`, and count every line of Python and every call of C code; exceptions pass."""
    count = 0

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += 1
        return line

    def c_call(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "c_call"

    tracing, profiling = sys.gettrace(), sys.getprofile()
    sys.settrace(line)
    sys.setprofile(c_call)
    try:
        call()
    finally:
        sys.setprofile(profiling)
        sys.settrace(tracing)
    return count


class CountedText(str):
    """Text that counts how often a text of its kind is compared or hashed."""

    touched = 0

    def __eq__(self, other: object) -> bool:
        CountedText.touched += 1
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        CountedText.touched += 1
        return str.__hash__(self)
