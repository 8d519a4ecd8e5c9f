"""A connection whose deadline holds for all of it: connecting, TLS, every byte in both directions.

A socket's own limit is for one read, so a server that sends a byte now and then never exceeds it:
in the status line, in headers, in one `100 Continue` after the other, in chunk sizes or trailers.
Here every read sets the time that is left, and there is a bound on the bytes of all reads.
"""

import http.client
import io
import socket
import ssl
import time
from typing import Any, cast
from urllib.parse import urlsplit


class ResponseTooLong(Exception):
    """The server sent more bytes than the caller takes."""


class Connection(http.client.HTTPConnection):
    """`http.client` closes a connection while its response is still being read; `end` ends both."""

    def __init__(self, plain: socket.socket, host: str, port: int, sock: "_Socket") -> None:
        super().__init__(host, port)
        self._plain = plain
        # http.client calls three methods of a connection's socket, and no other.
        self.sock = cast(socket.socket, sock)

    def end(self) -> None:
        """Close the socket, also while its response is being read."""
        self._plain.close()


def connect(url: str, deadline_s: float, most_bytes: int) -> Connection:
    """Connect to the server of `url`; the caller ends the connection.

    Args:
        deadline_s: by the monotonic clock; reading and writing raise TimeoutError after it.
        most_bytes: of the whole response; reading raises ResponseTooLong after them.

    Raises:
        OSError: TimeoutError and ConnectionRefusedError among them.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    plain = _connected(host, port, deadline_s)
    try:
        if secure:
            plain.settimeout(_left_s(deadline_s))
            # The limit of a handshake is for the whole of it.
            plain = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise
    return Connection(plain, host, port, _Socket(plain, deadline_s, most_bytes))


def _connected(host: str, port: int, deadline_s: float) -> socket.socket:
    """Try each address of `host`; the limit is for all of them together."""
    failure: OSError = ConnectionRefusedError("the name has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        attempt = socket.socket(family, kind, protocol)
        try:
            attempt.settimeout(_left_s(deadline_s))
            attempt.connect(address)
            attempt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return attempt
        except OSError as error:
            attempt.close()
            failure = error
    raise failure


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("the deadline has passed")
    return left_s


class _Socket:
    """The socket of one request and its response."""

    def __init__(self, plain: socket.socket, deadline_s: float, most_bytes: int) -> None:
        self._plain = plain
        self._deadline_s = deadline_s
        self._reader = _Reader(plain, deadline_s, most_bytes)

    def sendall(self, data: Any) -> None:
        # The limit of sendall is for all of the data.
        self._plain.settimeout(_left_s(self._deadline_s))
        self._plain.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader)

    def close(self) -> None:
        """Leave the socket open: the reader still uses it."""


class _Reader(io.RawIOBase):
    def __init__(self, plain: socket.socket, deadline_s: float, most_bytes: int) -> None:
        super().__init__()
        self._plain = plain
        self._deadline_s = deadline_s
        self._left_bytes = most_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._plain.settimeout(_left_s(self._deadline_s))
        received = self._plain.recv_into(buffer)
        self._left_bytes -= received
        if self._left_bytes < 0:
            raise ResponseTooLong("the model server sends more than an answer has")
        return received
