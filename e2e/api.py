"""The HTTP API as a client on the network sees it."""

import json
import time
from dataclasses import dataclass
from typing import Any

import urllib3

from tools.programs import is_interrupted

_POOL = urllib3.PoolManager(
    maxsize=32, retries=False, timeout=urllib3.Timeout(connect=2, read=30), block=False
)
# The gateway's own limit of a route refuses a request in these words before any function sees it.
# The limit is 20 requests a second, so the client waits for one of those places.
_GATE_IS_BUSY = {"message": "Too Many Requests"}
_GATE_PAUSE_S = 0.05
_GATE_LIMIT_S = 5.0
# 503 is the honest answer of a slow or busy system: nothing was taken, send it again. Of a function
# that ran out of time a gateway says one of these.
_BUSY = (502, 503, 504)
_BUSY_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 1.0
BUSY_LIMIT_S = 45.0
"""Room for three tries of a function that runs out of its 10 s."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: status, headers by lower-case name, and the body's bytes."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON; None when it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Api:
    """Requests to one HTTP API."""

    url: str

    def call(
        self,
        method: str,
        path: str,
        token: str | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send one request: a `body` of bytes as it is, any other as JSON.

        A request that the gateway's own throttle refuses is sent again; one that the router refuses
        is not.
        """
        sent = dict(headers or {})
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("content-type", "application/json")
        deadline = time.monotonic() + _GATE_LIMIT_S
        while True:
            got = _POOL.request(method, self.url + path, body=data, headers=sent, redirect=False)
            answer = Answer(got.status, {k.lower(): v for k, v in got.headers.items()}, got.data)
            at_the_gate = (answer.status, answer.json) == (429, _GATE_IS_BUSY)
            if not at_the_gate or time.monotonic() > deadline:
                return answer
            time.sleep(_GATE_PAUSE_S)

    def ask(
        self,
        method: str,
        path: str,
        token: str | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """`call` as a real client does it: again while the answer is 503, or 429 with Retry-After.

        For requests that are safe to repeat. A machine that is only slow answers in the end.

        Returns:
            The first other answer; the last 503 or 429 when `BUSY_LIMIT_S` is over.
        """
        deadline, pause_s = time.monotonic() + BUSY_LIMIT_S, _BUSY_PAUSE_S
        while True:
            answer = self.call(method, path, token, body, headers)
            if answer.status == 429:
                wait_s = float(answer.headers.get("retry-after", _LONGEST_PAUSE_S))
            elif answer.status in _BUSY:
                wait_s, pause_s = pause_s, min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                return answer
            if is_interrupted() or time.monotonic() + wait_s > deadline:
                return answer
            time.sleep(wait_s)

    def send(self, token: str, prompt: str, key: str, **more: Any) -> Answer:
        """POST /infer until it is taken: each repeat under the same Idempotency-Key is one job."""
        body = {"prompt": prompt, **more}
        return self.ask("POST", "/infer", token, body, {"idempotency-key": key})

    def infer(self, token: str, prompt: str, key: str | None = None, **more: Any) -> Answer:
        """POST /infer, once."""
        headers = {"idempotency-key": key} if key else {}
        return self.call("POST", "/infer", token, {"prompt": prompt, **more}, headers)

    def reply(self, token: str, job_id: str) -> Answer:
        """GET /infer/{id}."""
        return self.call("GET", f"/infer/{job_id}", token)
