"""The laws can fail: a verifier or validator with one check taken out is caught by the vectors."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests import tokens
from tests.body_vectors import body_vectors, good_bodies
from tests.vectors import good, vectors

MODULES = {
    "strict_json": "tinyllama.utils.decoding.strict_json",
    "base64url": "tinyllama.utils.decoding.base64url",
    "keys": "tinyllama.utils.auth.keys",
    "token": "tinyllama.utils.auth.access_token",
    "body": "tinyllama.utils.http.body",
}

TOKEN_CHECKS: list[tuple[str, str, str]] = [
    # module, what stands there, what stands there when the check is taken out
    ("token", "len(token) > MAX_TOKEN_LENGTH", "False"),
    ("token", "len(segments) != 3", "len(segments) < 3"),
    ("token", 'header.get("alg") != "RS256"', 'header.get("alg") in ("none", "HS256")'),
    ("token", 'header.get("alg") != "RS256"', 'str(header.get("alg")).strip().upper() != "RS256"'),
    ("token", '"crit" in header', "False"),
    ("token", '"crit" in header', 'header.get("crit")'),
    ("token", 'not isinstance(kind, str) or kind.lower() != "jwt"', "False"),
    ("token", 'kind.lower() != "jwt"', 'kind != "JWT"'),
    ("token", "not isinstance(kid, str)", "False"),
    ("token", 'payload.get("iss") != issuer', "False"),
    ("token", 'payload.get("iss") != issuer', 'not str(payload.get("iss")).startswith(issuer)'),
    ("token", 'payload.get("client_id") != audience', "False"),
    ("token", 'payload.get("token_use") != "access"', "False"),
    ("token", 'payload.get("token_use") != "access"', 'payload.get("token_use") == "id"'),
    ("token", '"aud" in payload and not _names(payload["aud"], audience)', "False"),
    ("token", "audience in claim and all(isinstance(name, str) for name in claim)", "True"),
    ("token", "and all(isinstance(name, str) for name in claim)", ""),
    ("token", "not now < expires_at + LEEWAY_S", "False"),
    ("token", "not now < expires_at + LEEWAY_S", "not now <= expires_at + LEEWAY_S"),
    ("token", "not now >= issued_at - LEEWAY_S", "False"),
    ("token", "not issued_at < expires_at", "False"),
    ("token", "not issued_at < expires_at", "issued_at > expires_at"),
    ("token", '"nbf" in payload and', "False and"),
    ("token", "LEEWAY_S = 5", "LEEWAY_S = 6"),
    ("token", "LEEWAY_S = 5", "LEEWAY_S = 4"),
    ("token", "type(value) is not int", "not isinstance(value, int)"),
    ("token", "type(value) is not int", "not isinstance(value, int | float)"),
    ("token", "or not 0 <= value <= _MAX_TIME_S", ""),
    ("token", "not 0 < len(sub) <= MAX_SUB_LENGTH", "False"),
    ("token", "or not (sub.isascii() and sub.isprintable())", ""),
    ("token", "sub.isascii() and sub.isprintable()", "sub.isascii()"),
    ("token", "if not isinstance(groups, list)", "if False"),
    ("token", "len(names) != len(groups)", "False"),
    ("token", "keys.get(kid)", "next(iter(keys.by_kid.values()))"),
    ("token", 'not key.verify(f"{segments[0]}.{segments[1]}".encode(), signature)', "False"),
    ("base64url", "encoded == text", "True"),
    ("keys", "or int.from_bytes(sig) >= modulus", ""),
    ("keys", '== "SHA-256"', '!= ""'),
    ("keys", 'jwk.get("kty") != "RSA"', "False"),
    ("keys", 'jwk.get("use", "sig") != "sig"', "False"),
    ("keys", 'jwk.get("alg", "RS256") != "RS256"', "False"),
    ("keys", "not isinstance(operations, list)", "False"),
    ("keys", '"verify" not in operations', "False"),
    ("keys", "not _PRIVATE_MEMBERS.isdisjoint(jwk)", "False"),
    ("keys", "MIN_MODULUS_BITS <= modulus", "0 <= modulus"),
    ("keys", "MIN_EXPONENT <= exponent", "0 <= exponent"),
    ("keys", "if kid in seen", "if False"),
    ("keys", "if decoded and decoded[0] else 0", "if decoded else 0"),
    ("strict_json", "_deeper_than(max_depth, text)", "False"),
    ("strict_json", 'elif first in "]}"', "elif False"),
    ("strict_json", "_STRING_OR_BRACKET.finditer", "re.compile(r'[\\[\\]{}]').finditer"),
    ("strict_json", "if name in members", "if False"),
    ("strict_json", "not math.isfinite(number)", "False"),
    ("strict_json", ", parse_constant=_no_constant", ""),
]

BODY_CHECKS: list[tuple[str, str, str]] = [
    ("body", "if not body:\n        raise", "if False:\n        raise"),
    ("body", "if len(content) > MAX_BODY_BYTES", "if False"),
    ("body", "6 * MAX_PROMPT_BYTES + 1024", "MAX_PROMPT_BYTES + 1024"),
    ("body", "(MAX_BODY_BYTES + 2) // 3 * 4 if is_base64 else", ""),
    ("body", "base64.b64encode(decoded) != content", "False"),
    ("body", "content.decode()", 'content.decode(errors="replace")'),
    ("body", "content.decode()", 'content.decode("utf-8-sig")'),
    ("body", "name not in known", "False"),
    ("body", "name not in known", "name.lower() not in known"),
    ("body", "error.duplicate is not None", "False"),
    ("body", "not isinstance(members, dict)", "False"),
    ("body", '"prompt" not in members', "False"),
    ("body", "not isinstance(value, str)", "False"),
    ("body", "len(value.encode())", "len(value)"),
    ("body", "len(value.encode())", 'len(value.encode(errors="replace"))'),
    ("body", "size_bytes == 0", "False"),
    ("body", "size_bytes > MAX_PROMPT_BYTES", "False"),
    ("body", "size_bytes > MAX_PROMPT_BYTES", "size_bytes >= MAX_PROMPT_BYTES"),
    ("body", '"\\0" in value', "False"),
    ("body", "type(value) is not int", "not isinstance(value, int)"),
    ("body", "type(value) is not int", "not isinstance(value, int | float)"),
    ("body", "not MIN_IDLE_MIN <= value <= MAX_IDLE_MIN", "False"),
    ("body", "MIN_IDLE_MIN <= value <=", "MIN_IDLE_MIN < value <="),
    ("body", "<= value <= MAX_IDLE_MIN", "<= value < MAX_IDLE_MIN"),
    ("body", "name if _PLAIN_NAME.fullmatch(name) else", "name or"),
    ("body", "_PLAIN_NAME.fullmatch(name)", "_PLAIN_NAME.match(name)"),
    ("strict_json", "_deeper_than(max_depth, text)", "False"),
    ("strict_json", "_STRING_OR_BRACKET.finditer", "re.compile(r'[\\[\\]{}]').finditer"),
    ("strict_json", "if name in members", "if False"),
    ("strict_json", "not math.isfinite(number)", "False"),
    ("strict_json", ", parse_constant=_no_constant", ""),
    ("strict_json", "except ValueError:", "except json.JSONDecodeError:"),
]


def _name(check: tuple[str, str, str]) -> str:
    return f"{check[0]}: {check[1]} -> {check[2] or 'nothing'}"


@pytest.mark.parametrize("check", TOKEN_CHECKS, ids=_name)
def test_vectors_catch_a_weakened_verifier(check: tuple[str, str, str]) -> None:
    """Without this check, a token that must be refused is accepted, or a good one is refused."""
    with weakened(*check) as modules:
        assert wrong_verdicts(modules), check


def test_vectors_find_nothing_wrong_with_the_verifier() -> None:
    """The verifier as it is judges every vector rightly, for the reason the vector names."""
    with weakened("token", '"""Verification', '"""Verification') as modules:
        assert wrong_verdicts(modules) == []


@pytest.mark.parametrize("check", BODY_CHECKS, ids=_name)
def test_vectors_catch_a_weakened_validator(check: tuple[str, str, str]) -> None:
    """Without this check, a body is accepted, or refused, or named, as it must not be."""
    with weakened(*check) as modules:
        assert wrong_bodies(modules), check


def test_vectors_find_nothing_wrong_with_the_validator() -> None:
    """The validator as it is judges every vector rightly, field and reason included."""
    with weakened("body", '"""Validation', '"""Validation') as modules:
        assert wrong_bodies(modules) == []


def wrong_bodies(modules: dict[str, ModuleType]) -> list[str]:
    """The names of the bodies that these modules misjudge."""
    parse, refused = modules["body"].parse, modules["body"].InvalidBody

    def outcome(body: Any, is_base64: bool) -> tuple[object, ...]:
        try:
            found = parse(body, is_base64)
        except refused as refusal:
            return refusal.field, str(refusal.reason)
        except Exception as error:  # noqa: BLE001 - a crash is a wrong verdict
            return (error,)
        return found.prompt, found.idle, "accepted"

    wrong = [
        name
        for name, (body, is_base64, request) in good_bodies().items()
        if outcome(body, is_base64) != (request.prompt, request.idle, "accepted")
    ]
    return wrong + [
        vector.name
        for vector in body_vectors()
        if outcome(vector.body, vector.is_base64) != (vector.field, str(vector.reason))
    ]


def wrong_verdicts(modules: dict[str, ModuleType]) -> list[str]:
    """The names of the vectors that these modules misjudge; any other exception is one too."""

    def refuses(make_token: Any, document: Any) -> object:
        keys = modules["keys"].Keys.from_jwks(document)
        try:
            modules["token"].verify_jwt(
                make_token(),
                issuer=tokens.ISSUER,
                audience=tokens.AUDIENCE,
                keys=keys,
                now=tokens.NOW,
            )
        except modules["token"].InvalidToken as refusal:
            return refusal
        except Exception as error:  # noqa: BLE001 - a crash is a wrong verdict
            return error
        return None

    found = [
        name
        for name, make_token in good().items()
        if refuses(make_token, tokens.jwks()) is not None
    ]
    for vector in vectors():
        refusal = refuses(vector.token, vector.keys())
        if not isinstance(refusal, modules["token"].InvalidToken):
            found.append(vector.name)
    return found


@contextmanager
def weakened(module: str, old: str, new: str) -> Iterator[dict[str, ModuleType]]:
    """Fresh copies of the modules, one of them changed in one place; the originals come back."""
    originals = {full: importlib.import_module(full) for full in MODULES.values()}
    fresh: dict[str, ModuleType] = {}
    try:
        for name, full in MODULES.items():
            path = str(originals[full].__file__)
            source = Path(path).read_text()
            if name == module:
                assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {name}"
                source = source.replace(old, new)
            fresh[name] = sys.modules[full] = ModuleType(full)
            setattr(_parent(full), name, fresh[name])
            exec(compile(source, path, "exec"), fresh[name].__dict__)  # noqa: S102
        yield fresh
    finally:
        for name, full in MODULES.items():
            sys.modules[full] = originals[full]
            setattr(_parent(full), name, originals[full])


def _parent(full: str) -> ModuleType:
    """The package whose attribute the module is."""
    return sys.modules[full.rpartition(".")[0]]
