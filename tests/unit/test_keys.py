"""Which keys are admitted, and how old stored keys may be."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from tests import loopback, tokens
from tests.unit.conftest import key_item
from tinyllama.utils.auth.key_store import KeyStore, KeysUnavailable, from_item, to_item
from tinyllama.utils.auth.keys import InvalidKeys, Keys, Rs256Key
from tinyllama.utils.aws.sigv4 import Credentials
from tinyllama.utils.settings import KeySettings

NOW = 1_790_000_000.0


def admits(**changes: Any) -> bool:
    """True if the pool's key, changed like this, is admitted."""
    document = {"keys": [tokens.pinned().jwk(**changes), tokens.second().jwk()]}
    return tokens.pinned().kid in Keys.from_jwks(document).by_kid


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"use": None},
        {"alg": None},
        {"key_ops": ["verify"]},
        {"x5t": "abc"},
        {"kid": "pinned/key+1="},
    ],
)
def test_fit_key_is_admitted(changes: dict[str, Any]) -> None:
    """What says nothing against RS256 signatures is fit."""
    assert admits(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"use": "enc"},
        {"use": ["sig"]},
        {"alg": "RS384"},
        {"alg": "PS256"},
        {"key_ops": ["sign"]},
        {"key_ops": []},
        {"key_ops": "verify"},
        {"kty": "EC"},
        {"kty": "rsa"},
        {"kty": None},
        {"d": "AQAB"},
        {"k": "AQAB"},
        {"n": None},
        {"e": None},
        {"e": "AQ"},
        {"e": "Aw"},
        {"e": "AQAC"},
        {"e": "AQAAAAE"},
        {"e": "AQAB="},
        {"e": "AAEAAQ"},
        {"e": 65537},
        {"n": tokens.b64(b"\xff" * 255)},
        {"n": tokens.b64(b"\xff" * 1025)},
        {"n": tokens.b64(b"\xff" * 255 + b"\xfe")},
        {"n": ""},
    ],
    ids=str,
)
def test_unfit_key_is_left_out(changes: dict[str, Any]) -> None:
    """A key for another purpose, of another kind, too weak or too costly verifies nothing."""
    assert not admits(**changes)


@pytest.mark.parametrize("kid", [None, "", 1, "x" * 257])
def test_key_without_a_usable_id_is_left_out(kid: object) -> None:
    """A token could not name it."""
    assert set(
        Keys.from_jwks({"keys": [tokens.pinned().jwk(kid=kid), tokens.second().jwk()]}).by_kid
    ) == {tokens.second().kid}


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("", "the document is not strict JSON"),
        ("{", "the document is not strict JSON"),
        (b"\xff", "the document is not strict JSON"),
        ('{"keys":[],"keys":[]}', "the document is not strict JSON"),
        ("[]", "the document has no list of keys"),
        ("{}", "the document has no list of keys"),
        ('{"keys":{}}', "the document has no list of keys"),
        ('{"keys":[]}', "no key of the set is fit to verify RS256"),
        ('{"keys":[1,null,[]]}', "no key of the set is fit to verify RS256"),
        ({"keys": None}, "the document has no list of keys"),
        (" " * 65_537, "the document is too large"),
    ],
)
def test_document_without_a_fit_key_is_refused(document: Any, why: str) -> None:
    """A key set that can verify nothing is no key set."""
    with pytest.raises(InvalidKeys) as refused:
        Keys.from_jwks(document)
    assert str(refused.value) == why


@pytest.mark.parametrize(
    ("change", "verifies"),
    [
        (lambda s: s, True),
        (lambda s: s[:-1], False),
        (lambda s: s + b"\0", False),
        (lambda s: b"\0" + s, False),
        (lambda _: b"", False),
        (lambda _: b"\0" * 256, False),
        (lambda _: b"\0" * 255 + b"\1", False),
        (lambda _: b"\xff" * 256, False),
        (lambda s: (tokens.pinned().modulus - int.from_bytes(s)).to_bytes(256), False),
    ],
)
def test_signature_is_whole_and_in_range(change: Callable[[bytes], bytes], verifies: bool) -> None:
    """RFC 8017 asks for as many bytes as the modulus has, and for a number below it."""
    key = Rs256Key(tokens.pinned().modulus, 65537)
    assert key.verify(b"message", change(tokens.pinned().sign(b"message"))) is verifies


@pytest.mark.parametrize("digest", [hashes.SHA1(), hashes.SHA384(), hashes.SHA512()])  # noqa: S303
def test_digest_of_another_algorithm_is_refused(digest: hashes.HashAlgorithm) -> None:
    """RS256 is SHA-256, also where the signature says something else and is right."""
    key = Rs256Key(tokens.pinned().modulus, 65537)
    assert not key.verify(b"message", tokens.pinned().sign(b"message", digest))


