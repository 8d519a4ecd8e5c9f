"""The client of the cache, made without loading redis-py before it is needed.

A function whose request ends with an invalid token does not pay for that import.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tinyllama.utils.aws.sigv4 import Credentials
from tinyllama.utils.settings import QueueAddress

if TYPE_CHECKING:
    import redis


def connect(
    address: QueueAddress,
    credentials: Callable[[], Credentials],
    region: str,
    *,
    timeout_s: float = 0.05,
    connect_timeout_s: float = 0.5,
) -> "redis.Redis":
    """Make a client that connects on first use, over TLS, with a fresh IAM token each time.

    Args:
        credentials: called once for each connection.
        timeout_s: for each command; a blocking read needs more than it blocks.
        connect_timeout_s: for each step of opening a connection.
    """
    from tinyllama.utils.queue import connection

    token = connection.IamToken(credentials, cache=address.cache, user=address.user, region=region)
    return connection.client(
        address.host,
        address.port,
        token,
        timeout_s=timeout_s,
        connect_timeout_s=connect_timeout_s,
    )
