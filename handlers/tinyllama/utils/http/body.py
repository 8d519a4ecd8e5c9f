"""Validation of the bodies of POST /infer, POST /stop and POST /resize.

An error names the field and never holds its value.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType, cast, get_args

from tinyllama.utils.control.operation import NODE_TYPES, Action, NodeType
from tinyllama.utils.decoding import strict_json

Prompt = NewType("Prompt", str)

MAX_PROMPT_BYTES = 6144
MIN_IDLE_MIN, MAX_IDLE_MIN, DEFAULT_IDLE_MIN = 1, 30, 5
MAX_BODY_BYTES = 6 * MAX_PROMPT_BYTES + 1024
"""JSON spells a byte of an allowed prompt with six bytes at most (`\\u0041`); another 1,024 leave
room for the member names, `idle` and white space. A longer body cannot be valid and is not
parsed."""
_MAX_DEPTH = 8
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_KEY = re.compile(r"[!-~]([ -~]{0,126}[!-~])?")


class BodyReason(StrEnum):
    """The fault of a field; public."""

    MISSING = "missing"
    TOO_LONG = "too long"
    NOT_BASE64 = "not base64"
    NOT_UTF8 = "not UTF-8"
    NOT_JSON = "not JSON"
    NOT_AN_OBJECT = "not an object"
    DUPLICATE = "occurs twice"
    TOO_MANY = "too many members"
    UNKNOWN = "unknown field"
    NOT_TEXT = "not text"
    EMPTY = "empty"
    HAS_NUL = "holds NUL"
    NOT_BOOLEAN = "not true or false"
    NOT_WHOLE = "not a whole number"
    OUT_OF_RANGE = "out of range"
    NOT_KNOWN = "not one of the known values"
    NOT_PRINTABLE = "not 1 to 128 printable ASCII characters"


class InvalidBody(Exception):
    """`field` has the fault `reason`; the field is "body" where no single field is at fault."""

    def __init__(self, field: str, reason: BodyReason) -> None:
        super().__init__(reason.value)
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A valid request: a prompt of 1 to 6,144 UTF-8 bytes, 1 to 30 minutes idle."""

    prompt: Prompt
    idle: int


@dataclass(frozen=True, slots=True)
class ResizeRequest:
    """A valid request: `target` is the type to have, of a resize alone."""

    action: Action
    target: NodeType | None = None
    force: bool = False


def parse(body: str | bytes | None, is_base64: bool) -> InferRequest:
    """Validate the body of an event as the gateway passes it on.

    Raises:
        InvalidBody: with the first fault, in the order form, unknown fields, prompt, idle.
    """
    members = _members(_text(body, is_base64))
    _refuse_unknown(members, "prompt", "idle")
    return InferRequest(_prompt(members), _idle(members))


def parse_stop(body: str | bytes | None, is_base64: bool) -> bool:
    """Validate the optional body of POST /stop, `{"force": true}`; returns `force`, else False.

    Raises:
        InvalidBody: with the first fault, in the order form, unknown fields, force.
    """
    if not body:
        return False
    members = _members(_text(body, is_base64))
    _refuse_unknown(members, "force")
    return _force(members)


def parse_resize(body: str | bytes | None, is_base64: bool) -> ResizeRequest:
    """Validate the body of POST /resize.

    Raises:
        InvalidBody: with the first fault, in the order form, unknown fields, action, target, force.
    """
    members = _members(_text(body, is_base64))
    _refuse_unknown(members, "action", "target", "force")
    action = cast(Action, _known(members, "action", get_args(Action)))
    target: NodeType | None = None
    if action == "resize":
        target = cast(NodeType, _known(members, "target", NODE_TYPES))
    elif "target" in members:
        raise InvalidBody("target", BodyReason.UNKNOWN)
    return ResizeRequest(action, target, _force(members))


def idempotency_key(value: str | None) -> str | None:
    """Validate the Idempotency-Key header: 1 to 128 printable ASCII characters; None if not sent.

    Raises:
        InvalidBody
    """
    if value is not None and not _KEY.fullmatch(value):
        raise InvalidBody("Idempotency-Key", BodyReason.NOT_PRINTABLE)
    return value


