"""All strategies: tokens from bytes up to claims, key sets, clocks, bodies, requests to sign.

Long because every strategy stands here, so that two tests of one law draw from the same values.
"""

import base64
import json
import string
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from tests.tokens import (
    AUDIENCE,
    ISSUER,
    Json,
    Signer,
    b64,
    claims,
    foreign,
    header,
    hmac_token,
    jwks,
    pinned,
    second,
    token,
)
from tinyllama.utils.auth.access_token import LEEWAY_S, MAX_SUB_LENGTH
from tinyllama.utils.http.body import MAX_IDLE_MIN, MAX_PROMPT_BYTES, InferRequest, Prompt

PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
BASE64URL = string.ascii_letters + string.digits + "-_"

# ---- JSON ----


def json_values(max_leaves: int = 6) -> st.SearchStrategy[Any]:
    """Any strict JSON value."""
    leaves = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    )
    names = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=max_leaves,
    )


def json_like() -> st.SearchStrategy[str]:
    """Text that is JSON, nearly JSON, or what parsers trip over."""
    traps = st.sampled_from(
        [
            *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 5000, "01", "1.", "+1"),
            *('{"a":1,"a":2}', '{"a":{"b":1,"b":2}}', "[" * 3000, '{"a":' * 2000, "[]" * 9),
            *('"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\x00"', '"', '"\\', "\ufeff{}"),
            *("{'a':1}", "{a:1}", "[1,]", "{}{}", "null", "", " ", "\x0b1", "/**/1", '"' * 99),
            '"' + '\\"' * 3000,
        ]
    )
    pieces = st.lists(
        st.sampled_from([*'{}[],:"\\', "1", "-", "e", ".", "u12", "true", " ", "a"]),
        max_size=30,
    )
    return st.one_of(json_values().map(json.dumps), traps, pieces.map("".join), st.text())


@st.composite
def spelled(draw: st.DrawFn, members: Json) -> str:
    """One of the many texts that mean this object."""
    shuffled = draw(st.permutations(list(members.items())))
    space = draw(st.sampled_from(["", " ", "\n", "\t ", "\r\n"]))
    as_ascii = draw(st.booleans())
    parts = [
        f"{_escaped(draw, name)}{space}:{space}"
        + (
            _escaped(draw, value)
            if isinstance(value, str)
            else json.dumps(value, ensure_ascii=as_ascii)
        )
        for name, value in shuffled
    ]
    return f"{space}{{{space}{f'{space},'.join(parts)}{space}}}{space}"


def _escaped(draw: st.DrawFn, text: str) -> str:
    """A JSON string of `text`, plain or with every character as `\\uXXXX`."""
    if not draw(st.booleans()):
        return json.dumps(text, ensure_ascii=draw(st.booleans()))
    units = text.encode("utf-16-be", "surrogatepass")
    return '"' + "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2)) + '"'


# ---- clocks ----


def clocks() -> st.SearchStrategy[float]:
    """Seconds since the epoch, from 2020 to 2099, whole or in 64ths.

    Those are exact in a float as well as in the microseconds of PyJWT's clock.
    """
    return st.integers(1_577_836_800 * 64, 4_070_908_800 * 64).map(lambda count: count / 64)


# ---- tokens ----


@dataclass(frozen=True)
class Parts:
    """What a token is made of, and when it is judged."""

    header: Json
    claims: Json
    signer: Signer
    now: float

    @property
    def token(self) -> str:
        """The signed token."""
        return token(self.header, self.claims, self.signer)


def subs() -> st.SearchStrategy[str]:
    """Every sub that is allowed."""
    return st.text(PRINTABLE, min_size=1, max_size=MAX_SUB_LENGTH)


@st.composite
def right_parts(draw: st.DrawFn) -> Parts:
    """Whatever must be accepted: either key, any user, times right to the leeway's edge."""
    now = draw(clocks())
    whole = int(now)
    signer = draw(st.sampled_from([pinned(), second()]))
    issued = draw(st.integers(whole - 100_000, whole + LEEWAY_S))
    expires = draw(st.integers(max(issued, int(now - LEEWAY_S)) + 1, whole + 200_000))
    changes: Json = {
        "sub": draw(subs()),
        "iat": issued,
        "exp": expires,
        "cognito:groups": draw(st.none() | st.lists(st.text(max_size=8), max_size=4)),
        "nbf": draw(st.none() | st.integers(0, whole + LEEWAY_S)),
        "aud": draw(st.sampled_from([None, AUDIENCE, [AUDIENCE], ["x", AUDIENCE]])),
        "extra": draw(st.none() | json_values()),
    }
    kind = draw(st.sampled_from([None, "JWT", "jwt", "Jwt"]))
    return Parts(header(kid=signer.kid, typ=kind), claims(whole, **changes), signer, now)


Fault = Callable[[Parts], Parts]


