"""The events that the functions get, as AWS sends them; only what a test is about is changed."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "fixtures" / "events"


def event(
    name: str,
    *,
    token: str | None = None,
    body: str | None = None,
    headers: dict[str, str] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """The event of `fixtures/events/<name>.json`, with this token, this body, these headers."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    if token is not None:
        found["headers"]["authorization"] = f"Bearer {token}"
    if body is not None:
        found["body"] = body
    found.get("headers", {}).update(headers or {})
    return found | changes
