"""Real RSA keys, and tokens signed with them: right ones, and ones wrong in exactly one way."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ISSUER = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab1Cd2Ef3"
AUDIENCE = "3n4b5v6c7x8z9a1s2d3f4g5h6j"
SUB = "d3a4f5b6-7c8d-4e9f-8a0b-1c2d3e4f5a6b"
NOW = 1_790_000_000

Json = dict[str, Any]


@dataclass(frozen=True)
class Signer:
    """A key pair under a key id."""

    kid: str
    private: rsa.RSAPrivateKey

    @classmethod
    def make(cls, kid: str, bits: int = 2048) -> "Signer":
        """A fresh pair whose modulus leaves room above it, so that s + n can be spelt."""
        while True:
            private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
            if private.public_key().public_numbers().n >> (bits - 4) < 0xD:
                return cls(kid, private)

    @property
    def modulus(self) -> int:
        """The public modulus."""
        return self.private.public_key().public_numbers().n

    @property
    def pem(self) -> bytes:
        """The public key as a PEM file, which an attacker has too."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def jwk(self, **changes: Any) -> Json:
        """The public key as Cognito publishes it."""
        numbers = self.private.public_key().public_numbers()
        size = (numbers.n.bit_length() + 7) // 8
        found = {
            "alg": "RS256",
            "e": b64(numbers.e.to_bytes(3)),
            "kid": self.kid,
            "kty": "RSA",
            "n": b64(numbers.n.to_bytes(size)),
            "use": "sig",
        }
        return {name: value for name, value in (found | changes).items() if value is not None}

    def sign(self, message: bytes, digest: hashes.HashAlgorithm | None = None) -> bytes:
        """PKCS #1 v1.5; SHA-256 unless told otherwise."""
        return self.private.sign(message, padding.PKCS1v15(), digest or hashes.SHA256())


@cache
def pinned() -> Signer:
    """The pool's key: tokens signed with it are good."""
    return Signer.make("pinned/key+1=")


@cache
def second() -> Signer:
    """The pool's other key, pinned as well; Cognito publishes two."""
    return Signer.make("pinned/key+2=")


@cache
def foreign() -> Signer:
    """A key of somebody else."""
    return Signer.make("foreign")


def jwks(*signers: Signer) -> Json:
    """A key set document; the pool's two keys unless told otherwise."""
    return {"keys": [signer.jwk() for signer in signers or (pinned(), second())]}


def header(**changes: Any) -> Json:
    """The header of a Cognito token; None takes a member out."""
    return _changed({"kid": pinned().kid, "alg": "RS256"}, changes)


def claims(now: int = NOW, **changes: Any) -> Json:
    """The claims of a Cognito access token made a minute ago; None takes one out."""
    found = {
        "sub": SUB,
        "cognito:groups": ["admins", "eu-central-1_Ab1Cd2Ef3_Example"],
        "iss": ISSUER,
        "version": 2,
        "client_id": AUDIENCE,
        "origin_jti": "0c1f2e3d-4b5a-4697-8877-665544332211",
        "token_use": "access",
        "scope": "openid email profile",
        "auth_time": now - 60,
        "exp": now + 3540,
        "iat": now - 60,
        "jti": "9b8a7c6d-5e4f-4a3b-8c2d-1e0f9a8b7c6d",
        "username": SUB,
    }
    return _changed(found, changes)


def token(
    head: Json | str | None = None,
    payload: Json | str | None = None,
    signer: Signer | None = None,
    digest: hashes.HashAlgorithm | None = None,
) -> str:
    """A signed token; header and payload may be given as the very text to encode."""
    signed = unsigned(header() if head is None else head, claims() if payload is None else payload)
    return f"{signed}.{b64((signer or pinned()).sign(signed.encode(), digest))}"


def unsigned(head: Json | str, payload: Json | str) -> str:
    """The part of a token that is signed."""
    return f"{b64(_text(head).encode())}.{b64(_text(payload).encode())}"


def hmac_token(secret: bytes, alg: str = "HS256") -> str:
    """A token whose HMAC key is what its receiver takes for a public key."""
    signed = unsigned(header(alg=alg), claims())
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def b64(content: bytes) -> str:
    """Unpadded base64url."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The bytes of unpadded base64url."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(value: Json | str) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _changed(found: Json, changes: Json) -> Json:
    return {name: value for name, value in (found | changes).items() if value is not None}
