"""Preflight: the gateway allows the GUI's origin and no other."""

from e2e.run import Run, StageFailed, expect

ALLOWED, FOREIGN = "http://127.0.0.1:8765", "https://evil.example"


def run(run: Run) -> str:
    """Send the preflight request that a browser sends before a token."""
    allowed = _ask(run, ALLOWED)
    expect(allowed.get("access-control-allow-origin"), ALLOWED, "preflight from the GUI's origin")
    headers = allowed.get("access-control-allow-headers", "").lower()
    if "authorization" not in headers or "idempotency-key" not in headers:
        raise StageFailed(f"preflight allows the headers {headers!r}; the GUI needs authorization")
    foreign = _ask(run, FOREIGN)
    expect(foreign.get("access-control-allow-origin"), None, "preflight from a foreign origin")
    return "own origin yes, foreign origin no"


def _ask(run: Run, origin: str) -> dict[str, str]:
    sent = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    return run.api.call("OPTIONS", "/infer", headers=sent).headers
