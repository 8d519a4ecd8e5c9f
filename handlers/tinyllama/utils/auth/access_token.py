"""Verification of a Cognito access token: the only implementation, and every function uses it.

A token is accepted only if it is a compact JWS signed with RS256 by a key of our pool and its
claims are an access token's, for our client, valid now. RFC 7519, section 4.1; RFC 7515; RFC 8725,
section 3. Cheap checks come first and the signature last, so that a refusal is cheap and a key set
is only ever fetched for a token that is good in all other respects.
https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tinyllama.utils.auth.errors import AuthError
from tinyllama.utils.auth.keys import Keys
from tinyllama.utils.decoding import base64url, strict_json

MAX_TOKEN_LENGTH = 8192
"""A token with 100 groups is half of that, and HTTP APIs take 10,240 bytes of headers at most."""
LEEWAY_S = 5
"""The clocks of two AWS services differ by less."""
MAX_SUB_LENGTH = 128
_MAX_DEPTH = 8
_MAX_TIME_S = 253_402_300_799  # the last second of the year 9999


class Reason(StrEnum):
    """Why a token is refused: for the log, never for the caller."""

    MISSING = "missing"
    TOO_LONG = "too_long"
    SEGMENTS = "segments"
    JSON = "json"
    ALGORITHM = "algorithm"
    TYPE = "type"
    CRITICAL = "critical"
    KEY_ID = "key_id"
    ISSUER = "issuer"
    CLIENT = "client"
    AUDIENCE = "audience"
    USE = "token_use"
    TIME_TYPE = "time_type"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    ISSUED_LATER = "issued_later"
    ISSUED_AFTER_EXPIRY = "issued_after_expiry"
    SUBJECT = "subject"
    GROUPS = "groups"
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"


class InvalidToken(AuthError):
    """The token is refused. The log receives the reason, the caller only that it is invalid."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a verified token. Times are whole seconds since the epoch."""

    sub: str
    groups: tuple[str, ...]
    issued_at: int
    expires_at: int


def verify_jwt(token: str, *, issuer: str, audience: str, keys: Keys, now: float) -> Claims:
    """Verify a token; pure, no I/O, bounded in time for any text.

    Args:
        token: the compact serialisation, without "Bearer".
        audience: the app client's id, which access tokens carry as `client_id`.
        now: seconds since the epoch. Times are compared with a leeway of 5 s.

    Raises:
        InvalidToken: and nothing else.
    """
    if len(token) > MAX_TOKEN_LENGTH:
        raise InvalidToken(Reason.TOO_LONG)
    segments = token.split(".", 3)
    if len(segments) != 3:
        # A JWE has five, the JSON serialisations have braces.
        raise InvalidToken(Reason.SEGMENTS)
    header, payload, signature = (_decoded(segment) for segment in segments)
    kid = _check_header(_members(header))
    claims = _check_claims(_members(payload), issuer=issuer, audience=audience, now=now)
    key = keys.get(kid)
    if key is None:
        raise InvalidToken(Reason.UNKNOWN_KEY)
    if not key.verify(f"{segments[0]}.{segments[1]}".encode(), signature):
        raise InvalidToken(Reason.SIGNATURE)
    return claims


def _decoded(segment: str) -> bytes:
    decoded = base64url.decode(segment)
    if decoded is None:
        raise InvalidToken(Reason.SEGMENTS)
    return decoded


def _members(content: bytes) -> dict[str, object]:
    try:
        members = strict_json.loads(content.decode(), max_depth=_MAX_DEPTH)
    except ValueError:
        raise InvalidToken(Reason.JSON) from None
    if not isinstance(members, dict):
        raise InvalidToken(Reason.JSON)
    return members


def _check_header(header: Mapping[str, object]) -> str:
    """Check the header (RFC 7515, section 4.1) and return its key id."""
    if header.get("alg") != "RS256":
        raise InvalidToken(Reason.ALGORITHM)
    if "crit" in header:
        # We implement no extension, so every name it lists is unknown to us.
        raise InvalidToken(Reason.CRITICAL)
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() != "jwt":
        raise InvalidToken(Reason.TYPE)
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise InvalidToken(Reason.KEY_ID)
    return kid


def _check_claims(
    payload: Mapping[str, object], *, issuer: str, audience: str, now: float
) -> Claims:
    if payload.get("iss") != issuer:
        raise InvalidToken(Reason.ISSUER)
    if payload.get("client_id") != audience:
        raise InvalidToken(Reason.CLIENT)
    if payload.get("token_use") != "access":
        raise InvalidToken(Reason.USE)
    if "aud" in payload and not _names(payload["aud"], audience):
        raise InvalidToken(Reason.AUDIENCE)
    issued_at, expires_at = _time(payload, "iat"), _time(payload, "exp")
    # Written so that a clock which is not a number refuses.
    if not now < expires_at + LEEWAY_S:
        raise InvalidToken(Reason.EXPIRED)
    if not now >= issued_at - LEEWAY_S:
        raise InvalidToken(Reason.ISSUED_LATER)
    if not issued_at < expires_at:
        raise InvalidToken(Reason.ISSUED_AFTER_EXPIRY)
    if "nbf" in payload and not now >= _time(payload, "nbf") - LEEWAY_S:
        raise InvalidToken(Reason.NOT_YET)
    return Claims(
        sub=_subject(payload),
        groups=_groups(payload),
        issued_at=issued_at,
        expires_at=expires_at,
    )


def _names(claim: object, audience: str) -> bool:
    if isinstance(claim, list):
        return audience in claim and all(isinstance(name, str) for name in claim)
    return claim == audience


def _time(payload: Mapping[str, object], name: str) -> int:
    value = payload.get(name)
    # bool is an int to Python; a string or a float is not a time Cognito would write.
    if type(value) is not int or not 0 <= value <= _MAX_TIME_S:
        raise InvalidToken(Reason.TIME_TYPE)
    return value


def _subject(payload: Mapping[str, object]) -> str:
    sub = payload.get("sub")
    if (
        not isinstance(sub, str)
        or not 0 < len(sub) <= MAX_SUB_LENGTH
        or not (sub.isascii() and sub.isprintable())
    ):
        raise InvalidToken(Reason.SUBJECT)
    return sub


def _groups(payload: Mapping[str, object]) -> tuple[str, ...]:
    groups = payload.get("cognito:groups", [])
    if not isinstance(groups, list):
        raise InvalidToken(Reason.GROUPS)
    names = tuple(name for name in groups if isinstance(name, str))
    if len(names) != len(groups):
        raise InvalidToken(Reason.GROUPS)
    return names
