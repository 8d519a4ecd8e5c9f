"""The queue's connection: TLS, the user and its token, time limits and errors."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme

from tests.processes import until
from tinyllama.utils.aws.sigv4 import Credentials
from tinyllama.utils.queue.client import connect
from tinyllama.utils.queue.errors import QueueUnavailable
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.utils.settings import QueueAddress

CREDENTIALS = Credentials("AKIAEXAMPLE", "secret", "session")


class TlsListener:
    """A TLS server that answers each command from a list, and keeps what it was sent."""

    def __init__(self, authority: trustme.CA, replies: list[bytes], handshake_delay_s: float = 0):
        self.received: list[bytes] = []
        self.connections = 0
        self._replies = replies
        self._delay_s = handshake_delay_s
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(self._context)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        self._listener.settimeout(0.05)
        while not self._stopping.is_set():
            with contextlib.suppress(OSError):
                plain, _ = self._listener.accept()
                plain.settimeout(60)
                self._stopping.wait(self._delay_s)
                with plain, self._context.wrap_socket(plain, server_side=True) as connection:
                    self.connections += 1
                    for reply in self._replies:
                        self.received.append(connection.recv(65_536))
                        connection.sendall(reply)

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._listener.close()


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """A certificate authority that this process trusts for the test."""
    made = trustme.CA()
    path = tmp_path / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return made


@contextlib.contextmanager
def connected(
    listener: TlsListener,
    credentials: Callable[[], Credentials] = lambda: CREDENTIALS,
    *,
    timeout_s: float = 60,
) -> Iterator[redis.Redis]:
    """A client made by `connect`, closed afterwards like the listener.

    Its limits are no part of a test, unless it names one: a busy machine answers later than 50 ms.
    """
    address = QueueAddress("localhost", listener.port, "the-cache", "the-user")
    limits = {"timeout_s": timeout_s, "connect_timeout_s": 60}
    try:
        with contextlib.closing(connect(address, credentials, "eu-central-1", **limits)) as client:
            yield client
    finally:
        listener.close()


def test_connect_sends_user_and_token_and_nothing_else(authority: trustme.CA) -> None:
    """One AUTH with the user's name and an IAM token for this cache, then the command."""
    listener = TlsListener(authority, [b"+OK\r\n", b"+PONG\r\n"])
    with connected(listener) as client:
        assert client.ping() is True
    auth, ping = listener.received
    words = auth.decode().split("\r\n")
    assert words[:5] == ["*3", "$4", "AUTH", "$8", "the-user"]
    token = words[6]
    assert token.startswith("the-cache/?Action=connect&User=the-user&X-Amz-Algorithm=")
    assert "%2Feu-central-1%2Felasticache%2Faws4_request" in token
    assert "X-Amz-Expires=900" in token
    assert "secret" not in token
    assert ping == b"*1\r\n$4\r\nPING\r\n"


def test_connect_asks_for_credentials_with_each_connection(authority: trustme.CA) -> None:
    """A connection the server has closed is replaced before use, with a token of its own."""
    asked: list[int] = []

    def credentials() -> Credentials:
        asked.append(1)
        return Credentials(f"AKIA{len(asked)}", "secret", None)

    # The listener closes after two replies: the second PING finds a dead connection in the pool.
    listener = TlsListener(authority, [b"+OK\r\n", b"+PONG\r\n"])
    with connected(listener, credentials) as client:
        assert client.ping() is True
        until(lambda: _is_dead(client), what="the closed connection is seen")
        assert client.ping() is True
    assert listener.connections == 2
    assert [f"AKIA{n}" in listener.received[2 * n - 2].decode() for n in (1, 2)] == [True, True]


def _is_dead(client: redis.Redis) -> bool:
    [connection] = client.connection_pool._available_connections
    try:
        connection._sock.settimeout(0.5)
        return bool(connection._sock.recv(1) == b"")
    except OSError:
        return True


def test_connect_gives_the_handshake_more_time_than_a_command(authority: trustme.CA) -> None:
    """A handshake of 0.2 s passes although a command may take 0.05 s only."""
    listener = TlsListener(authority, [b"+OK\r\n", b"+PONG\r\n"], handshake_delay_s=0.2)
    with connected(listener, timeout_s=0.05) as client:
        # Connected, and looked at as before a command; none is sent, as it could take longer.
        connection = client.connection_pool.get_connection()
        connected_socket: Any = connection._sock
        assert connected_socket.gettimeout() == 0.05
        client.connection_pool.release(connection)


def test_connect_has_the_router_s_limits_by_default() -> None:
    """50 ms for a command, half a second for each step of opening a connection."""
    address = QueueAddress("localhost", 1, "the-cache", "the-user")
    with contextlib.closing(connect(address, lambda: CREDENTIALS, "r")) as client:
        given = client.connection_pool.connection_kwargs
        assert (given["socket_timeout"], given["socket_connect_timeout"]) == (0.05, 0.5)


def test_connect_trusts_no_unknown_authority(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate of another authority is refused before the token is sent."""
    listener = TlsListener(trustme.CA(), [b"+OK\r\n", b"+PONG\r\n"])
    with connected(listener) as client, pytest.raises(QueueUnavailable) as refused:
        JobQueue(client).health()
    assert refused.value.code == "refused"
    assert listener.received == []


def test_connect_without_credentials_is_auth_and_keeps_no_open_socket(
    authority: trustme.CA,
) -> None:
    """Missing credentials are `auth`; the half-opened connection is not used afterwards."""
    available: list[Credentials] = []
    listener = TlsListener(authority, [b"+OK\r\n", b"+PONG\r\n"])
    with connected(listener, lambda: available[0]) as client:
        with pytest.raises(QueueUnavailable) as refused:
            JobQueue(client).health()
        assert refused.value.code == "auth"
        available.append(CREDENTIALS)
        assert client.ping() is True


@pytest.mark.parametrize(
    ("replies", "code"),
    [
        ([b"-WRONGPASS invalid username-password pair\r\n"], "auth"),
        ([b"-LOADING Redis is loading the dataset in memory\r\n"], "error"),
        ([b"+OK\r\n", b"-BUSY Redis is busy running a script\r\n"], "error"),
        ([b"+OK\r\n", b"?nonsense\r\n"], "error"),
        ([b"+OK\r\n"], "refused"),
    ],
)
def test_connect_errors_have_a_public_code(
    authority: trustme.CA, replies: list[bytes], code: str
) -> None:
    """Whatever the server says or does not say becomes one of the public codes."""
    with connected(TlsListener(authority, replies)) as client:
        with pytest.raises(QueueUnavailable) as refused:
            JobQueue(client).depth()
        assert refused.value.code == code
