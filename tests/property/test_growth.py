"""Doubling a text at most doubles the steps of parsing it, for every parser of foreign text.

Steps, not seconds: a busy machine changes no verdict. Every input is as large as its parser takes,
and the parser refuses what is larger before it looks at it.
"""

import contextlib
import json
from collections.abc import Callable

import pytest

from node import settings
from node.settings import MAX_DOCUMENT_LENGTH
from tests import tokens
from tests.steps import CountedText, steps
from tinyllama.utils.auth.access_token import MAX_TOKEN_LENGTH, verify_jwt
from tinyllama.utils.auth.keys import MAX_JWKS_BYTES, Keys
from tinyllama.utils.decoding import base64url, strict_json
from tinyllama.utils.http import body
from tinyllama.utils.http.authentication import bearer_token
from tinyllama.utils.queue import job_id

FIXED = 100
"""Steps that do not depend on the input."""
KEYS = Keys.from_jwks(tokens.jwks())

# Each makes a text of about that many characters.
TEXTS: dict[str, Callable[[int], str]] = {
    "members": lambda size: json.dumps({f"{n:06}": 1 for n in range(size // 13)}),
    "one member many times": lambda size: "{" + ",".join(['"a":1'] * (size // 6)) + "}",
    "a member twice, last": lambda size: (
        json.dumps({f"{n:06}": 1 for n in range(size // 13)})[:-1] + ',"000000":1}'
    ),
    "objects": lambda size: json.dumps([{"a": 1}] * (size // 10)),
    "objects with two members of a name": lambda size: "[" + '{"a":1,"a":1},' * (size // 14),
    "open brackets": lambda size: "[" * size,
    "brackets": lambda size: "[" + "[]," * (size // 3) + "0]",
    "open braces": lambda size: '{"a":' * (size // 5),
    "quotes": lambda size: '"' * size,
    "escaped quotes": lambda size: '"' + '\\"' * (size // 2),
    "backslashes": lambda size: "[[[[[[[[[" + '"' + "\\" * size,
    "digits": lambda size: "9" * size,
    "numbers": lambda size: json.dumps([1.5] * (size // 5)),
    "constants": lambda size: "[" + "NaN," * (size // 4),
    "spaces": lambda size: " " * size,
    "text": lambda size: json.dumps({"prompt": "x" * size}),
    "escapes": lambda size: '{"prompt":"' + "\\u0041" * (size // 6) + '"}',
    "dots": lambda size: "." * size,
    "plain": lambda size: "A" * size,
}


def _verified(token: str) -> None:
    verify_jwt(
        token, issuer=tokens.ISSUER, audience=tokens.AUDIENCE, keys=KEYS, now=float(tokens.NOW)
    )


def _header_of(text: str) -> str:
    return f"{tokens.b64(text.encode())}.{tokens.b64(b'{}')}.AAAA"


def _claims_of(text: str) -> str:
    head = tokens.b64(json.dumps(tokens.header()).encode())
    return f"{head}.{tokens.b64(text.encode())}.AAAA"


# Each parser with the size of what it takes; a token's segment is base64 of the text.
PARSERS: dict[str, tuple[Callable[[str], object], int]] = {
    "strict_json": (lambda text: strict_json.loads(text, max_depth=8), 40_000),
    "body": (lambda text: body.parse(text, False), body.MAX_BODY_BYTES),
    "body in base64": (lambda text: body.parse(text, True), body.MAX_BODY_BYTES),
    "Idempotency-Key": (body.idempotency_key, 8000),
    "Authorization": (
        lambda text: bearer_token({"headers": {"authorization": f"Bearer {text}"}}),
        MAX_TOKEN_LENGTH,
    ),
    "token": (_verified, MAX_TOKEN_LENGTH),
    "token's header": (lambda text: _verified(_header_of(text)), MAX_TOKEN_LENGTH // 2),
    "token's claims": (lambda text: _verified(_claims_of(text)), MAX_TOKEN_LENGTH // 2),
    "base64url": (base64url.decode, MAX_TOKEN_LENGTH),
    "JWKS": (Keys.from_jwks, MAX_JWKS_BYTES),
    "JWKS of keys": (
        lambda text: Keys.from_jwks(f'{{"keys":{text}}}'),
        MAX_JWKS_BYTES - 20,
    ),
    "job id": (job_id.parse, 8000),
    "node's settings": (settings.parse, MAX_DOCUMENT_LENGTH),
}


def cost(parse: Callable[[str], object], text: str) -> int:
    """The steps of parsing it, whether it is taken or refused."""

    def attempt() -> None:
        with contextlib.suppress(Exception):
            parse(text)

    return steps(attempt)


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("parser", PARSERS)
def test_doubling_the_input_at_most_doubles_the_steps(parser: str, kind: str) -> None:
    """Up to the largest text that the parser takes; a larger one is refused for its size alone."""
    parse, size = PARSERS[parser]
    quarter, half, whole = (cost(parse, TEXTS[kind](size // part)) for part in (4, 2, 1))
    assert half <= 2 * quarter + FIXED
    assert whole <= 2 * half + FIXED


@pytest.mark.parametrize(
    ("parser", "size"),
    [
        ("body", body.MAX_BODY_BYTES),
        ("token", MAX_TOKEN_LENGTH),
        ("JWKS", MAX_JWKS_BYTES),
        ("node's settings", MAX_DOCUMENT_LENGTH),
    ],
)
def test_larger_input_is_refused_unread(parser: str, size: int) -> None:
    """A text of ten times the size costs no more steps than one that is a little too large."""
    parse, _ = PARSERS[parser]
    for make in TEXTS.values():
        assert cost(parse, make(20 * size)) <= cost(parse, "[" * (2 * size)) < FIXED


@pytest.mark.parametrize("doubled", [False, True], ids=["different", "last twice"])
def test_names_of_members_are_compared_once_each(doubled: bool) -> None:
    """The dictionary works in C, so its comparisons are counted on the names themselves."""

    def compared(count: int) -> int:
        names = [CountedText(f"n{n}") for n in range(count)]
        if doubled:
            names[-1] = CountedText("n0")
        CountedText.touched = 0
        with contextlib.suppress(strict_json.InvalidJson):
            strict_json._members([(name, 1) for name in names])
        return CountedText.touched

    most = strict_json.MAX_MEMBERS
    assert compared(most) <= 2 * compared(most // 2) + 8
    assert compared(most) <= 6 * most
    assert compared(most + 1) == 0


def test_more_members_than_any_document_has_are_refused() -> None:
    """So many are read, one more is not."""
    most = strict_json.MAX_MEMBERS
    document = {f"n{n}": n for n in range(most)}
    assert strict_json.loads(json.dumps(document), max_depth=1) == document
    with pytest.raises(strict_json.InvalidJson, match=r"^too many members$") as refused:
        strict_json.loads(json.dumps(document | {"one": 1}), max_depth=1)
    assert refused.value.duplicate is None


def test_counting_sees_what_grows_faster() -> None:
    """The old search for a repeated name, in Python and in C, does not pass these laws."""

    def search(count: int) -> None:
        names = [CountedText(f"n{n}") for n in range(count)]
        next((name for name in names if names.count(name) > 1), None)

    def nested(text: str) -> int:
        return sum(1 for first in text for second in text if first > second)

    counts = []
    for count in (100, 200):
        CountedText.touched = 0
        search(count)
        counts.append(CountedText.touched)
    assert counts[1] > 3 * counts[0]
    assert cost(nested, "ab" * 100) > 3 * cost(nested, "ab" * 50)
