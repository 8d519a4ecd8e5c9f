"""The node's settings document, checked whole before the worker starts.

    {"stack", "region", "queue": {"host", "port", "cache", "user"} or null,
     "model": {"url", "name"}, "slots": 1 to 16, or 1 if missing, "lifeSeconds": 1 to 300,
     "maxUptimeHours": 1 to 24, or 8 if missing}

A message names the field and the rule it breaks, never its value. The node ignores other fields:
boot.sh and model.sh read `package` and `server`.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tinyllama.utils.decoding import strict_json
from tinyllama.utils.settings import QueueAddress

MAX_LIFE_S = 300
MAX_UPTIME_H, DEFAULT_UPTIME_H = 24, 8
MAX_SLOTS, DEFAULT_SLOTS = 16, 1
"""A node of a stack that names no slots runs one job at a time."""
MAX_DOCUMENT_LENGTH = 4096
"""A parameter of the standard tier holds no more."""
_MAX_DEPTH = 4


class SettingsError(Exception):
    """A field of the document is missing or wrong; the message names it and the rule it breaks."""


@dataclass(frozen=True, slots=True)
class ModelAddress:
    """An OpenAI-compatible server: `url` up to and including `/v1`, and the model's name there."""

    url: str
    name: str


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """The settings that the stack gives its node; `queue` is None while UseGpu=false.

    `slots`: how many jobs the worker runs at once, as many as the model server answers at once.
    """

    stack: str
    region: str
    queue: QueueAddress | None
    model: ModelAddress
    life_s: int
    max_uptime_h: int = DEFAULT_UPTIME_H
    slots: int = DEFAULT_SLOTS


def parse(document: str) -> NodeSettings:
    """Parse and check the document.

    Raises:
        SettingsError
    """
    if len(document) > MAX_DOCUMENT_LENGTH:
        raise SettingsError(f"the settings are longer than {MAX_DOCUMENT_LENGTH} characters")
    try:
        fields = strict_json.loads(document, max_depth=_MAX_DEPTH)
    except strict_json.InvalidJson:
        raise SettingsError("the settings are not JSON") from None
    if not isinstance(fields, dict):
        raise SettingsError("the settings are not a JSON object")
    return NodeSettings(
        stack=_text(fields, "stack", r"[A-Za-z][A-Za-z0-9-]{0,127}", "a stack's name"),
        region=_text(fields, "region", r"[a-z]{2,4}(-[a-z]+)+-[0-9]+", "a region"),
        queue=None if fields.get("queue", 0) is None else _queue(_object(fields, "queue")),
        model=_model(_object(fields, "model")),
        life_s=_whole(fields, "lifeSeconds", MAX_LIFE_S),
        max_uptime_h=_whole(
            {"maxUptimeHours": DEFAULT_UPTIME_H} | fields, "maxUptimeHours", MAX_UPTIME_H
        ),
        slots=_whole({"slots": DEFAULT_SLOTS} | fields, "slots", MAX_SLOTS),
    )


def _queue(fields: dict[str, Any]) -> QueueAddress:
    identity = r"[A-Za-z][A-Za-z0-9-]{0,39}"
    return QueueAddress(
        host=_text(fields, "queue.host", r"[A-Za-z0-9.:-]{1,253}", "a host name"),
        port=_whole(fields, "queue.port", 65_535),
        cache=_text(fields, "queue.cache", identity, "a replication group's id"),
        user=_text(fields, "queue.user", identity, "a cache user's id"),
    )


def _model(fields: dict[str, Any]) -> ModelAddress:
    url = _text(fields, "model.url", r"https?://[!-~]+", "an http or https URL")
    parts = urlsplit(url)
    try:
        is_usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError("model.url must be a URL of host, port and path only")
    return ModelAddress(
        url=url.rstrip("/"), name=_text(fields, "model.name", r"[!-~]{1,200}", "a model's name")
    )


def _object(fields: dict[str, Any], field: str) -> dict[str, Any]:
    value = fields.get(field)
    if not isinstance(value, dict):
        raise SettingsError(f"{field} must be a JSON object")
    return value


def _text(fields: dict[str, Any], field: str, pattern: str, rule: str) -> str:
    value = fields.get(field.rpartition(".")[2])
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise SettingsError(f"{field} must be {rule}")
    return value


def _whole(fields: dict[str, Any], field: str, most: int) -> int:
    """Read a whole number, which a template may write as text."""
    value = fields.get(field.rpartition(".")[2])
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        value = int(value)
    if type(value) is not int or not 1 <= value <= most:
        raise SettingsError(f"{field} must be 1 to {most}")
    return value
