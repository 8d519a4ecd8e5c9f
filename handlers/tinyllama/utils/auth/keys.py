"""The signing keys we admit: RSA keys of at least 2,048 bits that are meant to verify RS256.

RFC 7517, RFC 7518, section 3.3, and RFC 8725, section 3: one algorithm, and each key for its one
purpose. An unfit key is left out; a key set without a fit key is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import rsa
from jose.backends.rsa_backend import RSAKey
from jose.constants import ALGORITHMS

from tinyllama.utils.auth.errors import AuthError
from tinyllama.utils.decoding import base64url, strict_json

MAX_JWKS_BYTES = 64 * 1024
MIN_MODULUS_BITS = 2048  # RFC 7518, section 3.3
MAX_MODULUS_BITS = 8192  # bounds the time one verification takes
MIN_EXPONENT = 65_537
MAX_EXPONENT = 2**32
MAX_KID_LENGTH = 256
_MAX_DEPTH = 8
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class InvalidKeys(AuthError, ValueError):
    """The key set is not usable; the message says why and holds nothing of the document."""


class Rs256Key(RSAKey):
    """python-jose's pure-Python RSA key, held to the one digest that RS256 means.

    The `rsa` package reads the digest's name out of the signature itself, so python-jose accepts a
    SHA-1 signature under an RS256 header. It also accepts s + n where s is the signature.
    """

    def __init__(self, modulus: int, exponent: int) -> None:
        self._public = rsa.PublicKey(n=modulus, e=exponent)
        super().__init__(self._public, ALGORITHMS.RS256)

    def verify(self, msg: bytes, sig: bytes) -> bool:
        """RFC 8017, section 8.2.2, with SHA-256. Never raises."""
        modulus = self._public.n
        if len(sig) != (modulus.bit_length() + 7) // 8 or int.from_bytes(sig) >= modulus:
            return False
        try:
            return rsa.verify(msg, sig, self._public) == "SHA-256"
        except rsa.VerificationError:
            return False


@dataclass(frozen=True, slots=True)
class Keys:
    """Admitted keys by key id."""

    by_kid: Mapping[str, Rs256Key] = field(default_factory=dict)

    @classmethod
    def from_jwks(cls, document: str | bytes | Mapping[str, object]) -> "Keys":
        """Admit the RS256 signature keys of a JWKS document (RFC 7517), given as text or parsed.

        A key that is unfit, is meant for another purpose, or shares its id is left out.

        Raises:
            InvalidKeys: the document is malformed, or no key is left.
        """
        admitted: dict[str, Rs256Key] = {}
        seen: set[str] = set()
        for jwk in _jwks(document):
            if not isinstance(jwk, Mapping):
                continue
            kid = jwk.get("kid")
            if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID_LENGTH:
                continue
            if kid in seen:
                # A token that names this id could mean either key.
                admitted.pop(kid, None)
            elif (key := _admit(jwk)) is not None:
                admitted[kid] = key
            seen.add(kid)
        if not admitted:
            raise InvalidKeys("no key of the set is fit to verify RS256")
        return cls(admitted)

    def get(self, kid: str) -> Rs256Key | None:
        """Return the admitted key of that id, or None."""
        return self.by_kid.get(kid)


def _jwks(document: str | bytes | Mapping[str, object]) -> list[object]:
    parsed: object = document
    if isinstance(document, str | bytes):
        if len(document) > MAX_JWKS_BYTES:
            raise InvalidKeys("the document is too large")
        try:
            text = document.decode() if isinstance(document, bytes) else document
            parsed = strict_json.loads(text, max_depth=_MAX_DEPTH)
        except ValueError as error:
            raise InvalidKeys("the document is not strict JSON") from error
    keys = parsed.get("keys") if isinstance(parsed, Mapping) else None
    if not isinstance(keys, list):
        raise InvalidKeys("the document has no list of keys")
    return keys


def _admit(jwk: Mapping[str, object]) -> Rs256Key | None:
    """Return the key if it is fit and for RS256 (RFC 7517, section 4; RFC 8725, section 3.1)."""
    operations = jwk.get("key_ops", ["verify"])
    if (
        jwk.get("kty") != "RSA"
        or jwk.get("use", "sig") != "sig"
        or jwk.get("alg", "RS256") != "RS256"
        or not isinstance(operations, list)
        or "verify" not in operations
        or not _PRIVATE_MEMBERS.isdisjoint(jwk)
    ):
        return None
    modulus, exponent = _number(jwk.get("n")), _number(jwk.get("e"))
    if (
        not MIN_MODULUS_BITS <= modulus.bit_length() <= MAX_MODULUS_BITS
        or not MIN_EXPONENT <= exponent <= MAX_EXPONENT
        or modulus % 2 == 0
        or exponent % 2 == 0
    ):
        return None
    return Rs256Key(modulus, exponent)


def _number(value: object) -> int:
    """Decode a Base64urlUInt (RFC 7518, section 2); 0, which no key has, if it is malformed."""
    decoded = base64url.decode(value) if isinstance(value, str) else None
    return int.from_bytes(decoded) if decoded and decoded[0] else 0
