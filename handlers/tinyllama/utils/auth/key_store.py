"""How the signing keys reach the functions in private subnets, and how old they may be.

A function outside the VPC fetches the pool's key set every five minutes and stores it as one
DynamoDB item, which the others read through the gateway endpoint. Nothing older than ten minutes is
used: without fresh keys every token is refused, never accepted. A token signed with a key that is
not cached makes the item be read again, so that a rotation needs no redeploy.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tinyllama.utils.auth.keys import InvalidKeys, Keys
from tinyllama.utils.aws import dynamodb, sigv4
from tinyllama.utils.http.responses import Refusal
from tinyllama.utils.settings import KeySettings

ITEM_ID = "jwks"
CACHE_LIFE_S = 240
MAX_AGE_S = 600
REREAD_S = 30
"""At most one read in this time while usable keys are at hand, whatever key ids tokens name."""
MAX_CLOCK_SKEW_S = 60


class KeysUnavailable(Refusal):
    """There are no keys that are ours and fresh enough; no token can be judged."""

    def __init__(self, why: str) -> None:
        super().__init__("keys_unavailable", why=why)


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """A pool's keys as they were at `fetched_at`, seconds since the epoch."""

    keys: Keys
    fetched_at: int

    def is_usable(self, now: float) -> bool:
        """False once it is too old, or if it claims to come from the future."""
        return -MAX_CLOCK_SKEW_S <= now - self.fetched_at <= MAX_AGE_S


def to_item(jwks: str, *, issuer: str, fetched_at: int) -> dynamodb.Item:
    """The item in which a key set is stored."""
    return {
        "id": {"S": ITEM_ID},
        "jwks": {"S": jwks},
        "issuer": {"S": issuer},
        "fetchedAt": {"N": str(fetched_at)},
    }


def from_item(item: object, *, issuer: str) -> KeyDocument:
    """Read a stored key set. Raises KeysUnavailable if it is not one, or another issuer's."""
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
    """The stored key set, read when it is needed and cached for a while."""

    def __init__(
        self,
        settings: KeySettings,
        credentials: Callable[[], sigv4.Credentials] = sigv4.from_environment,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._document: KeyDocument | None = None
        self._read_at = self._tried_at = float("-inf")

    def known(self, now: float) -> Keys:
        """The cached keys without any I/O; no keys if there are none, or none fresh enough."""
        document = self._document
        if document is None or not document.is_usable(now):
            return Keys()
        return document.keys if 0 <= now - self._read_at < CACHE_LIFE_S else Keys()

    def reload(self, now: float) -> Keys:
        """The keys as they are stored now, or the cached ones where a read fails or came too soon.

        Raises:
            KeysUnavailable: there is nothing usable, neither stored nor cached.
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
        request = {
            "TableName": settings.keys_table,
            "Key": {"id": {"S": ITEM_ID}},
            "ConsistentRead": True,
        }
        try:
            found = dynamodb.call(
                "GetItem",
                request,
                url=settings.dynamodb_url,
                region=settings.region,
                credentials=self._credentials,
                now=now,
            )
        except dynamodb.DynamoDbFailed as error:
            raise KeysUnavailable(str(error)) from error
        document = from_item(found.get("Item"), issuer=settings.issuer)
        if not document.is_usable(now):
            raise KeysUnavailable("the stored keys are too old")
        return document


def _attribute(item: object, name: str, kind: str) -> str:
    typed = item.get(name) if isinstance(item, Mapping) else None
    value = typed.get(kind) if isinstance(typed, Mapping) else None
    if not isinstance(value, str):
        raise KeysUnavailable(f"the stored item has no {name}")
    return value
