"""The store of the signing keys: how they reach private subnets, and how old they may be.

A function outside the VPC fetches the pool's key set every five minutes and stores it as one
DynamoDB item, which the other functions read through the gateway endpoint. They use no item older
than ten minutes: without fresh keys they refuse every token. When a token names a key that is not
cached, the function reads the item again, so a rotation needs no redeploy.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tinyllama.utils.auth.errors import AuthError
from tinyllama.utils.auth.keys import InvalidKeys, Keys
from tinyllama.utils.aws import dynamodb, sigv4
from tinyllama.utils.settings import KeySettings

ITEM_ID = "jwks"
CACHE_LIFE_S = 240
MAX_AGE_S = 600
REREAD_S = 30
"""At most one read in this time while usable keys are cached, whatever key ids tokens name."""
MAX_CLOCK_SKEW_S = 60


class KeysUnavailable(AuthError):
    """Neither the store nor the cache has fresh keys of our pool; no token can be verified."""


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """A pool's keys as they were at `fetched_at`, seconds since the epoch."""

    keys: Keys
    fetched_at: int

    def is_usable(self, now: float) -> bool:
        """False once it is too old, or if its time lies in the future."""
        return -MAX_CLOCK_SKEW_S <= now - self.fetched_at <= MAX_AGE_S


def to_item(jwks: str, *, issuer: str, fetched_at: int) -> dynamodb.Item:
    """Build the item that stores a key set."""
    return {
        "id": {"S": ITEM_ID},
        "jwks": {"S": jwks},
        "issuer": {"S": issuer},
        "fetchedAt": {"N": str(fetched_at)},
    }


def from_item(item: object, *, issuer: str) -> KeyDocument:
    """Read a stored key set. Raises KeysUnavailable if it is malformed, or another issuer's."""
    if _attribute(item, "issuer", "S") != issuer:
        raise KeysUnavailable("the stored keys are of another issuer")
    fetched_at = _attribute(item, "fetchedAt", "N")
    if not (fetched_at.isascii() and fetched_at.isdigit() and len(fetched_at) <= 12):
        raise KeysUnavailable("fetchedAt is not a time")
    try:
        return KeyDocument(Keys.from_jwks(_attribute(item, "jwks", "S")), int(fetched_at))
    except InvalidKeys as error:
        raise KeysUnavailable(f"the stored keys: {error}") from error


class KeyStore:
    """The stored key set, read when a token needs it and cached for 240 s."""

    def __init__(
        self,
        settings: KeySettings,
        credentials: Callable[[], sigv4.Credentials] = sigv4.from_environment,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._document: KeyDocument | None = None
        self._read_at = self._tried_at = float("-inf")

    def cached(self, now: float) -> Keys:
        """Return the cached keys without any I/O; an empty set if none are cached and fresh."""
        document = self._document
        if document is None or not document.is_usable(now):
            return Keys()
        return document.keys if 0 <= now - self._read_at < CACHE_LIFE_S else Keys()

    def reload(self, now: float) -> Keys:
        """Read the stored keys; return the cached keys instead if the read fails or comes too soon.

        Raises:
            KeysUnavailable: neither the stored nor the cached keys are usable.
        """
        document = self._document
        usable = document is not None and document.is_usable(now)
        if document is not None and usable and 0 <= now - self._tried_at < REREAD_S:
            return document.keys
        self._tried_at = now
        try:
            fresh = self._read(now)
        except KeysUnavailable:
            if document is not None and usable:
                return document.keys
            raise
        self._document, self._read_at = fresh, now
        return fresh.keys

    def _read(self, now: float) -> KeyDocument:
        settings = self._settings
        try:
            item = dynamodb.get_item(
                settings.keys_table,
                ITEM_ID,
                url=settings.dynamodb_url,
                region=settings.region,
                credentials=self._credentials,
                now=now,
            )
        except dynamodb.DynamoDbFailed as error:
            raise KeysUnavailable(str(error)) from error
        document = from_item(item, issuer=settings.issuer)
        if not document.is_usable(now):
            raise KeysUnavailable("the stored keys are too old")
        return document


def _attribute(item: object, name: str, kind: str) -> str:
    typed = item.get(name) if isinstance(item, Mapping) else None
    value = typed.get(kind) if isinstance(typed, Mapping) else None
    if not isinstance(value, str):
        raise KeysUnavailable(f"the stored item has no {name}")
    return value
