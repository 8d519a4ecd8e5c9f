"""The parts around a worker, all real: a TLS listener, a model server, the node as a process."""

import asyncio
import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

HANDLERS = Path(__file__).parents[2] / "handlers"


class TlsFront:
    """TLS before a plain Redis, as ElastiCache has it; can hold back what clients send."""

    def __init__(self, context: ssl.SSLContext, redis_port: int) -> None:
        self._context = context
        self._redis_port = redis_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(60):
            raise TimeoutError("the TLS front does not listen")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(60)

    def hold(self) -> None:
        """From now on nothing that a client sends arrives."""
        self._do(self._flowing.clear)

    def cut(self) -> None:
        """Close every connection; what was held back is lost, what comes next flows."""
        self._do(self._abort)

    def _do(self, act: Callable[[], None]) -> None:
        """In the loop's thread, and done when this returns: the test goes on after it."""
        done = threading.Event()

        def acted() -> None:
            act()
            done.set()

        self._loop.call_soon_threadsafe(acted)
        if not done.wait(60):
            raise TimeoutError("the TLS front does not answer")

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._flowing.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended, self._flowing = asyncio.Event(), asyncio.Event()
        self._flowing.set()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._ended.wait()
        server.close()
        self._abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self._redis_port)
        except OSError:
            upstream = None
        if upstream is not None:
            self._writers.add(upstream[1])
            ways = {
                asyncio.ensure_future(self._copy(reader, upstream[1], held=True)),
                asyncio.ensure_future(self._copy(upstream[0], writer, held=False)),
            }
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            upstream[1].transport.abort()
            self._writers.discard(upstream[1])
        writer.transport.abort()
        # Not before the reset is on its way: a test that has seen no writer sends the next command.
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()
        self._writers.discard(writer)

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, held: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if held:
                    await self._flowing.wait()
                writer.write(data)
                await writer.drain()


class ModelServer:
    """Answers `reply to <prompt>`, counts prompts, and can be made to wait."""

    def __init__(self, port: int = 0) -> None:
        self.calls: Counter[str] = Counter()
        self.status = 200
        self.is_loading = False
        self.warm_ups = 0
        self._answering = threading.Event()
        self._answering.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status = 404 if self.path != "/health" else 503 if outer.is_loading else 200
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                asked = json.loads(self.rfile.read(length))
                prompt = asked["messages"][-1]["content"]
                if asked.get("max_tokens") == 1:
                    outer.warm_ups += 1
                else:
                    outer.calls[prompt] += 1
                    outer._answering.wait(300)
                message = {"role": "assistant", "content": f"reply to {prompt}"}
                body = json.dumps({"choices": [{"index": 0, "message": message}]}).encode()
                with contextlib.suppress(OSError):
                    self.send_response(outer.status)
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02])
        self._thread.start()

    def hold(self) -> None:
        """Count calls from now on, and answer none."""
        self._answering.clear()

    def release(self) -> None:
        """Answer what waits and what comes."""
        self._answering.set()

    def close(self) -> None:
        """Stop, and end every handler."""
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass
class Node:
    """`python -m node run` with one id; its journal survives `kill` and `start`."""

    node_id: str
    settings_file: Path
    state_dir: Path
    authority_file: Path
    command: list[str] = field(default_factory=lambda: [sys.executable, "-m", "node"])
    grace_s: float = 60.0
    boot: str = ""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it may not have connected yet."""
        self.state_dir.mkdir(exist_ok=True)
        arguments = ["run", "--settings-file", str(self.settings_file), "--node-id", self.node_id]
        arguments += ["--state-dir", str(self.state_dir), "--grace-s", str(self.grace_s)]
        if self.boot:
            arguments += ["--boot", self.boot]
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(HANDLERS),
            "SSL_CERT_FILE": str(self.authority_file),
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            # A node that ends by itself tells what it ran: tests/coverage_floor.py.
            **{key: text for key, text in os.environ.items() if key.startswith("COVERAGE_")},
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, *arguments], env=environment, stdout=log, stderr=log
            )

    @property
    def log(self) -> Path:
        """What it has printed."""
        return self.state_dir / "log"

    def lines(self) -> list[dict[str, object]]:
        """What it has printed, read as JSON lines; one being written is left out."""
        if not self.log.exists():
            return []
        text = self.log.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def events(self, name: str) -> list[dict[str, object]]:
        """Its log lines of one event."""
        return [line for line in self.lines() if line.get("event") == name]

    def kill(self) -> None:
        """End it as a crash would, and collect it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def terminate(self) -> None:
        """Ask it to stop."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self, within_s: float = 60.0) -> int:
        """Wait for its end; the limit ends a test that hangs."""
        assert self.process is not None
        code = self.process.wait(within_s)
        self.process = None
        return code
