"""Authentication of a request: the token in its Authorization header, and the keys to verify it."""

from collections.abc import Mapping

from tinyllama.utils import auth
from tinyllama.utils.auth.key_store import KeyStore
from tinyllama.utils.http.responses import Event
from tinyllama.utils.settings import Settings

ADMINS = "admins"
"""The group of the user pool whose members may do what affects every user."""


def bearer_token(event: Event) -> str:
    """Return the token of the one Authorization header, `Bearer <token>` (RFC 6750, section 2.1).

    The gateway joins repeated headers with commas, which no token has.

    Raises:
        InvalidToken: there is no such header, or it is of another scheme.
    """
    headers = event.get("headers")
    value = headers.get("authorization") if isinstance(headers, Mapping) else None
    if not isinstance(value, str):
        raise auth.InvalidToken(auth.Reason.MISSING)
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise auth.InvalidToken(auth.Reason.MISSING)
    return token


def authenticate(event: Event, *, settings: Settings, store: KeyStore, now: float) -> auth.Claims:
    """Verify the event's token; read the stored keys only if it names a key that is not cached.

    Raises:
        InvalidToken, KeysUnavailable
    """
    token = bearer_token(event)
    issuer, audience = settings.keys.issuer, settings.audience
    cached = store.cached(now)
    try:
        return auth.verify_jwt(token, issuer=issuer, audience=audience, keys=cached, now=now)
    except auth.InvalidToken as error:
        if error.reason is not auth.Reason.UNKNOWN_KEY:
            raise
    stored = store.reload(now)
    return auth.verify_jwt(token, issuer=issuer, audience=audience, keys=stored, now=now)
