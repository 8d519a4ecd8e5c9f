"""Laws of the key set."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import example, find, given
from hypothesis import strategies as st

from tests import tokens
from tests.property.strategies import json_like, key_lists, key_sets
from tests.timing import takes_less_than
from tinyllama.utils.auth.keys import (
    MAX_MODULUS_BITS,
    MIN_EXPONENT,
    MIN_MODULUS_BITS,
    InvalidKeys,
    Keys,
)
from tinyllama.utils.decoding import base64url


def admitted(document: Any) -> set[str]:
    """The ids of the keys that are admitted; nothing but InvalidKeys may be raised."""
    try:
        return set(Keys.from_jwks(document).by_kid)
    except InvalidKeys:
        return set()


@given(key_sets() | json_like())
@example(tokens.jwks())
def test_key_set_is_total_and_admits_only_fit_keys(document: Any) -> None:
    """Any document gives keys or InvalidKeys; an admitted key fits RS256 in every respect."""
    for kid in admitted(document):
        parsed = json.loads(document) if isinstance(document, str) else document
        (jwk,) = [one for one in parsed["keys"] if isinstance(one, dict) and one.get("kid") == kid]
        numbers = [int.from_bytes(tokens.unb64(jwk[name])) for name in "ne"]
        assert jwk["kty"] == "RSA"
        assert jwk.get("use", "sig") == "sig"
        assert jwk.get("alg", "RS256") == "RS256"
        assert "verify" in jwk.get("key_ops", ["verify"])
        assert MIN_MODULUS_BITS <= numbers[0].bit_length() <= MAX_MODULUS_BITS
        assert numbers[1] >= MIN_EXPONENT
        assert [number % 2 for number in numbers] == [1, 1]
        assert "d" not in jwk


def test_key_sets_hold_fit_and_unfit_keys() -> None:
    """The strategies reach sets whose keys are all admitted, and sets of which only a part is."""
    whole = find(key_sets(), lambda document: len(admitted(document)) == 2)
    assert len(whole["keys"]) == 2
    part = find(key_lists(), lambda keys: 0 < len(admitted({"keys": keys})) < len(keys))
    assert len(admitted({"keys": part})) < len(part)


@given(key_sets())
def test_text_and_bytes_mean_the_same(document: Any) -> None:
    """A key set given as text or as bytes admits the same keys."""
    text = json.dumps(document)
    assert admitted(text) == admitted(text.encode())


@given(key_lists())
def test_text_and_parsed_document_mean_the_same(keys: list[Any]) -> None:
    """A key set given as text or parsed admits the same keys."""
    assert admitted({"keys": keys}) == admitted(json.dumps({"keys": keys}))


@given(key_lists(), st.randoms(use_true_random=False))
def test_order_of_keys_changes_nothing(keys: list[Any], random: Random) -> None:
    """The keys of a set may come in any order."""
    shuffled = list(keys)
    random.shuffle(shuffled)
    assert admitted({"keys": shuffled}) == admitted({"keys": keys})


@given(st.binary(max_size=80))
def test_base64url_has_one_spelling(content: bytes) -> None:
    """Of all texts that some decoder takes for these bytes, exactly one is taken here."""
    text = tokens.b64(content)
    assert base64url.decode(text) == content
    for other in (f"{text}=", f"{text}==", f" {text}", f"{text}\n", f"{text}.", f"{text}A==="):
        assert base64url.decode(other) is None


@given(st.text(max_size=40))
def test_base64url_is_total(text: str) -> None:
    """Any text decodes to bytes that encode to it again, or to nothing."""
    decoded = base64url.decode(text)
    assert decoded is None or tokens.b64(decoded) == text


@pytest.mark.parametrize(
    "document",
    [
        '{"keys":[' + ",".join(['{"kid":"a"}'] * 5000) + "]}",
        '{"keys":' + "[" * 60_000,
        '{"keys":[{"kid":"a","kty":"RSA","e":"AQAB","n":"' + "_" * 60_000 + '"}]}',
        "x" * 10**7,
    ],
    ids=["many", "deep", "large modulus", "10 MB"],
)
def test_key_set_is_judged_soon(document: str) -> None:
    """No document keeps the function busy."""
    assert admitted(document) == set()
    assert takes_less_than(0.2, lambda: admitted(document))
