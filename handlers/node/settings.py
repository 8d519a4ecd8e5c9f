"""The node's settings document: checked whole before anything starts.

    {"stack", "region", "queue": {"host", "port", "cache", "user"} or null,
     "model": {"url", "name"}, "lifeSeconds": 1 to 300}

A message names the field and what it must be, never what was found. Other fields belong to others
(`package` is read by boot.sh) and are left alone.
"""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tinyllama.utils.queue.job_queue import QueueAddress

MAX_LIFE_S = 300


class SettingsError(Exception):
    """The document is missing something, or a field is not what it must be."""


@dataclass(frozen=True, slots=True)
class ModelAddress:
    """An OpenAI-compatible server: `url` up to and with `/v1`, and the model's name there."""

    url: str
    name: str


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What the stack tells its node; `queue` is None while UseGpu=false."""

    stack: str
    region: str
    queue: QueueAddress | None
    model: ModelAddress
    life_s: int


def parse(document: str) -> NodeSettings:
    """Read the document.

    Raises:
        SettingsError
    """
    try:
        given = json.loads(document)
    except ValueError:
        raise SettingsError("the settings are not JSON") from None
    if not isinstance(given, dict):
        raise SettingsError("the settings are not a JSON object")
    return NodeSettings(
        stack=_text(given, "stack", r"[A-Za-z][A-Za-z0-9-]{0,127}", "a stack's name"),
        region=_text(given, "region", r"[a-z]{2,4}(-[a-z]+)+-[0-9]+", "a region"),
        queue=None if given.get("queue", 0) is None else _queue(_object(given, "queue")),
        model=_model(_object(given, "model")),
        life_s=_whole(given, "lifeSeconds", MAX_LIFE_S),
    )


def _queue(given: dict[str, Any]) -> QueueAddress:
    identity = r"[A-Za-z][A-Za-z0-9-]{0,39}"
    return QueueAddress(
        host=_text(given, "queue.host", r"[A-Za-z0-9.:-]{1,253}", "a host name"),
        port=_whole(given, "queue.port", 65_535),
        cache=_text(given, "queue.cache", identity, "a replication group's id"),
        user=_text(given, "queue.user", identity, "a cache user's id"),
    )


def _model(given: dict[str, Any]) -> ModelAddress:
    url = _text(given, "model.url", r"https?://[!-~]+", "an http or https URL")
    parts = urlsplit(url)
    try:
        is_usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError("model.url must be a URL of host, port and path only")
    return ModelAddress(
        url=url.rstrip("/"), name=_text(given, "model.name", r"[!-~]{1,200}", "a model's name")
    )


def _object(given: dict[str, Any], field: str) -> dict[str, Any]:
    value = given.get(field)
    if not isinstance(value, dict):
        raise SettingsError(f"{field} must be a JSON object")
    return value


def _text(given: dict[str, Any], field: str, pattern: str, what: str) -> str:
    value = given.get(field.rpartition(".")[2])
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise SettingsError(f"{field} must be {what}")
    return value


def _whole(given: dict[str, Any], field: str, most: int) -> int:
    """A whole number; templates may write it as text."""
    value = given.get(field.rpartition(".")[2])
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        value = int(value)
    if type(value) is not int or not 1 <= value <= most:
        raise SettingsError(f"{field} must be 1 to {most}")
    return value
