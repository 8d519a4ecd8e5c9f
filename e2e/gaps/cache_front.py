"""The TLS listener in front of the local Redis: it takes an IAM token, then only copies bytes.

Redis itself enforces the user's access string. Each allowed user becomes a Redis ACL user, so that
Redis, like ElastiCache, refuses a command or a key that the string does not allow.
"""

import argparse
import asyncio
import contextlib
import json
import secrets
import ssl
import sys
import urllib.request

from e2e.gaps.cache_access import PATH

_PASSWORD = secrets.token_hex(16)


async def serve(port: int, redis_port: int, redis_password: str, endpoint: str, pem: str) -> None:
    """Listen on loopback until cancelled."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
            upstream = await _admit(reader, writer, redis_port, redis_password, endpoint)
            if upstream is not None:
                await _carry((reader, writer), upstream)
        with contextlib.suppress(OSError):
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", port, ssl=context)
    print("cache-front: listening", file=sys.stderr, flush=True)
    async with server:
        await server.serve_forever()


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _admit(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    redis_port: int,
    redis_password: str,
    endpoint: str,
) -> Streams | None:
    """Read commands until IAM allows an AUTH; answer any other command with NOAUTH."""
    while True:
        command = await _read_command(reader)
        if command[0].upper() != b"AUTH" or len(command) != 3:
            writer.write(b"-NOAUTH Authentication required.\r\n")
            continue
        user, token = command[1].decode(), command[2]
        verdict = await asyncio.to_thread(_ask, endpoint, token)
        if verdict.get("user") != user:
            why = verdict.get("why", "the token is for another user")
            print(f"cache-front: refused {user}: {why}", file=sys.stderr, flush=True)
            writer.write(b"-WRONGPASS invalid username-password pair or user is disabled.\r\n")
            continue
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", redis_port)
        rules = str(verdict["accessString"]).split()
        for words in (
            ["AUTH", "default", redis_password],
            ["ACL", "SETUSER", user, "reset", f">{_PASSWORD}", *rules],
            ["AUTH", user, _PASSWORD],
        ):
            up_writer.write(_encode(words))
            reply = await up_reader.readline()
            if not reply.startswith(b"+OK"):
                print(f"cache-front: {words[0]} {user}: {reply!r}", file=sys.stderr, flush=True)
                raise ValueError("the cache refused its own user")
        writer.write(b"+OK\r\n")
        return up_reader, up_writer


async def _carry(client: Streams, upstream: Streams) -> None:
    """Copy in both directions until either side closes."""
    ways = {
        asyncio.ensure_future(_copy(client[0], upstream[1])),
        asyncio.ensure_future(_copy(upstream[0], client[1])),
    }
    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for way in ways:
        way.cancel()
    upstream[1].close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


async def _read_command(reader: asyncio.StreamReader) -> list[bytes]:
    header = await reader.readline()
    if not header.startswith(b"*"):
        raise ValueError("not a RESP command")
    words = []
    for _ in range(min(int(header[1:]), 8)):
        size = int((await reader.readline())[1:])
        words.append((await reader.readexactly(min(size, 16_384) + 2))[:-2])
    return words


def _encode(words: list[str]) -> bytes:
    parts = [f"*{len(words)}\r\n".encode()]
    parts += [b"$%d\r\n%b\r\n" % (len(word.encode()), word.encode()) for word in words]
    return b"".join(parts)


def _ask(endpoint: str, token: bytes) -> dict[str, object]:
    request = urllib.request.Request(endpoint + PATH, data=token, method="POST")  # noqa: S310
    with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
        answer: dict[str, object] = json.load(response)
    return answer


def main() -> None:
    """Serve; the password of Redis comes on standard input, because `ps` shows arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--redis-port", type=int, required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--pem", required=True)
    given = parser.parse_args()
    password = sys.stdin.readline().strip()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(given.port, given.redis_port, password, given.endpoint, given.pem))


if __name__ == "__main__":
    main()
