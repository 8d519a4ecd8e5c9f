"""Bodies that must be refused, each wrong in one way; and bodies at the edge of what is allowed."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from tinyllama.utils.http.body import MAX_BODY_BYTES, BodyReason, InferRequest, Prompt

_SECRET = "s3cr3t-value"


@dataclass(frozen=True)
class BodyVector:
    """A body, and the field and the reason its refusal names."""

    name: str
    body: str | bytes | None
    field: str
    reason: BodyReason
    is_base64: bool = False


def good_bodies() -> dict[str, tuple[str | bytes, bool, InferRequest]]:
    """What must be accepted, and as what."""
    hello = InferRequest(Prompt("hi"), 5)
    longest_spelling = '"' + "\\u0041" * 6144 + '"'
    return {
        "prompt only": ('{"prompt":"hi"}', False, hello),
        "bytes": (b'{"prompt":"hi"}', False, hello),
        "base64": (_b64(b'{"prompt":"hi"}'), True, hello),
        "idle 1": ('{"prompt":"hi","idle":1}', False, InferRequest(Prompt("hi"), 1)),
        "idle 30": ('{"idle":30,"prompt":"hi"}', False, InferRequest(Prompt("hi"), 30)),
        "one byte": ('{"prompt":" "}', False, InferRequest(Prompt(" "), 5)),
        "6,144 bytes": (_prompt("a" * 6144), False, InferRequest(Prompt("a" * 6144), 5)),
        "6,144 bytes, two each": (
            _prompt("\u00e9" * 3072),
            False,
            InferRequest(Prompt("\u00e9" * 3072), 5),
        ),
        "a pair of surrogates": (
            '{"prompt":"\\ud83d\\ude00"}',
            False,
            InferRequest(Prompt("\U0001f600"), 5),
        ),
        "longest spelling": (
            f'{{"prompt":{longest_spelling},"idle":30}}'.ljust(MAX_BODY_BYTES),
            False,
            InferRequest(Prompt("A" * 6144), 30),
        ),
        "longest spelling, base64": (
            _b64(f'{{"prompt":{longest_spelling}}}'.ljust(MAX_BODY_BYTES).encode()),
            True,
            InferRequest(Prompt("A" * 6144), 5),
        ),
        "brackets": (_prompt("[{" * 99), False, InferRequest(Prompt("[{" * 99), 5)),
    }


def body_vectors() -> list[BodyVector]:
    """What must be refused."""
    r = BodyReason
    wrong_values: list[tuple[str, Any, str, BodyReason]] = [
        ("no prompt", {"idle": 5}, "prompt", r.MISSING),
        ("prompt null", {"prompt": None}, "prompt", r.NOT_TEXT),
        ("prompt a list", {"prompt": [_SECRET]}, "prompt", r.NOT_TEXT),
        ("prompt an object", {"prompt": {_SECRET: 1}}, "prompt", r.NOT_TEXT),
        ("prompt a number", {"prompt": 7}, "prompt", r.NOT_TEXT),
        ("prompt empty", {"prompt": ""}, "prompt", r.EMPTY),
        ("6,145 bytes", {"prompt": "a" * 6145}, "prompt", r.TOO_LONG),
        ("6,146 bytes, two each", {"prompt": "\u00e9" * 3073}, "prompt", r.TOO_LONG),
        ("prompt with NUL", {"prompt": f"{_SECRET}\0"}, "prompt", r.HAS_NUL),
        ("half a pair", {"prompt": f"{_SECRET}\ud800"}, "prompt", r.NOT_UTF8),
        ("pair reversed", {"prompt": "\ude00\ud83d"}, "prompt", r.NOT_UTF8),
        ("idle 0", {"prompt": "a", "idle": 0}, "idle", r.OUT_OF_RANGE),
        ("idle 31", {"prompt": "a", "idle": 31}, "idle", r.OUT_OF_RANGE),
        ("idle -5", {"prompt": "a", "idle": -5}, "idle", r.OUT_OF_RANGE),
        ("idle 5.0", {"prompt": "a", "idle": 5.0}, "idle", r.NOT_WHOLE),
        ("idle true", {"prompt": "a", "idle": True}, "idle", r.NOT_WHOLE),
        ("idle text", {"prompt": "a", "idle": "5"}, "idle", r.NOT_WHOLE),
        ("idle null", {"prompt": "a", "idle": None}, "idle", r.NOT_WHOLE),
        ("unknown field", {"prompt": "a", "model": _SECRET}, "model", r.UNKNOWN),
        ("unknown, not plain", {"prompt": "a", "<b>": 1}, "body", r.UNKNOWN),
        ("unknown, long", {"prompt": "a", "x" * 33: 1}, "body", r.UNKNOWN),
        ("unknown, empty", {"prompt": "a", "": 1}, "body", r.UNKNOWN),
        ("Prompt", {"Prompt": "a"}, "Prompt", r.UNKNOWN),
        ("a list", [{"prompt": "a"}], "body", r.NOT_AN_OBJECT),
        ("257 members", {f"n{n}": n for n in range(257)}, "body", r.TOO_MANY),
        ("a text", _SECRET, "body", r.NOT_AN_OBJECT),
        ("null", None, "body", r.NOT_AN_OBJECT),
    ]
    fine = b'{"prompt":"a"}'
    return [
        *(
            BodyVector(name, json.dumps(value), field, why)
            for name, value, field, why in wrong_values
        ),
        BodyVector("none", None, "body", r.MISSING),
        BodyVector("empty", "", "body", r.MISSING),
        BodyVector("empty base64", "", "body", r.MISSING, is_base64=True),
        BodyVector("white space", " \n", "body", r.NOT_JSON),
        BodyVector("not JSON", f"prompt={_SECRET}", "body", r.NOT_JSON),
        BodyVector("data after", '{"prompt":"a"}{}', "body", r.NOT_JSON),
        BodyVector("NaN", '{"prompt":"a","idle":NaN}', "body", r.NOT_JSON),
        BodyVector("Infinity", '{"prompt":"a","idle":Infinity}', "body", r.NOT_JSON),
        BodyVector("1e999", '{"prompt":"a","idle":1e999}', "body", r.NOT_JSON),
        BodyVector("5,000 digits", f'{{"prompt":"a","idle":{"9" * 5000}}}', "body", r.NOT_JSON),
        BodyVector("bare NUL", '{"prompt":"\0"}', "body", r.NOT_JSON),
        BodyVector("bare newline", '{"prompt":"\n"}', "body", r.NOT_JSON),
        BodyVector("BOM", '\ufeff{"prompt":"a"}', "body", r.NOT_JSON),
        BodyVector("UTF-16", '{"prompt":"a"}'.encode("utf-16"), "body", r.NOT_UTF8),
        BodyVector("bad UTF-8", b'{"prompt":"\xff"}', "body", r.NOT_UTF8),
        BodyVector("overlong UTF-8", b'{"prompt":"\xc0\xaf"}', "body", r.NOT_UTF8),
        BodyVector("surrogate in text", '{"prompt":"\ud800"}', "body", r.NOT_UTF8),
        BodyVector("prompt twice", '{"prompt":"a","prompt":"b"}', "prompt", r.DUPLICATE),
        BodyVector(
            "prompt twice, escaped", '{"prompt":"a","\\u0070rompt":"a"}', "prompt", r.DUPLICATE
        ),
        BodyVector("unknown twice", '{"prompt":"a","\\u003c":1,"<":1}', "body", r.DUPLICATE),
        BodyVector("too deep", '{"prompt":' + "[" * 9 + "]" * 9 + "}", "body", r.NOT_JSON),
        BodyVector("far too deep", '{"prompt":' + "[" * 37_000, "body", r.NOT_JSON),
        BodyVector("too long", '{"prompt":"a"}'.ljust(MAX_BODY_BYTES + 1), "body", r.TOO_LONG),
        BodyVector("bytes, too long", b"\xc3\xa9" * MAX_BODY_BYTES, "body", r.TOO_LONG),
        BodyVector(
            "few characters, many bytes", '{"prompt":"a"}' + "\u2003" * 20_000, "body", r.TOO_LONG
        ),
        BodyVector(
            "base64 too long",
            _b64(fine.ljust(MAX_BODY_BYTES + 1)),
            "body",
            r.TOO_LONG,
            is_base64=True,
        ),
        BodyVector("base64 without padding", _b64(fine).rstrip("="), "body", r.NOT_BASE64, True),
        BodyVector("base64 padded twice", f"{_b64(fine)}=", "body", r.NOT_BASE64, True),
        BodyVector("base64 with a newline", f"{_b64(fine)}\n", "body", r.NOT_BASE64, True),
        BodyVector(
            "base64url", _b64(b'{"prompt":"??>>"}').replace("/", "_"), "body", r.NOT_BASE64, True
        ),
        BodyVector("base64, unused bits", "eyJwcm9tcHQiOiJhIn1=", "body", r.NOT_BASE64, True),
        BodyVector("base64 of bad UTF-8", _b64(b'{"prompt":"\xff"}'), "body", r.NOT_UTF8, True),
        BodyVector("not base64 after all", '{"prompt":"a"}', "body", r.NOT_BASE64, True),
    ]


def _prompt(text: str) -> str:
    return json.dumps({"prompt": text}, ensure_ascii=False)


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode()
