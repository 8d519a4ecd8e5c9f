"""Connections to the cache: always TLS, always with a fresh IAM token, never a second try.

Opening a connection may take `socket_connect_timeout` for each step, the handshake and AUTH among
them; every command after that gets `socket_timeout`. redis-py gives the short limit to both, which
a handshake on a function's first invocation does not meet.
A connection whose server has gone is seen when it is taken from the pool, and opened again.
"""

import socket
import time
from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool, SSLConnection
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from tinyllama.utils.aws.sigv4 import Credentials, elasticache_token


class IamToken(CredentialProvider):
    """A new token for each connection, as the one before may have expired with its credentials."""

    def __init__(
        self, credentials: Callable[[], Credentials], *, cache: str, user: str, region: str
    ) -> None:
        self._credentials = credentials
        self._cache = cache
        self._user = user
        self._region = region

    def get_credentials(self) -> tuple[str, str]:
        """The user's name and a token good for 900 s.

        Raises:
            AuthenticationError: there are no credentials. Any other exception would make redis-py
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
    """TLS with the default context, so `SSL_CERT_FILE` names another authority if it must."""

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> Any:
        # For handshake and AUTH; the pool's look at the connection then sets a command's limit.
        sock.settimeout(self.socket_connect_timeout)
        return super()._wrap_socket_with_ssl(sock)  # type: ignore[no-untyped-call]


def client(
    host: str, port: int, token: IamToken, *, timeout_s: float, connect_timeout_s: float
) -> redis.Redis:
    """A client that connects when it is first used."""
    pool = ConnectionPool(
        connection_class=QueueConnection,
        host=host,
        port=port,
        credential_provider=token,
        socket_timeout=timeout_s,
        socket_connect_timeout=connect_timeout_s,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        # RESP2 without announcements is one AUTH and nothing else before the first command.
        protocol=2,
        driver_info=None,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    return redis.Redis.from_pool(pool)
