"""Authentication: verification of access tokens, the signing keys, and their store."""

from tinyllama.utils.auth.access_token import (
    Claims,
    InvalidToken,
    Keys,
    Reason,
    authenticate,
    bearer_token,
    verify_jwt,
)

__all__ = [
    "Claims",
    "InvalidToken",
    "Keys",
    "Reason",
    "authenticate",
    "bearer_token",
    "verify_jwt",
]
