"""Tokens that must be refused, each wrong in one way and, unless that is the way, well signed.

Long because it is one table: a refusal of one kind stands beside the token that shows it.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from cryptography.hazmat.primitives import hashes
from joserfc import jwe
from joserfc.jwk import RSAKey

from tests.tokens import (
    AUDIENCE,
    ISSUER,
    NOW,
    Json,
    Signer,
    b64,
    claims,
    foreign,
    header,
    hmac_token,
    jwks,
    pinned,
    second,
    token,
    unb64,
    unsigned,
)
from tinyllama.utils.auth.access_token import LEEWAY_S, MAX_TOKEN_LENGTH, Reason

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(frozen=True)
class Vector:
    """A token, when and with which keys it is judged, and why it must be refused."""

    name: str
    token: Callable[[], str]
    why: Reason
    keys: Callable[[], Json] = field(default=jwks)


def vectors() -> list[Vector]:
    """All of them; each is made when it is asked for, as keys take a moment."""
    return [
        *_forms(),
        *_algorithms(),
        *_headers(),
        *_claims(),
        *_times(),
        *_keys(),
    ]


def good() -> dict[str, Callable[[], str]]:
    """Tokens that must be accepted, at the edges of what is allowed."""
    return {
        "as Cognito makes it": token,
        "second key": lambda: token(header(kid=second().kid), signer=second()),
        "typ JWT": lambda: token(header(typ="JWT")),
        "typ jwt": lambda: token(header(typ="jwt")),
        "aud is the client": lambda: token(payload=claims(aud=AUDIENCE)),
        "aud holds the client": lambda: token(payload=claims(aud=["other", AUDIENCE])),
        "no groups": lambda: token(payload=_claims_without_groups()),
        "expired within the leeway": lambda: token(payload=claims(exp=NOW - LEEWAY_S + 1)),
        "issued within the leeway": lambda: token(payload=claims(iat=NOW + LEEWAY_S)),
        "nbf within the leeway": lambda: token(payload=claims(nbf=NOW + LEEWAY_S)),
        "longest sub": lambda: token(payload=claims(sub="~" * 128)),
        "largest": lambda: _of_length(MAX_TOKEN_LENGTH),
        "depth that is allowed": lambda: token(payload=claims(deep=[[[[[[[0]]]]]]])),
        "brackets in text": lambda: token(payload=claims(text='[{"\\' * 40)),
    }


def _forms() -> list[Vector]:
    signature = Reason.SIGNATURE
    return [
        Vector("empty", str, Reason.SEGMENTS),
        Vector("1 MB", lambda: "a" * 1_000_000, Reason.TOO_LONG),
        Vector("1 MB of dots", lambda: "." * 1_000_000, Reason.TOO_LONG),
        Vector("signed, one too long", lambda: _of_length(MAX_TOKEN_LENGTH + 1), Reason.TOO_LONG),
        Vector("two segments", lambda: unsigned(header(), claims()), Reason.SEGMENTS),
        Vector("fourth segment", lambda: f"{token()}.e30", Reason.SEGMENTS),
        Vector("trailing dot", lambda: f"{token()}.", Reason.SEGMENTS),
        Vector("trailing newline", lambda: f"{token()}\n", Reason.SEGMENTS),
        Vector("leading space", lambda: f" {token()}", Reason.SEGMENTS),
        Vector("== on the signature", lambda: f"{token()}==", Reason.SEGMENTS),
        Vector("= on the header", lambda: _signed_text(b64_padded=True), Reason.SEGMENTS),
        Vector("space inside the signature", lambda: _inserted(" "), Reason.SEGMENTS),
        Vector("foreign character", lambda: _inserted("!"), Reason.SEGMENTS),
        Vector("not ASCII", lambda: _inserted("\u0101"), Reason.SEGMENTS),
        Vector("unused bits set", _unused_bits, Reason.SEGMENTS),
        Vector("standard base64", _standard_base64, Reason.SEGMENTS),
        Vector("empty signature", lambda: f"{unsigned(header(), claims())}.", signature),
        Vector("signature cut", lambda: _signature(lambda s: s[:-1]), signature),
        Vector("signature with a leading zero", lambda: _signature(lambda s: b"\0" + s), signature),
        Vector("signature plus modulus", _plus_modulus, signature),
        Vector("signature of another token", _other_signature, signature),
        Vector("JSON serialisation", _json_serialisation, Reason.SEGMENTS),
        Vector("JWE", _jwe, Reason.SEGMENTS),
        Vector("claims changed", _claims_changed, signature),
    ]


def _algorithms() -> list[Vector]:
    why = Reason.ALGORITHM
    none = ("none", "None", "NONE", "nOnE", "")
    others = ("RS384", "RS512", "PS256", "ES256", "HS256", "EdDSA", "rs256", "RS256 ", "RS1")
    return [
        *(Vector(f"alg {alg!r}", partial(_unsigned_alg, alg), why) for alg in none),
        *(Vector(f"alg {alg}", partial(_with_header, alg=alg), why) for alg in others),
        Vector("no alg", lambda: token(header(alg=None)), why),
        Vector("alg a list", lambda: token(header(alg=["RS256"])), why),
        Vector("HS256 with the public PEM", lambda: hmac_token(pinned().pem), why),
        Vector("HS256 with the PEM, no newline", lambda: hmac_token(pinned().pem.strip()), why),
        Vector("HS256 with n", lambda: hmac_token(pinned().jwk()["n"].encode()), why),
        Vector("HMAC under RS256", lambda: hmac_token(pinned().pem, "RS256"), Reason.SIGNATURE),
        Vector("SHA-1 under RS256", lambda: _by_sha1(), Reason.SIGNATURE),
        Vector("SHA-512 under RS256", lambda: token(digest=hashes.SHA512()), Reason.SIGNATURE),
    ]


def _headers() -> list[Vector]:
    crit, kind, key = Reason.CRITICAL, Reason.TYPE, Reason.KEY_ID
    twice = '{"alg":"RS256","alg":"RS256","kid":' + json.dumps(pinned().kid) + "}"
    return [
        Vector("crit", lambda: token(header(crit=["exp"], exp=0)), crit),
        Vector("crit b64", lambda: token(header(crit=["b64"], b64=True)), crit),
        Vector("crit empty", lambda: token(header(crit=[])), crit),
        Vector("crit null", lambda: token(_with_null(header(), "crit")), crit),
        Vector("typ at+jwt", lambda: token(header(typ="at+jwt")), kind),
        Vector("typ null", lambda: token(_with_null(header(), "typ")), kind),
        Vector("typ a number", lambda: token(header(typ=1)), kind),
        Vector("no kid", lambda: token(header(kid=None)), key),
        Vector("kid a number", lambda: token(header(kid=7)), key),
        Vector("kid a list", lambda: token(header(kid=[pinned().kid])), key),
        Vector("kid unknown", lambda: token(header(kid="other")), Reason.UNKNOWN_KEY),
        Vector("kid of the other key", lambda: token(header(kid=second().kid)), Reason.SIGNATURE),
        Vector("foreign key", lambda: token(signer=foreign()), Reason.SIGNATURE),
        Vector("foreign key, its jwk inside", _own_jwk, Reason.SIGNATURE),
        Vector("header twice the same", lambda: token(twice), Reason.JSON),
        Vector("header a list", lambda: token("[]"), Reason.JSON),
        Vector("header a word", lambda: token('"RS256"'), Reason.JSON),
        Vector("header empty", lambda: token(""), Reason.JSON),
        Vector("header with a BOM", lambda: token("\ufeff" + json.dumps(header())), Reason.JSON),
    ]


def _claims() -> list[Vector]:
    groups, subject, audience = Reason.GROUPS, Reason.SUBJECT, Reason.AUDIENCE
    text = json.dumps(claims())
    wrong: list[tuple[str, Json, Reason]] = [
        ("no iss", {"iss": None}, Reason.ISSUER),
        ("other pool", {"iss": f"{ISSUER}x"}, Reason.ISSUER),
        ("iss with a slash", {"iss": f"{ISSUER}/"}, Reason.ISSUER),
        ("iss a list", {"iss": [ISSUER]}, Reason.ISSUER),
        ("no client_id", {"client_id": None}, Reason.CLIENT),
        ("other client", {"client_id": f"{AUDIENCE}0"}, Reason.CLIENT),
        ("only aud, as an id token", {"client_id": None, "aud": AUDIENCE}, Reason.CLIENT),
        ("token_use id", {"token_use": "id"}, Reason.USE),
        ("no token_use", {"token_use": None}, Reason.USE),
        ("token_use Access", {"token_use": "Access"}, Reason.USE),
        ("aud of another", {"aud": "other"}, audience),
        ("aud a list of others", {"aud": ["other"]}, audience),
        ("aud a list with a number", {"aud": [AUDIENCE, 1]}, audience),
        ("aud empty", {"aud": ""}, audience),
        ("no sub", {"sub": None}, subject),
        ("sub empty", {"sub": ""}, subject),
        ("sub a number", {"sub": 7}, subject),
        ("sub too long", {"sub": "a" * 129}, subject),
        ("sub with a newline", {"sub": "a\nb"}, subject),
        ("sub not ASCII", {"sub": "\u00e9"}, subject),
        ("groups a text", {"cognito:groups": "admins"}, groups),
        ("groups of a number", {"cognito:groups": ["admins", 1]}, groups),
        ("groups an object", {"cognito:groups": {"admins": True}}, groups),
    ]
    return [
        *(Vector(name, partial(_with_claims, **changes), why) for name, changes, why in wrong),
        Vector("claims twice", lambda: token(payload=f'{text[:-1]},"sub":"x"}}'), Reason.JSON),
        Vector("NaN", lambda: token(payload=f'{text[:-1]},"x":NaN}}'), Reason.JSON),
        Vector("Infinity", lambda: token(payload=f'{text[:-1]},"x":-Infinity}}'), Reason.JSON),
        Vector("1e999", lambda: token(payload=f'{text[:-1]},"x":1e999}}'), Reason.JSON),
        Vector("data after", lambda: token(payload=f"{text}{{}}"), Reason.JSON),
        Vector("too deep", lambda: token(payload=f'{text[:-1]},"x":{_nested(9)}}}'), Reason.JSON),
        Vector(
            "far too deep", lambda: token(payload=f'{text[:-1]},"x":{_nested(2500)}}}'), Reason.JSON
        ),
        Vector("claims a list", lambda: token(payload=f"[{text}]"), Reason.JSON),
        Vector("not UTF-8", _not_utf8, Reason.JSON),
    ]


def _times() -> list[Vector]:
    kind = Reason.TIME_TYPE
    text = json.dumps(claims(exp=None))
    wrong_types: dict[str, object] = {
        "text": str(NOW + 60),
        "float": float(NOW + 60),
        "bool": True,
        "list": [NOW + 60],
        "huge": 10**400,
        "beyond the year 9999": 253_402_300_800,
        "negative": -1,
    }
    return [
        *(
            Vector(f"{name} {what}", partial(_with_claims, **{name: v}), kind)
            for name in ("exp", "iat", "nbf")
            for what, v in wrong_types.items()
        ),
        *(
            Vector(f"{name} null", partial(_with_null_claim, name), kind)
            for name in ("exp", "iat", "nbf")
        ),
        Vector("no exp", lambda: token(payload=claims(exp=None)), kind),
        Vector("no iat", lambda: token(payload=claims(iat=None)), kind),
        Vector(
            "exp of 5,000 digits",
            lambda: token(payload=f'{text[:-1]},"exp":1{"0" * 4999}}}'),
            Reason.JSON,
        ),
        Vector("expired", lambda: token(payload=claims(exp=NOW - LEEWAY_S)), Reason.EXPIRED),
        Vector(
            "issued later",
            lambda: token(payload=claims(iat=NOW + LEEWAY_S + 1)),
            Reason.ISSUED_LATER,
        ),
        Vector("nbf later", lambda: token(payload=claims(nbf=NOW + LEEWAY_S + 1)), Reason.NOT_YET),
        Vector(
            "expires when issued",
            lambda: token(payload=claims(iat=NOW + 1, exp=NOW + 1)),
            Reason.ISSUED_AFTER_EXPIRY,
        ),
    ]


def _keys() -> list[Vector]:
    """A well signed token whose key, as the set describes it, must not verify it."""
    why = Reason.UNKNOWN_KEY
    changed: dict[str, Json] = {
        "use enc": {"use": "enc"},
        "alg RS512": {"alg": "RS512"},
        "alg RSA-OAEP": {"alg": "RSA-OAEP"},
        "key_ops sign": {"key_ops": ["sign"]},
        "key_ops a text": {"key_ops": "verify"},
        "kty oct": {"kty": "oct"},
        "private member": {"d": "AQAB"},
        "n padded": {"n": pinned().jwk()["n"] + "="},
        "n with a leading zero": {"n": b64(b"\0" + unb64(pinned().jwk()["n"]))},
    }
    found = [
        Vector(f"key: {name}", token, why, partial(_changed_key, **c))
        for name, c in changed.items()
    ]
    return [
        *found,
        Vector("key: 1,024 bits", _weak_token, why, lambda: _set(_weak().jwk())),
        Vector("key: kid twice", token, why, lambda: _set(pinned().jwk(), _namesake())),
        Vector("key: kid twice, ours last", token, why, lambda: _set(_namesake(), pinned().jwk())),
        Vector("key: kid thrice", token, why, lambda: _set(*[pinned().jwk()] * 3)),
        Vector("key: e is 1", _exponent_one, why, lambda: _set(pinned().jwk(e="AQ"))),
    ]


@cache
def _weak() -> Signer:
    return Signer.make("weak", bits=1024)


def _set(*keys: Json) -> Json:
    """A key set that has a fit key beside, as a set without any is refused as a whole."""
    return {"keys": [second().jwk(), *keys]}


def _namesake() -> Json:
    return foreign().jwk(kid=pinned().kid)


def _weak_token() -> str:
    return token(header(kid="weak"), signer=_weak())


def _exponent_one() -> str:
    """With e = 1 the signature is its own padded digest: anybody can write it."""
    signed = unsigned(header(), claims())
    info = bytes.fromhex("3031300d060960864801650304020105000420")
    tail = b"\0" + info + hashlib.sha256(signed.encode()).digest()
    padded = b"\0\1".ljust(256 - len(tail), b"\xff") + tail
    return f"{signed}.{b64(padded)}"


def _of_length(length: int) -> str:
    """A well signed token of exactly that many characters."""
    signature_length = len(".") + len(b64(bytes(256)))
    free = length - len(unsigned(header(), claims(pad=""))) - signature_length
    for extra in range(free * 3 // 4 - 3, free):
        for space in ("", " ", "  "):
            head, payload = json.dumps(header()) + space, claims(pad="x" * extra)
            if len(unsigned(head, payload)) + signature_length == length:
                return token(head, payload)
    raise AssertionError(length)


def _parts() -> list[str]:
    return token().split(".")


def _inserted(character: str) -> str:
    whole = token()
    return f"{whole[:-5]}{character}{whole[-5:]}"


def _with_header(**changes: Any) -> str:
    return token(header(**changes))


def _with_claims(**changes: Any) -> str:
    return token(payload=claims(**changes))


def _with_null_claim(name: str) -> str:
    return token(payload=_with_null(claims(), name))


def _claims_without_groups() -> Json:
    return {name: value for name, value in claims().items() if name != "cognito:groups"}


def _changed_key(**changes: Any) -> Json:
    return _set(pinned().jwk(**changes))


def _by_sha1() -> str:
    return token(digest=hashes.SHA1())  # noqa: S303 - the very thing that must be refused


def _signature(change: Callable[[bytes], bytes]) -> str:
    head, payload, signature = _parts()
    return f"{head}.{payload}.{b64(change(unb64(signature)))}"


def _plus_modulus() -> str:
    """RSA computes modulo n, so s + n verifies wherever its range is not checked."""
    for attempt in range(1000):
        made = token(payload=claims(jti=str(attempt)))
        signed, _, signature = made.rpartition(".")
        larger = int.from_bytes(unb64(signature)) + pinned().modulus
        if larger.bit_length() <= 2048:
            return f"{signed}.{b64(larger.to_bytes(256))}"
    raise AssertionError("no signature small enough")


def _unused_bits() -> str:
    """The last character of a 256-byte signature has four bits that mean nothing."""
    whole = token()
    return whole[:-1] + _ALPHABET[_ALPHABET.index(whole[-1]) + 1]


def _standard_base64() -> str:
    for attempt in range(100):
        made = token(payload=claims(jti=str(attempt)))
        changed = made.replace("-", "+").replace("_", "/")
        if changed != made:
            return changed
    raise AssertionError("no such character")


def _signed_text(*, b64_padded: bool) -> str:
    """A token whose header has its padding, and is signed with it."""
    text = json.dumps(header()) + " "
    while len(text) % 3 == 0:
        text += " "
    head = base64.urlsafe_b64encode(text.encode()).decode()
    assert head.endswith("=") is b64_padded
    signed = f"{head}.{b64(json.dumps(claims()).encode())}"
    return f"{signed}.{b64(pinned().sign(signed.encode()))}"


def _not_utf8() -> str:
    payload = json.dumps(claims(x="?")).encode().replace(b'"?"', b'"\xff"')
    signed = f"{b64(json.dumps(header()).encode())}.{b64(payload)}"
    return f"{signed}.{b64(pinned().sign(signed.encode()))}"


def _unsigned_alg(alg: str) -> str:
    return f"{unsigned(header(alg=alg), claims())}."


def _other_signature() -> str:
    other = token(payload=claims(jti="other"))
    return f"{token().rpartition('.')[0]}.{other.rpartition('.')[2]}"


def _claims_changed() -> str:
    head, _, signature = _parts()
    changed = json.dumps(claims() | {"cognito:groups": ["admins", "more"]})
    return f"{head}.{b64(changed.encode())}.{signature}"


def _own_jwk() -> str:
    return token(header(jwk=foreign().jwk(kid=pinned().kid)), signer=foreign())


def _json_serialisation() -> str:
    head, payload, signature = _parts()
    return json.dumps({"protected": head, "payload": payload, "signature": signature})


def _jwe() -> str:
    key = RSAKey.import_key(pinned().pem)
    text = json.dumps(claims())
    return str(jwe.encrypt_compact({"alg": "RSA-OAEP", "enc": "A256GCM"}, text, key))


def _nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def _with_null(members: Json, name: str) -> Json:
    return {**members, name: None}