def _text(body: str | bytes | None, is_base64: bool) -> str:
    if not body:
        raise InvalidBody("body", BodyReason.MISSING)
    longest = (MAX_BODY_BYTES + 2) // 3 * 4 if is_base64 else MAX_BODY_BYTES
    if len(body) > longest:
        raise InvalidBody("body", BodyReason.TOO_LONG)
    try:
        content = body.encode() if isinstance(body, str) else body
        if is_base64:
            content = _base64_decoded(content)
        if len(content) > MAX_BODY_BYTES:
            raise InvalidBody("body", BodyReason.TOO_LONG)
        return content.decode()
    except binascii.Error:
        raise InvalidBody("body", BodyReason.NOT_BASE64) from None
    except UnicodeError:
        raise InvalidBody("body", BodyReason.NOT_UTF8) from None


def _base64_decoded(content: bytes) -> bytes:
    decoded = base64.b64decode(content)
    if base64.b64encode(decoded) != content:
        # Python skips foreign characters and accepts unused bits and surplus padding.
        raise binascii.Error
    return decoded


def _members(text: str) -> Mapping[str, object]:
    try:
        members = strict_json.loads(text, max_depth=_MAX_DEPTH)
    except strict_json.InvalidJson as error:
        if error.duplicate is not None:
            raise InvalidBody(_echoable(error.duplicate), BodyReason.DUPLICATE) from None
        if str(error) == BodyReason.TOO_MANY:
            raise InvalidBody("body", BodyReason.TOO_MANY) from None
        raise InvalidBody("body", BodyReason.NOT_JSON) from None
    if not isinstance(members, dict):
        raise InvalidBody("body", BodyReason.NOT_AN_OBJECT)
    return members


def _refuse_unknown(members: Mapping[str, object], *known: str) -> None:
    for name in members:
        if name not in known:
            raise InvalidBody(_echoable(name), BodyReason.UNKNOWN)


def _prompt(members: Mapping[str, object]) -> Prompt:
    if "prompt" not in members:
        raise InvalidBody("prompt", BodyReason.MISSING)
    value = members["prompt"]
    if not isinstance(value, str):
        raise InvalidBody("prompt", BodyReason.NOT_TEXT)
    try:
        size_bytes = len(value.encode())
    except UnicodeEncodeError:
        # JSON can spell half a character, "\ud800", which UTF-8 cannot.
        raise InvalidBody("prompt", BodyReason.NOT_UTF8) from None
    if size_bytes == 0:
        raise InvalidBody("prompt", BodyReason.EMPTY)
    if size_bytes > MAX_PROMPT_BYTES:
        raise InvalidBody("prompt", BodyReason.TOO_LONG)
    if "\0" in value:
        raise InvalidBody("prompt", BodyReason.HAS_NUL)
    return Prompt(value)


def _known(members: Mapping[str, object], name: str, known: tuple[str, ...]) -> str:
    if name not in members:
        raise InvalidBody(name, BodyReason.MISSING)
    text = members[name]
    if not isinstance(text, str):
        raise InvalidBody(name, BodyReason.NOT_TEXT)
    if text not in known:
        raise InvalidBody(name, BodyReason.NOT_KNOWN)
    return text


def _force(members: Mapping[str, object]) -> bool:
    force = members.get("force", False)
    if not isinstance(force, bool):
        raise InvalidBody("force", BodyReason.NOT_BOOLEAN)
    return force


def _idle(members: Mapping[str, object]) -> int:
    value = members.get("idle", DEFAULT_IDLE_MIN)
    # bool is an int to Python, and 5.0 equals 5.
    if type(value) is not int:
        raise InvalidBody("idle", BodyReason.NOT_WHOLE)
    if not MIN_IDLE_MIN <= value <= MAX_IDLE_MIN:
        raise InvalidBody("idle", BodyReason.OUT_OF_RANGE)
    return value


def _echoable(name: str) -> str:
    """Return a field's name if it is short and plain enough to send back, else "body"."""
    return name if _PLAIN_NAME.fullmatch(name) else "body"
