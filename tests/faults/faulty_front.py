"""TLS before a plain Redis, with one fault at one round trip."""

import asyncio
import contextlib
import ssl
from typing import Literal, get_args

from tests.faults.parts import TlsFront

Fault = Literal[
    "stall before it arrives",
    "stall before the reply",
    "stall in the reply",
    "cut before it arrives",
    "cut before the reply",
    "cut in the reply",
]
FAULTS: tuple[Fault, ...] = get_args(Fault)


class FaultyFront(TlsFront):
    """Passes everything on but for the `at`-th command after `arm`, counted over all connections.

    A stalled connection stays open and carries nothing more; a cut one is reset.
    """

    def __init__(self, context: ssl.SSLContext, redis_port: int) -> None:
        super().__init__(context, redis_port)
        self._fault: Fault | None = None
        self._commands_left = 0
        self._hit: set[asyncio.StreamWriter] = set()
        self._silent: set[asyncio.StreamWriter] = set()
        self._peers: dict[asyncio.StreamReader, asyncio.StreamWriter] = {}
        self.commands: list[bytes] = []
        self.connections = 0

    def arm(self, fault: Fault | None, at: int = 0) -> None:
        """Count commands and connections from now on; fail the `at`-th, 0 is the next."""
        self._fault, self._commands_left = fault, at
        self.commands = []
        self.connections = 0

    @property
    def is_open(self) -> bool:
        """True while a client is connected."""
        return bool(self._writers)

    def end(self) -> None:
        """Close every connection as a server does that ends it."""
        self._do(self._close)

    def _close(self) -> None:
        for writer in self._writers:
            writer.close()

    def forget_connections(self) -> None:
        """From now on no open connection carries anything, and none is closed: what a network does
        to an idle connection."""
        self._do(lambda: self._silent.update(self._writers))

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._peers[reader] = writer
        await super()._connection(reader, writer)

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, held: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                passed = self._command(data, reader) if held else self._reply(data, writer)
                if passed:
                    writer.write(passed)
                    await writer.drain()

    def _command(self, data: bytes, reader: asyncio.StreamReader) -> bytes:
        """What of a command arrives."""
        client = self._peers[reader]
        if client in self._silent:
            return b""
        if not data.startswith(b"*"):
            # A long command comes in pieces.
            self.commands[-1] += data
            return data
        self.commands.append(data)
        is_the_one = self._fault is not None and self._commands_left == 0
        self._commands_left -= 1
        if not is_the_one:
            return data
        if self._fault == "cut before it arrives":
            client.transport.abort()
            return b""
        if self._fault == "stall before it arrives":
            self._silent.add(client)
            return b""
        self._hit.add(client)
        return data

    def _reply(self, data: bytes, client: asyncio.StreamWriter) -> bytes:
        """What of a reply arrives."""
        if client in self._silent:
            return b""
        if client not in self._hit:
            return data
        half = data[: len(data) // 2] if str(self._fault).endswith("in the reply") else b""
        if self._fault in ("cut before the reply", "cut in the reply"):
            client.write(half)
            # Not abort: what was written has to arrive first.
            client.close()
            return b""
        return half
