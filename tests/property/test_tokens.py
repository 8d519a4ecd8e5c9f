"""Laws of token verification, with two independent libraries as oracles."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from typing import Any, Self
from unittest.mock import patch

import jwt
from hypothesis import assume, example, given
from hypothesis import strategies as st
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from tests import tokens
from tests.property.strategies import (
    BASE64URL,
    Fault,
    Parts,
    changed_tokens,
    faults,
    right_parts,
    spelled,
    token_like,
)
from tests.timing import takes_less_than
from tinyllama.utils.auth.access_token import LEEWAY_S, Claims, InvalidToken, verify_jwt
from tinyllama.utils.auth.keys import Keys

KEYS = Keys.from_jwks(tokens.jwks())
LIMIT_S = 0.02
"""A verification takes 0.2 ms; this leaves room for a slow machine, not for a blow-up."""

ESCAPES = tokens.b64(b'"' + b'\\"' * 2900)


def verdict(token: str, now: float = tokens.NOW, keys: Keys = KEYS) -> Claims | None:
    """The claims if the token is accepted, None if it is refused; no other end is possible."""
    try:
        return verify_jwt(token, issuer=tokens.ISSUER, audience=tokens.AUDIENCE, keys=keys, now=now)
    except InvalidToken:
        return None


@given(right_parts())
def test_right_token_is_accepted_with_its_claims(parts: Parts) -> None:
    """What a pinned key signed with the right claims is accepted, and says what it says."""
    assert verdict(parts.token, parts.now) == Claims(
        sub=parts.claims["sub"],
        groups=tuple(parts.claims.get("cognito:groups", [])),
        issued_at=parts.claims["iat"],
        expires_at=parts.claims["exp"],
    )


@given(right_parts(), faults())
def test_token_wrong_in_one_way_is_refused(parts: Parts, fault: Fault) -> None:
    """Only a token by a pinned key with the pinned algorithm and right claims is accepted."""
    wrong = fault(parts)
    assert verdict(wrong.token, wrong.now) is None


@given(right_parts(), faults(), st.data())
def test_spelling_of_json_changes_no_verdict(
    parts: Parts, fault: Fault, data: st.DataObject
) -> None:
    """Order, white space and escapes of header and claims mean nothing."""
    parts = data.draw(st.sampled_from([parts, fault(parts)]))
    respelled = tokens.token(
        data.draw(spelled(parts.header)), data.draw(spelled(parts.claims)), parts.signer
    )
    assert verdict(respelled, parts.now) == verdict(parts.token, parts.now)


def test_any_changed_character_is_refused() -> None:
    """Each position of a token, changed to the next letter of the alphabet, spoils it."""
    whole = tokens.token()
    assert verdict(whole) is not None
    for at, character in enumerate(whole):
        other = BASE64URL[(BASE64URL.find(character) + 1) % len(BASE64URL)]
        assert verdict(f"{whole[:at]}{other}{whole[at + 1 :]}") is None, at


@given(st.data())
def test_any_edit_is_refused(data: st.DataObject) -> None:
    """A character replaced, inserted, removed, doubled or exchanged is another token: refused."""
    whole = tokens.token()
    changed = data.draw(changed_tokens(whole))
    assume(changed != whole)
    assert verdict(changed) is None


@given(right_parts(), faults(), st.data())
def test_accepted_token_is_accepted_by_two_other_libraries(
    parts: Parts, fault: Fault, data: st.DataObject
) -> None:
    """PyJWT and joserfc accept whatever we accept, and read the same claims."""
    drawn = data.draw(st.sampled_from([parts, fault(parts)]))
    token = drawn.token
    claims = verdict(token, drawn.now)
    if claims is None:
        assert drawn is not parts, "right parts are accepted, so that there is a comparison"
        return
    parts = drawn
    for found in (by_pyjwt(token, parts), by_joserfc(token, parts)):
        assert (found["sub"], found["iat"], found["exp"]) == (
            claims.sub,
            claims.issued_at,
            claims.expires_at,
        )
        assert tuple(found.get("cognito:groups", [])) == claims.groups


@given(token_like())
@example("." * 8192)
@example(f"{tokens.b64(b'[' * 6000)}.{tokens.b64(b'[' * 60)}.")
@example(f"{tokens.b64(b'{' + b'0' * 6000)}.e30.")
@example(f"{ESCAPES}.e30.e30")
def test_verification_is_total_and_bounded(text: str) -> None:
    """Any text is refused with InvalidToken, and soon."""
    assert verdict(text) is None
    assert takes_less_than(LIMIT_S, lambda: verdict(text))


@given(right_parts(), st.floats(-3 * 10**5, 3 * 10**5) | st.integers(-10, 10))
def test_clock_decides_by_the_stated_leeway(parts: Parts, shift: float) -> None:
    """A right token is accepted from 5 s before it is valid until, not including, 5 s after."""
    claims = parts.claims
    starts = max(claims["iat"], claims.get("nbf", 0))
    for now in (
        parts.now + shift,
        starts - LEEWAY_S,
        starts - LEEWAY_S - 0.001,
        claims["exp"] + LEEWAY_S,
        claims["exp"] + LEEWAY_S - 0.001,
    ):
        valid = starts - LEEWAY_S <= now < claims["exp"] + LEEWAY_S
        assert (verdict(parts.token, now) is not None) is valid


@given(right_parts())
def test_clock_that_is_no_number_refuses(parts: Parts) -> None:
    """A broken clock never makes a token valid."""
    assert verdict(parts.token, float("nan")) is None


@given(right_parts(), st.lists(st.sampled_from([tokens.pinned(), tokens.second()]), max_size=2))
def test_key_set_decides(parts: Parts, signers: list[tokens.Signer]) -> None:
    """A token is accepted exactly while its key is in the set; other keys make no difference."""
    document = tokens.jwks(tokens.foreign(), *set(signers))
    accepted = verdict(parts.token, parts.now, Keys.from_jwks(document)) is not None
    assert accepted is (parts.signer in signers)


@given(st.sampled_from(["none", "None", "NONE", "nOnE", "noNe"]), right_parts())
def test_unsigned_token_is_refused(alg: str, parts: Parts) -> None:
    """`none` in any letter case is no algorithm, whether or not a signature follows."""
    signed = tokens.unsigned({**parts.header, "alg": alg}, parts.claims)
    assert verdict(f"{signed}.", parts.now) is None
    assert verdict(f"{signed}.{tokens.b64(parts.signer.sign(signed.encode()))}", parts.now) is None


@given(st.sampled_from(["HS256", "RS256"]), st.sampled_from([tokens.pinned(), tokens.second()]))
def test_public_key_is_no_secret(alg: str, signer: tokens.Signer) -> None:
    """No form of the public key works as an HMAC secret."""
    jwk = signer.jwk()
    for secret in (signer.pem, signer.pem.strip(), jwk["n"].encode(), tokens.unb64(jwk["n"])):
        assert verdict(tokens.hmac_token(secret, alg)) is None


def by_pyjwt(token: str, parts: Parts) -> dict[str, Any]:
    """Decode with PyJWT at the time of `parts`; raises if it refuses."""
    with frozen_pyjwt(parts.now):
        found: dict[str, Any] = jwt.decode(
            token,
            parts.signer.private.public_key(),
            algorithms=["RS256"],
            issuer=tokens.ISSUER,
            audience=tokens.AUDIENCE if "aud" in parts.claims else None,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iat", "sub", "iss"]},
        )
    return found


def by_joserfc(token: str, parts: Parts) -> dict[str, Any]:
    """Decode with joserfc, which picks the key by its id; raises if it refuses."""
    found = joserfc_jwt.decode(
        token, KeySet.import_key_set({"keys": tokens.jwks()["keys"]}), algorithms=["RS256"]
    )
    registry = JWTClaimsRegistry(
        now=int(parts.now),
        leeway=LEEWAY_S,
        iss={"essential": True, "value": tokens.ISSUER},
        client_id={"essential": True, "value": tokens.AUDIENCE},
        token_use={"essential": True, "value": "access"},
        sub={"essential": True},
        exp={"essential": True},
    )
    registry.validate(found.claims)
    return dict(found.claims)


@contextmanager
def frozen_pyjwt(now: float) -> Iterator[None]:
    """PyJWT takes no clock, so its own is replaced."""

    class Frozen(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(now, tz or UTC)

    with patch("jwt.api_jwt.datetime", Frozen):
        yield
