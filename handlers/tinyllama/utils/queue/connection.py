"""Connections to the cache: always TLS, always with a fresh IAM token, never a retry.

Opening a connection may take `socket_connect_timeout` for each step, the handshake and AUTH among
them; every later command may take `socket_timeout`. redis-py applies the short limit to both, and
the handshake of a function's first invocation takes longer than that.

An idle connection is not a failing queue: the network forgets it without a word. A connection that
was unused for `IDLE_S`, or that the server has closed, is opened anew before the command is sent.
Errors up to there carry `NOT_SENT`; after it, a command may have been carried out.
"""

import socket
import time
from collections.abc import Callable
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool, SSLConnection
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from tinyllama.utils.aws.sigv4 import Credentials, elasticache_token
from tinyllama.utils.queue.redis_errors import NOT_SENT

IDLE_S: Final = 60.0
"""Lambda purges idle connections; NAT and load balancers do so after 350 s."""


class IamToken(CredentialProvider):
    """Makes a new token for each connection, as the last may have expired with its credentials."""

    def __init__(
        self, credentials: Callable[[], Credentials], *, cache: str, user: str, region: str
    ) -> None:
        self._credentials = credentials
        self._cache = cache
        self._user = user
        self._region = region

    def get_credentials(self) -> tuple[str, str]:
        """Return the user's name and a token that is valid for 900 s.

        Raises:
            AuthenticationError: there are no credentials. On any other exception redis-py would
                keep the open socket and use it later without AUTH.
        """
        try:
            token = elasticache_token(
                self._credentials(),
                cache=self._cache,
                user=self._user,
                region=self._region,
                now=time.time(),
            )
        except Exception as error:
            raise AuthenticationError(f"no credentials: {type(error).__name__}") from error
        return self._user, token


class QueueConnection(SSLConnection):
    """TLS with the default context, so `SSL_CERT_FILE` can name another authority."""

    _used_at: tuple[float, float] | None = None

    def connect(self) -> None:
        """Connect unless connected; a connection that was idle for too long is opened anew."""
        if self._used_at is not None:
            # A frozen function's monotonic clock may stand still, a wall clock may be set back.
            idle_s = max(now - then for now, then in zip(_clocks(), self._used_at, strict=True))
            if idle_s >= IDLE_S:
                self.disconnect()  # type: ignore[no-untyped-call]
        super().connect()  # type: ignore[no-untyped-call]
        self._used_at = _clocks()

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """Read a reply, and note the time."""
        response = super().read_response(*arguments, **options)
        self._used_at = _clocks()
        return response

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> Any:
        # For handshake and AUTH; the pool then checks the connection and sets a command's limit.
        sock.settimeout(self.socket_connect_timeout)
        return super()._wrap_socket_with_ssl(sock)  # type: ignore[no-untyped-call]


class QueuePool(ConnectionPool):
    """Hands out connections that were used within `IDLE_S`, or are new."""

    def get_connection(self, *_: Any, **__: Any) -> Any:
        """Raises RedisError with `NOT_SENT`: no command has been sent."""
        try:
            return super().get_connection()
        except redis.RedisError as error:
            setattr(error, NOT_SENT, True)
            raise


def client(
    host: str, port: int, token: IamToken, *, timeout_s: float, connect_timeout_s: float
) -> redis.Redis:
    """Make a client that connects when it is first used."""
    pool = QueuePool(
        connection_class=QueueConnection,
        host=host,
        port=port,
        credential_provider=token,
        socket_timeout=timeout_s,
        socket_connect_timeout=connect_timeout_s,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        # With RESP2 and no announcements, AUTH is the only command before the caller's first.
        protocol=2,
        driver_info=None,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    return redis.Redis.from_pool(pool)


def _clocks() -> tuple[float, float]:
    return time.monotonic(), time.time()
