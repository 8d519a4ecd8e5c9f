"""Laws of the body's validation."""

import base64
import json
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.contract import schema_faults
from tests.property.strategies import (
    bodies,
    field_names,
    json_values,
    requests,
    spelled,
    wrong_idles,
    wrong_prompts,
)
from tests.timing import takes_less_than
from tinyllama.utils.http.body import (
    DEFAULT_IDLE_MIN,
    MAX_BODY_BYTES,
    MAX_IDLE_MIN,
    MAX_PROMPT_BYTES,
    MIN_IDLE_MIN,
    InferRequest,
    InvalidBody,
    parse,
)
from tinyllama.utils.http.responses import error_response

MARK = "m4rk-of-the-value"


def serialise(request: InferRequest) -> str:
    """The body a client would send."""
    return json.dumps({"prompt": request.prompt, "idle": request.idle})


def outcome(body: str | bytes | None, is_base64: bool = False) -> InferRequest | InvalidBody:
    """The request or the refusal; no other end is possible."""
    try:
        return parse(body, is_base64)
    except InvalidBody as refusal:
        return refusal


def fault(body: str | bytes | None, is_base64: bool = False) -> str | None:
    """The field the refusal names, None if the body is accepted."""
    found = outcome(body, is_base64)
    return found.field if isinstance(found, InvalidBody) else None


@given(requests())
def test_what_is_serialised_is_parsed_to_the_same(request: InferRequest) -> None:
    """parse(serialise(request)) is the request, as text, as bytes and as base64."""
    text = serialise(request)
    assert parse(text, False) == request
    assert parse(text.encode(), False) == request
    assert parse(base64.b64encode(text.encode()).decode(), True) == request


@given(requests(), st.data())
def test_spelling_of_json_changes_nothing(request: InferRequest, data: st.DataObject) -> None:
    """Order, white space and escapes mean nothing."""
    text = data.draw(spelled({"prompt": request.prompt, "idle": request.idle}))
    assert parse(text, False) == request


@given(bodies())
@example(('{"prompt":"a","idle":30}', False))
@example(("[" * 37_000, False))
@example(('{"prompt":"' + '[\\"' * 12_000, False))
@example(('{"prompt":"a","idle":' + "9" * 37_000 + "}", False))
def test_validation_is_total_bounded_and_lets_only_right_requests_pass(
    given_body: tuple[str | bytes | None, bool],
) -> None:
    """Any body is accepted or refused, soon; what is accepted keeps to every stated bound."""
    found = outcome(*given_body)
    assert takes_less_than(0.05, lambda: outcome(*given_body))
    if isinstance(found, InferRequest):
        assert 1 <= len(found.prompt.encode()) <= MAX_PROMPT_BYTES
        assert "\0" not in found.prompt
        assert type(found.idle) is int
        assert MIN_IDLE_MIN <= found.idle <= MAX_IDLE_MIN
        assert parse(serialise(found), False) == found


@given(requests())
def test_what_is_accepted_keeps_to_the_contract(request: InferRequest) -> None:
    """The schema of the contract takes whatever the validator takes."""
    schema = {"$ref": "#/components/schemas/InferRequest"}
    assert schema_faults(schema, json.loads(serialise(request))) == []


@given(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), st.integers(-9, 9))
def test_prompt_is_counted_in_bytes(character: str, more: int) -> None:
    """A prompt of one repeated character is accepted exactly up to 6,144 bytes of UTF-8."""
    prompt = character * (MAX_PROMPT_BYTES // len(character.encode()) + more)
    expected = None if len(prompt.encode()) <= MAX_PROMPT_BYTES else "prompt"
    assert fault(json.dumps({"prompt": prompt})) == expected


@given(wrong_prompts(), st.none() | st.integers(1, 30))
def test_wrong_prompt_is_named(value: Any, idle: int | None) -> None:
    """Whatever is no prompt is refused under that name."""
    body = {"prompt": value} | ({} if idle is None else {"idle": idle})
    assert fault(json.dumps(body)) == "prompt"


@given(wrong_idles())
def test_wrong_idle_is_named(value: Any) -> None:
    """Whatever is no idle time is refused under that name; 5.0 and true are none."""
    text = json.dumps({"prompt": "a", "idle": value})
    # A number of more digits than Python reads is refused with the body.
    assert fault(text) == "idle"


@given(field_names(), json_values())
def test_unknown_field_is_refused_and_named_if_plain(name: str, value: Any) -> None:
    """Any other field is refused; its name comes back only if it is short and plain."""
    plain = name.isascii() and name.replace("-", "").replace("_", "a").isalnum()
    text = json.dumps({"prompt": "a", name: value})
    shown = name if len(name) <= 32 and (plain or set(name) == {"-"}) else "body"
    assert fault(text) == shown


@given(requests(), st.sampled_from(["prompt", "idle"]), st.data())
def test_duplicate_field_is_named(request: InferRequest, name: str, data: st.DataObject) -> None:
    """A field that occurs twice is refused, also where both say the same."""
    again = data.draw(st.just(getattr(request, name)) | json_values())
    text = f"{serialise(request)[:-1]}, {json.dumps(name)}: {json.dumps(again)}}}"
    assume(len(text.encode()) <= MAX_BODY_BYTES)
    assert fault(text) == name


@given(st.one_of(wrong_prompts(), wrong_idles(), json_values()), st.data())
def test_refusal_never_holds_what_was_sent(value: Any, data: st.DataObject) -> None:
    """Neither the answer nor the log's reason repeats any value, nor a name that is not plain."""
    texts = [
        json.dumps({"prompt": [MARK, value]}),
        json.dumps({"prompt": f"{MARK}\0"}),
        json.dumps({"prompt": MARK, "idle": MARK}),
        json.dumps({"prompt": MARK, "idle": value, f"{MARK} ": value}),
        json.dumps({"prompt": MARK * 999}),
        f"{MARK}{json.dumps(value)}",
        f'{{"prompt":"{MARK}","{MARK} ":1,"{MARK} ":2}}',
        json.dumps(MARK),
    ]
    text = data.draw(st.sampled_from(texts))
    refusal = outcome(text)
    assert isinstance(refusal, InvalidBody)
    assert MARK not in f"{refusal} {refusal!r} {error_response(refusal)}"


@given(st.none() | st.integers(1, 30))
def test_idle_has_its_default(idle: int | None) -> None:
    """Five minutes where nothing is said, else what is said."""
    body = {"prompt": "a"} | ({} if idle is None else {"idle": idle})
    assert parse(json.dumps(body), False).idle == (DEFAULT_IDLE_MIN if idle is None else idle)