def test_stored_item_is_read_back() -> None:
    """What the signing-keys function writes, the others read."""
    item = to_item(json.dumps(tokens.jwks()), issuer=tokens.ISSUER, fetched_at=int(NOW))
    document = from_item(item, issuer=tokens.ISSUER)
    assert set(document.keys.by_kid) == {tokens.pinned().kid, tokens.second().kid}
    assert document.fetched_at == NOW


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (None, "the stored item has no issuer"),
        ({}, "the stored item has no issuer"),
        (key_item(issuer={"S": "https://other"}), "the stored keys are of another issuer"),
        (key_item(issuer={"N": "1"}), "the stored item has no issuer"),
        (key_item(fetchedAt={"S": "1"}), "the stored item has no fetchedAt"),
        (key_item(fetchedAt={"N": "1.5"}), "fetchedAt is not a time"),
        (key_item(fetchedAt={"N": "-1"}), "fetchedAt is not a time"),
        (key_item(fetchedAt={"N": "9" * 13}), "fetchedAt is not a time"),
        (key_item(jwks={"B": ""}), "the stored item has no jwks"),
        (key_item(jwks={"S": "{}"}), "the stored keys: the document has no list of keys"),
    ],
)
def test_item_that_is_not_ours_is_refused(item: Any, why: str) -> None:
    """Keys of another pool, or what is no key set, are never used."""
    with pytest.raises(KeysUnavailable) as refused:
        from_item(item, issuer=tokens.ISSUER)
    assert str(refused.value) == why


@pytest.fixture
def table() -> loopback.Table:
    """A table with keys fetched at NOW."""
    return loopback.Table(item=key_item(NOW))


@pytest.fixture
def store(table: loopback.Table) -> Iterator[KeyStore]:
    """A store that reads from it over HTTP."""
    with loopback.endpoint(table.answer) as endpoint:
        settings = KeySettings(tokens.ISSUER, table.name, table.region, endpoint.url)
        yield KeyStore(
            settings,
            lambda: Credentials(loopback.ACCESS_KEY, loopback.SECRET_KEY, loopback.SESSION_TOKEN),
        )


def test_store_knows_nothing_before_it_reads(store: KeyStore, table: loopback.Table) -> None:
    """Asking what is known costs no I/O."""
    assert store.cached(NOW).by_kid == {}
    assert table.reads == 0


def test_store_caches_for_four_minutes(store: KeyStore, table: loopback.Table) -> None:
    """Keys that were read are known for 240 s from then."""
    keys = store.reload(NOW)
    assert store.cached(NOW + 239) is keys
    assert store.cached(NOW + 240).by_kid == {}
    assert store.cached(NOW - 1).by_kid == {}
    assert table.reads == 1


def test_store_reads_again_once_in_30_s(store: KeyStore, table: loopback.Table) -> None:
    """Tokens with unknown key ids cannot make the function read for each of them."""
    for second in range(60):
        store.reload(NOW + second)
    assert table.reads == 2


def test_store_keeps_using_keys_until_they_are_ten_minutes_old(
    store: KeyStore, table: loopback.Table
) -> None:
    """A read that fails is tolerated while what is cached is fresh enough, and no longer."""
    keys = store.reload(NOW)
    table.refusal = loopback.Answer(500)
    assert store.reload(NOW + 300) is keys
    assert store.reload(NOW + 600) is keys
    with pytest.raises(KeysUnavailable):
        store.reload(NOW + 601)


@pytest.mark.parametrize("age_s", [601, 10**6, -61])
def test_store_refuses_old_keys(store: KeyStore, table: loopback.Table, age_s: int) -> None:
    """Keys older than ten minutes, or from the future, are not used: the pool may have others."""
    table.item = key_item(NOW - age_s)
    with pytest.raises(KeysUnavailable) as refused:
        store.reload(NOW)
    assert str(refused.value) == "the stored keys are too old"


@pytest.mark.parametrize("age_s", [600, 0, -60])
def test_store_takes_fresh_keys(store: KeyStore, table: loopback.Table, age_s: int) -> None:
    """Up to ten minutes, and a minute of clock skew."""
    table.item = key_item(NOW - age_s)
    assert set(store.reload(NOW).by_kid) == {tokens.pinned().kid, tokens.second().kid}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            loopback.Answer(400, b'{"__type":"com.amazon.coral.service#AccessDeniedException"}'),
            "GetItem: status 400 AccessDeniedException",
        ),
        (loopback.Answer(400, b'{"__type":"a b\\nc"}'), "GetItem: status 400"),
        (loopback.Answer(503, b"<html>"), "GetItem: status 503"),
        (loopback.Answer(302, b"", {"location": "http://127.0.0.1:1/"}), "GetItem: status 302"),
        (loopback.Answer(200, b"nonsense"), "GetItem: answer not strict JSON"),
        (loopback.Answer(200, b"[]"), "GetItem: not an object"),
        (loopback.Answer(200, b"[" * 600_000), "GetItem: answer too large"),
        (loopback.Answer(200, b"{}"), "the stored item has no issuer"),
    ],
)
def test_store_tells_why_there_are_no_keys(
    store: KeyStore, table: loopback.Table, answer: loopback.Answer, why: str
) -> None:
    """The log learns what failed; an error's text does not get into it."""
    table.refusal = answer
    with pytest.raises(KeysUnavailable) as refused:
        store.reload(NOW)
    assert str(refused.value) == why


def test_store_gives_up_on_a_silent_table() -> None:
    """A table that nobody serves is told as such."""
    settings = KeySettings(tokens.ISSUER, "table", "eu-central-1", "http://127.0.0.1:1")
    store = KeyStore(settings, lambda: Credentials("AKID", "secret"))
    with pytest.raises(KeysUnavailable) as refused:
        store.reload(NOW)
    assert str(refused.value) == "GetItem: ConnectionRefusedError"
