"""Every token that must be refused, by name; and where the token comes from."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests import loopback, tokens
from tests.events import event
from tests.timing import least_cpu_s, slowness
from tests.unit.conftest import key_item
from tests.vectors import Vector, good, vectors
from tinyllama.utils.auth import Claims, InvalidToken, Keys, Reason, verify_jwt
from tinyllama.utils.auth.access_token import MAX_SUB_LENGTH
from tinyllama.utils.auth.key_store import KeyStore, KeysUnavailable
from tinyllama.utils.http.authentication import authenticate, bearer_token
from tinyllama.utils.http.responses import error_response
from tinyllama.utils.settings import Settings

CLAIMS = Claims(
    sub=tokens.SUB,
    groups=("admins", "eu-central-1_Ab1Cd2Ef3_Example"),
    issued_at=tokens.NOW - 60,
    expires_at=tokens.NOW + 3540,
)


def verified(token: str, document: dict[str, Any] | None = None) -> Claims:
    """The claims of a token judged with the pool's keys at the usual time."""
    keys = Keys.from_jwks(document or tokens.jwks())
    return verify_jwt(
        token, issuer=tokens.ISSUER, audience=tokens.AUDIENCE, keys=keys, now=tokens.NOW
    )


def reason(token: str, document: dict[str, Any] | None = None) -> Reason:
    """Why a token is refused."""
    with pytest.raises(InvalidToken) as refused:
        verified(token, document)
    return refused.value.reason


@pytest.mark.parametrize("make_token", good().values(), ids=good().keys())
def test_token_within_the_rules_is_accepted(make_token: Callable[[], str]) -> None:
    """Every token at the edge of what is allowed passes, and is the pool user's or the longest."""
    assert verified(make_token()).sub in (tokens.SUB, "~" * MAX_SUB_LENGTH)


def test_token_tells_its_claims() -> None:
    """The claims are the token's own."""
    assert verified(tokens.token()) == CLAIMS


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector.name)
def test_token_wrong_in_one_way_is_refused(vector: Vector) -> None:
    """Each is refused, and for the reason that is its fault."""
    assert reason(vector.token(), vector.keys()) is vector.why


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector.name)
def test_refusal_tells_the_caller_nothing(vector: Vector) -> None:
    """Whatever is wrong, the answer is the same to the byte."""
    with pytest.raises(InvalidToken) as refused:
        verified(vector.token(), vector.keys())
    assert error_response(refused.value) == {
        "statusCode": 401,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": '{"error":"invalid_token"}',
    }


def test_huge_token_costs_nothing() -> None:
    """A megabyte is refused before it is looked at."""
    huge = "a" * 1_000_000
    keys = Keys.from_jwks(tokens.jwks())
    assert least_cpu_s(lambda: _refused(huge, keys), 20) < 50e-6 * slowness()


@pytest.mark.parametrize(
    "vector",
    [vector for vector in vectors() if vector.why is not Reason.SIGNATURE],
    ids=lambda vector: vector.name,
)
def test_refusal_before_the_signature_costs_less_than_its_arithmetic(vector: Vector) -> None:
    """A token that is wrong in another way never reaches the exponentiation."""
    keys, made = Keys.from_jwks(vector.keys()), vector.token()
    modulus = tokens.pinned().modulus
    signature_s = least_cpu_s(lambda: pow(modulus // 3, 65537, modulus), 20)
    assert least_cpu_s(lambda: _refused(made, keys), 20) < signature_s


@pytest.mark.parametrize(
    "vector",
    [vector for vector in vectors() if vector.why is Reason.SIGNATURE],
    ids=lambda vector: vector.name,
)
def test_refusal_of_a_signature_costs_no_more_than_a_good_token(vector: Vector) -> None:
    """A wrong signature costs one verification: no second try, no work that grows with it."""
    keys, made, good_token = Keys.from_jwks(vector.keys()), vector.token(), tokens.token()
    accepted_s = least_cpu_s(lambda: verified(good_token), 20)
    assert least_cpu_s(lambda: _refused(made, keys), 20) < 1.5 * accepted_s


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"authorization": "Bearer abc"}, "abc"),
        ({"authorization": "bearer abc"}, "abc"),
        ({"authorization": "Bearer a,Bearer b"}, "a,Bearer b"),
        ({"authorization": "Bearer  abc"}, " abc"),
        ({}, None),
        (None, None),
        ({"authorization": ""}, None),
        ({"authorization": "Bearer"}, None),
        ({"authorization": "Bearer "}, None),
        ({"authorization": "abc"}, None),
        ({"authorization": "Basic abc"}, None),
        ({"authorization": ["Bearer abc"]}, None),
    ],
)
def test_token_is_taken_from_the_one_header(headers: object, found: str | None) -> None:
    """Only `Bearer <token>` holds one; what follows is judged as it stands."""
    if found is None:
        with pytest.raises(InvalidToken) as refused:
            bearer_token({"headers": headers})
        assert refused.value.reason is Reason.MISSING
    else:
        assert bearer_token({"headers": headers}) == found


