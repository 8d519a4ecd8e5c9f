"""The HTTP API as a client on the network sees it."""

import json
from dataclasses import dataclass
from typing import Any

import urllib3

_POOL = urllib3.PoolManager(
    maxsize=32, retries=False, timeout=urllib3.Timeout(connect=2, read=30), block=False
)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers in lower case, and the body as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON; None when it is none."""
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
        """One request; `body` is sent as it is when bytes, as JSON otherwise."""
        sent = dict(headers or {})
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("content-type", "application/json")
        got = _POOL.request(method, self.url + path, body=data, headers=sent, redirect=False)
        return Answer(got.status, {k.lower(): v for k, v in got.headers.items()}, got.data)

    def infer(self, token: str, prompt: str, key: str | None = None, **more: Any) -> Answer:
        """POST /infer."""
        headers = {"idempotency-key": key} if key else {}
        return self.call("POST", "/infer", token, {"prompt": prompt, **more}, headers)

    def reply(self, token: str, job_id: str) -> Answer:
        """GET /infer/{id}."""
        return self.call("GET", f"/infer/{job_id}", token)
