"""A deterministic server of the OpenAI chat protocol, which stands in for the model.

The reply is a fixed function of the prompt, so that a test can tell one reply from another. A
prompt that starts with `[wait N]` is answered after N seconds. `GET /calls` counts how often each
prompt ran, so that a smoke can see that no prompt ran twice; `GET /together` how many it thought
about at one moment, at most.
"""

import argparse
import collections
import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from e2e.gaps.gap import Gap

GAP = Gap(
    name="model",
    lacks="a GPU and a model",
    stand_in="a deterministic server of the same protocol; its replies are not a model's",
)

_WAIT = re.compile(r"^\[wait (\d+(?:\.\d+)?)\]")
_calls: collections.Counter[str] = collections.Counter()
_lock = threading.Lock()


@dataclass
class _Together:
    """Prompts that are thought about at one moment: now, and at most so far."""

    now: int = 0
    most: int = 0


_together = _Together()


def reply_to(prompt: str) -> str:
    """The reply to a prompt; it never contains the prompt."""
    return f"stand-in reply {fingerprint(prompt)}"


def fingerprint(prompt: str) -> str:
    """The name of a prompt in `/calls`."""
    return hashlib.sha256(prompt.encode()).hexdigest()[:12]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/calls":
            with _lock:
                self._answer(200, dict(_calls))
        elif self.path == "/together":
            with _lock:
                self._answer(200, {"most": _together.most})
        elif self.path == "/health":
            self._answer(200, {"status": "ok"})
        elif self.path == "/v1/models":
            self._answer(200, {"object": "list", "data": [{"id": "stand-in", "object": "model"}]})
        else:
            self._answer(404, {"error": {"message": "unknown path"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        if self.path != "/v1/chat/completions":
            self._answer(404, {"error": {"message": "unknown path"}})
            return
        prompt = body["messages"][-1]["content"]
        with _lock:
            _calls[fingerprint(prompt)] += 1
            _together.now += 1
            _together.most = max(_together.most, _together.now)
        if wait := _WAIT.match(prompt):
            time.sleep(min(float(wait[1]), 30.0))
        with _lock:
            _together.now -= 1
        message = {"role": "assistant", "content": reply_to(prompt)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self._answer(
            200,
            {
                "id": f"chatcmpl-{fingerprint(prompt)}",
                "object": "chat.completion",
                "created": int(time.time()),
                "model": body.get("model", "stand-in"),
                "choices": [choice],
            },
        )

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - inherited name
        """Log no requests."""


def main() -> None:
    """Serve on loopback until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    server = ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), _Handler)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