def faults() -> st.SearchStrategy[Fault]:
    """One thing that makes right parts wrong, whatever else they hold."""
    return st.one_of(
        st.sampled_from(["none", "HS256", "RS384", "PS256", "rs256", "", 256, None]).map(
            lambda alg: _in_header("alg", alg)
        ),
        st.sampled_from([["exp"], [], None, "exp", 0]).map(lambda crit: _in_header("crit", crit)),
        st.sampled_from(["JWE", "at+jwt", "", None, 1]).map(lambda typ: _in_header("typ", typ)),
        st.sampled_from(["other", "", None, 1, ["x"]]).map(lambda kid: _in_header("kid", kid)),
        st.sampled_from([f"{ISSUER}/", ISSUER.upper(), "", None, [ISSUER]]).map(
            lambda value: _in_claims("iss", value)
        ),
        st.sampled_from(["other", AUDIENCE.upper(), "", None, [AUDIENCE]]).map(
            lambda value: _in_claims("client_id", value)
        ),
        st.sampled_from(["id", "refresh", "ACCESS", "", None, ["access"]]).map(
            lambda value: _in_claims("token_use", value)
        ),
        st.sampled_from(["other", [], ["other"], None, {}, [AUDIENCE, None]]).map(
            lambda value: _in_claims("aud", value)
        ),
        st.sampled_from(["", None, 1, "a" * 129, "\x7f", "\u00fc", ["x"]]).map(
            lambda value: _in_claims("sub", value)
        ),
        st.sampled_from(["admins", None, {}, [1], ["admins", None]]).map(
            lambda value: _in_claims("cognito:groups", value)
        ),
        st.tuples(
            st.sampled_from(["exp", "iat", "nbf"]),
            st.sampled_from([None, True, "1790000000", 1.79e9, [], -1, 2**53, 10**30]),
        ).map(lambda pair: _in_claims(*pair)),
        st.sampled_from(["sub", "iss", "client_id", "token_use", "exp", "iat"]).map(_without_claim),
        st.sampled_from(["alg", "kid"]).map(_without_header),
        st.integers(1, 10**6).map(_expired_by),
        st.integers(1, 10**6).map(_later_by),
        st.just(lambda parts: replace(parts, signer=foreign())),
        st.just(_other_pinned_key),
    )


def _in_header(name: str, value: object) -> Fault:
    return lambda parts: replace(parts, header={**parts.header, name: value})


def _in_claims(name: str, value: object) -> Fault:
    return lambda parts: replace(parts, claims={**parts.claims, name: value})


def _without_header(name: str) -> Fault:
    return lambda parts: replace(
        parts, header={key: value for key, value in parts.header.items() if key != name}
    )


def _without_claim(name: str) -> Fault:
    return lambda parts: replace(
        parts, claims={key: value for key, value in parts.claims.items() if key != name}
    )


def _expired_by(seconds: int) -> Fault:
    return lambda parts: _in_claims("exp", int(parts.now) - LEEWAY_S + 1 - seconds)(parts)


def _later_by(seconds: int) -> Fault:
    return lambda parts: _in_claims("nbf", int(parts.now) + LEEWAY_S + seconds)(parts)


def _other_pinned_key(parts: Parts) -> Parts:
    other = second() if parts.signer is pinned() else pinned()
    return replace(parts, signer=other)


def segments() -> st.SearchStrategy[str]:
    """Base64url of bytes or of near-JSON, and text that only looks like it."""
    return st.one_of(
        st.binary(max_size=300).map(b64),
        json_like().map(lambda text: b64(text.encode("utf-8", "surrogatepass"))),
        st.text(BASE64URL, max_size=60),
        st.text(f"{BASE64URL}+/=. \n\u00e9", max_size=60),
    )


def token_like() -> st.SearchStrategy[str]:
    """Any text, texts with the shape of a token, and right tokens joined with something else."""
    right = st.sampled_from(token().split("."))
    return st.one_of(
        st.text(max_size=200),
        st.lists(segments() | right, max_size=6).map(".".join),
        st.tuples(segments() | right, segments() | right, segments() | right).map(".".join),
        st.binary(max_size=64).map(hmac_token),
        st.sampled_from([".", "a", "e30.", "="]).map(lambda piece: piece * 10_000),
    )


@st.composite
def changed_tokens(draw: st.DrawFn, whole: str) -> str:
    """`whole` with one character replaced, inserted, removed, doubled, or two exchanged."""
    at = draw(st.integers(0, len(whole) - 1))
    character = draw(st.sampled_from(f"{BASE64URL}.=+/ ") | st.characters())
    kind = draw(st.sampled_from(["replace", "insert", "remove", "double", "exchange", "end"]))
    match kind:
        case "replace":
            return f"{whole[:at]}{character}{whole[at + 1 :]}"
        case "insert":
            return f"{whole[:at]}{character}{whole[at:]}"
        case "remove":
            return f"{whole[:at]}{whole[at + 1 :]}"
        case "double":
            return f"{whole[:at]}{whole[at]}{whole[at:]}"
        case "exchange":
            return f"{whole[:at]}{whole[at : at + 2][::-1]}{whole[at + 2 :]}"
    return f"{whole}{character}"