@pytest.mark.parametrize("value", ["{0},Bearer {0}", " {0}", "{0} ", "{0},", "{0} {0}"])
def test_two_tokens_or_spaces_are_refused(value: str, function_environment: dict[str, str]) -> None:
    """Repeated headers arrive joined with a comma: no such value is a token."""
    good_token = tokens.token(payload=tokens.claims(int(time.time())))
    with pytest.raises(InvalidToken):
        _authenticated(function_environment, value.format(good_token))


def test_keys_are_not_read_for_a_token_that_is_bad_anyway(
    function_environment: dict[str, str], key_table: loopback.Endpoint
) -> None:
    """No I/O is spent on a token whose form or claims are wrong."""
    now = int(time.time())
    expired = tokens.token(payload=tokens.claims(now, exp=now - 60))
    for bad in ("x", tokens.hmac_token(b"x"), expired):
        with pytest.raises(InvalidToken):
            _authenticated(function_environment, bad)
    assert key_table.requests == []


def test_rotated_key_is_found_without_a_redeploy(
    function_environment: dict[str, str], key_table: loopback.Endpoint
) -> None:
    """A token of a key that came after the last read makes the keys be read again, once in 30 s."""
    table = loopback.Table(item=key_item(jwks={"S": json.dumps(tokens.jwks(tokens.pinned()))}))
    key_table.answer = table.answer
    settings = Settings.read(function_environment)
    store = KeyStore(settings.keys)
    now = float(int(time.time()))

    def admitted(signer: tokens.Signer, at: float) -> bool:
        payload = tokens.claims(int(now))
        made = tokens.token(tokens.header(kid=signer.kid), payload, signer)
        try:
            authenticate(event("get_ping", token=made), settings=settings, store=store, now=at)
        except InvalidToken:
            return False
        return True

    assert admitted(tokens.pinned(), now)
    assert not admitted(tokens.second(), now + 1)
    table.item = key_item()
    assert not admitted(tokens.second(), now + 29)
    assert admitted(tokens.second(), now + 30)
    assert admitted(tokens.pinned(), now + 31)
    assert table.reads == 2


def test_no_keys_is_not_an_invalid_token(
    function_environment: dict[str, str], key_table: loopback.Endpoint
) -> None:
    """Without keys nothing is accepted, and the caller learns that it is not his token."""
    key_table.answer = loopback.Table(item=None).answer
    with pytest.raises(KeysUnavailable) as refused:
        _authenticated(function_environment, tokens.token(payload=tokens.claims(int(time.time()))))
    assert error_response(refused.value)["body"] == '{"error":"keys_unavailable"}'
    assert error_response(refused.value)["statusCode"] == 503


COLD = """
import sys
sys.path[:0] = {path!r}
from tinyllama.router import app
loaded = {{"redis", "boto3", "botocore", "asyncio"}} & set(sys.modules)
assert not loaded, loaded
import json, os
os.environ.update({environment!r})
answer = app.handler({event!r}, None)
assert answer["statusCode"] == 401, answer
loaded = {{"redis", "boto3", "botocore", "asyncio"}} & set(sys.modules)
assert not loaded, loaded
"""


@pytest.mark.parametrize("token", ["x", "expired", "foreign"])
def test_refusing_a_token_loads_neither_redis_nor_boto3(
    token: str, function_environment: dict[str, str]
) -> None:
    """A cold function refuses without paying for clients it does not use."""
    now = int(time.time())
    made = {
        "x": "x",
        "expired": tokens.token(payload=tokens.claims(now, exp=now - 60)),
        "foreign": tokens.token(payload=tokens.claims(now), signer=tokens.foreign()),
    }[token]
    code = COLD.format(
        path=[path for path in sys.path if path],
        environment=function_environment,
        event=event("post_infer", token=made),
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def _refused(token: str, keys: Keys) -> None:
    try:
        verify_jwt(token, issuer=tokens.ISSUER, audience=tokens.AUDIENCE, keys=keys, now=tokens.NOW)
    except InvalidToken:
        return
    raise AssertionError(token)


def _authenticated(environment: dict[str, str], token: str) -> Claims:
    settings = Settings.read(environment)
    store = KeyStore(settings.keys)
    return authenticate(
        event("get_ping", token=token), settings=settings, store=store, now=time.time()
    )
