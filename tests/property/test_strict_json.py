"""Laws of the strict parser, with Python's own as the oracle."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.property.strategies import json_like, json_values
from tests.timing import takes_less_than
from tinyllama.utils.decoding.strict_json import InvalidJson, loads

MAX_DEPTH = 8
MESSAGES = {
    "not JSON",
    "nested too deeply",
    "too many members",
    "a member occurs twice",
    "a number too large",
    "not a number",
}


@given(json_values())
def test_strict_json_is_read_as_python_reads_it(value: Any) -> None:
    """Strict JSON is read, and means the same, exactly if it is not too deep."""
    text = json.dumps(value)
    read, refusal = outcome(text)
    if depth(value) <= MAX_DEPTH:
        assert (read, refusal) == (json.loads(text), None)
    else:
        assert str(refusal) == "nested too deeply"


@given(json_like())
@example('"' + '\\"' * 20_000)
@example('"' * 40_001)
@example("[" * 100_000)
@example('{"a":' * 50_000)
@example('"\\')
def test_any_text_is_read_or_refused_soon(text: str) -> None:
    """Only InvalidJson is raised, whatever the text; what is read, Python reads too."""
    found, refusal = outcome(text)
    assert takes_less_than(0.1, lambda: outcome(text))
    if refusal is None:
        assert found == json.loads(text)
        assert depth(found) <= MAX_DEPTH
    else:
        assert str(refusal) in MESSAGES


@given(
    st.integers(1, 20), st.sampled_from(["[{}]", '{{"a":{}}}']), st.text('[]{}"\\a', max_size=20)
)
def test_depth_is_counted_outside_of_strings(levels: int, shape: str, inside: str) -> None:
    """A value is refused exactly if it nests deeper than allowed; brackets in strings count not."""
    text = json.dumps(inside)
    for _ in range(levels):
        text = shape.format(text)
    assert (outcome(text)[1] is None) is (levels <= MAX_DEPTH)


@given(json_values(), json_values())
def test_duplicate_member_is_refused_and_told(first: Any, again: Any) -> None:
    """An object with a member twice is refused, however deep, and the member is told."""
    text = f'[{{"a":{json.dumps(first)},"b":0,"\\u0061":{json.dumps(again)}}}]'
    _, refusal = outcome(text, max_depth=64)
    assert refusal is not None
    assert refusal.duplicate == "a"


def outcome(text: str, max_depth: int = MAX_DEPTH) -> tuple[Any, InvalidJson | None]:
    """What is read, or the refusal; no other end is possible."""
    try:
        return loads(text, max_depth=max_depth), None
    except InvalidJson as refusal:
        return None, refusal


def depth(value: Any) -> int:
    """How deep lists and objects nest."""
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0