# ---- key sets ----


def key_sets() -> st.SearchStrategy[Any]:
    """Documents that are key sets, nearly so, or not at all."""
    sets = key_lists().map(lambda keys: {"keys": keys})
    return st.one_of(sets, json_values(), st.just(jwks()))


def key_lists() -> st.SearchStrategy[list[Any]]:
    """Lists of keys: fit, changed in a few members, or no keys at all."""
    member = st.sampled_from(["kty", "use", "alg", "key_ops", "kid", "n", "e", "d", "x5c"])
    value = st.one_of(
        json_values(),
        st.sampled_from(["RSA", "sig", "enc", "RS256", "RS512", ["verify"], ["sign"], "AQAB"]),
        st.sampled_from(["AQ", "Ag", "AQAC", "AQAB=", "AAEAAQ", "____", b64(b"\xff" * 1100)]),
        st.binary(min_size=120, max_size=1100).map(b64),
    )
    changed = st.tuples(
        st.sampled_from([pinned(), second()]), st.dictionaries(member, value, max_size=3)
    ).map(lambda pair: pair[0].jwk() | pair[1])
    return st.lists(changed | json_values(), max_size=4)


# ---- bodies ----


def prompts() -> st.SearchStrategy[Prompt]:
    """Every prompt that is allowed, long ones among them."""
    characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    short = st.text(characters, min_size=1, max_size=200)
    long = st.tuples(short, st.integers(1, 6144)).map(lambda pair: pair[0] * pair[1])
    return (short | long.map(_cut)).map(Prompt)


def _cut(text: str) -> str:
    """As much of `text` as a prompt may hold, and whole characters."""
    return text.encode()[:MAX_PROMPT_BYTES].decode(errors="ignore")


def requests() -> st.SearchStrategy[InferRequest]:
    """Every request that is allowed."""
    return st.builds(InferRequest, prompts(), st.integers(1, MAX_IDLE_MIN))


def field_names() -> st.SearchStrategy[str]:
    """Names of fields that no request has."""
    names = st.text(max_size=40) | st.text(f"{BASE64URL}", min_size=1, max_size=40)
    return names.filter(lambda name: name not in ("prompt", "idle"))


def wrong_prompts() -> st.SearchStrategy[Any]:
    """Values that are no prompt."""
    return st.one_of(
        st.sampled_from(["", "a\0b", "\0", "\ud800", "\udfff\ud800", "\u00e9" * 3073, "a" * 6145]),
        json_values().filter(lambda value: not isinstance(value, str)),
    )


def wrong_idles() -> st.SearchStrategy[Any]:
    """Values that are no idle time."""
    return st.one_of(
        st.sampled_from([0, 31, -1, 10**300, 5.0, 1.5, True, False, None, "5", [], {}]),
        st.integers().filter(lambda value: not 1 <= value <= MAX_IDLE_MIN),
        json_values().filter(lambda value: type(value) is not int),
    )


def bodies() -> st.SearchStrategy[tuple[str | bytes | None, bool]]:
    """Anything the gateway could pass on, with its flag for base64."""
    texts = st.one_of(
        json_like(),
        st.text(),
        requests().map(lambda request: json.dumps({"prompt": request.prompt})),
        st.sampled_from(["[" * 40_000, '{"prompt":' * 4000, "9" * 37_000, "x" * 10**6]),
    )
    as_bytes = st.binary(max_size=400) | texts.map(lambda text: text.encode("utf-8", "replace"))
    encoded = as_bytes.map(lambda content: base64.b64encode(content).decode())
    plain = st.tuples(st.none() | texts | as_bytes, st.booleans())
    return plain | st.tuples(encoded, st.just(True))


# ---- requests to sign ----


@dataclass(frozen=True)
class Signing:
    """Credentials, where to, and when."""

    access_key: str
    secret_key: str
    session_token: str | None
    service: str
    region: str
    now: int


def signings() -> st.SearchStrategy[Signing]:
    """Any credentials at any whole second."""
    name = st.text(f"{string.ascii_lowercase}{string.digits}-", min_size=1, max_size=20)
    return st.builds(
        Signing,
        access_key=st.text(string.ascii_uppercase + string.digits, min_size=16, max_size=20),
        secret_key=st.text(f"{string.ascii_letters}{string.digits}+/", min_size=1, max_size=40),
        session_token=st.none() | st.text(f"{BASE64URL}+/=", min_size=1, max_size=200),
        service=name,
        region=name,
        now=st.integers(0, 4_070_908_800),
    )


def header_sets() -> st.SearchStrategy[dict[str, str]]:
    """Headers to be signed, with spaces wherever they are allowed."""
    names = st.text(string.ascii_letters + "-", min_size=1, max_size=12).map(lambda n: f"x-t-{n}")
    return st.dictionaries(
        names.map(str.lower), st.text(PRINTABLE, max_size=30).map(str.strip), max_size=5
    )
