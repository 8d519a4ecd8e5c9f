"""Refusals: the gateway, and the router behind it, refuse every wrong token."""

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any

import urllib3
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from e2e.api import BUSY_LIMIT_S
from e2e.run import Run, StageFailed, expect, wait_until
from e2e.stages.as_deployed import ROUTES

_GATEWAYS_OWN = {"message": "Unauthorized"}


def run(run: Run) -> str:
    """The gateway answers 401 with its own body; the router, called directly, `invalid_token`."""
    for route in sorted(ROUTES):
        method, path = route.replace("{id}", "00000000-0000-8000-8000-000000000000").split(" ")
        answer = run.api.call(method, path, None, {} if method == "POST" else None)
        expect((answer.status, answer.json), (401, _GATEWAYS_OWN), f"{route} without a token")
    bad = _bad_tokens(run)
    for name, token in bad.items():
        answer = run.api.ask("GET", "/ping", token)
        if answer.status != 401 or answer.json not in (_GATEWAYS_OWN, {"error": "invalid_token"}):
            raise StageFailed(
                f"GET /ping with {name}: expected 401, saw {answer.status}",
                logs=(run.function_log("router"),),
            )
        _router_refuses(run, name, f"Bearer {token}")
    _router_refuses(run, "no token", None)
    return f"{len(bad) + 1} kinds of token, at gateway and router"


def _router_refuses(run: Run, name: str, authorization: str | None) -> None:
    """Call the router as the gateway would if its authorizer were gone."""
    headers = {"authorization": authorization} if authorization else {}
    event = {
        "version": "2.0",
        "routeKey": "GET /ping",
        "rawPath": "/ping",
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "requestId": secrets.token_hex(8),
            "http": {"method": "GET", "path": "/ping"},
        },
        "isBase64Encoded": False,
    }
    function, logs = run.client("lambda"), (run.function_log("router"),)

    def answered() -> dict[str, Any] | None:
        """The router's answer; None while it has no keys at hand or runs out of time."""
        answer = function.invoke(
            FunctionName=f"{run.name}-router", Payload=json.dumps(event).encode()
        )
        found: dict[str, Any] = json.loads(answer["Payload"].read())
        return None if found.get("statusCode", 503) == 503 else found

    what = f"the router, given {name}"
    seen = wait_until(answered, BUSY_LIMIT_S, f"{what}, answers", logs=logs)
    expect(
        (seen["statusCode"], json.loads(seen.get("body") or "null")),
        (401, {"error": "invalid_token"}),
        what,
        logs=logs,
    )


def _bad_tokens(run: Run) -> dict[str, str]:
    good = run.users["ada"].token
    header, claims, signature = good.split(".")
    parsed = json.loads(_decode(claims))
    changed = _encode(json.dumps(parsed | {"sub": "00000000-0000-0000-0000-000000000000"}).encode())
    none = _encode(b'{"alg":"none","typ":"JWT"}')
    flipped = signature[:-2] + ("A" if signature[-2] != "A" else "B") + signature[-1]
    return {
        "a malformed token": "not.a.token",
        "tampered claims": f"{header}.{changed}.{signature}",
        "a tampered signature": f"{header}.{claims}.{flipped}",
        "alg none": f"{none}.{claims}.",
        "the public key as HMAC secret": _signed_with_public_key(run, claims),
        "another pool's token": _foreign_token(run, new_pool=True),
        "another client's token": _foreign_token(run, new_pool=False),
        "an id token": run.users["ada"].id_token,
    }


def _signed_with_public_key(run: Run, claims: str) -> str:
    """HS256 with the public key's PEM as secret: a verifier that trusts the header accepts it."""
    url = run.target.issuer_keys_url(run.outputs["Issuer"])
    key = json.loads(urllib3.request("GET", url).data)["keys"][0]
    header = _encode(json.dumps({"alg": "HS256", "typ": "JWT", "kid": key["kid"]}).encode())
    exponent, modulus = (int.from_bytes(_decode(key[name])) for name in ("e", "n"))
    public_key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    mac = hmac.new(pem, f"{header}.{claims}".encode(), hashlib.sha256).digest()
    return f"{header}.{claims}.{_encode(mac)}"


def _foreign_token(run: Run, *, new_pool: bool) -> str:
    """A real token for another audience: of another pool, or of another client of our pool."""
    cognito = run.client("cognito-idp")
    pool = run.outputs["UserPoolId"]
    if new_pool:
        pool = cognito.create_user_pool(PoolName=f"{run.name}-foreign")["UserPool"]["Id"]
    flows = ["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    client = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="foreign", ExplicitAuthFlows=flows
    )["UserPoolClient"]["ClientId"]
    user = run.users["ada"]
    try:
        if new_pool:
            cognito.admin_create_user(
                UserPoolId=pool,
                Username=user.name,
                TemporaryPassword=user.password,
                MessageAction="SUPPRESS",
            )
            cognito.admin_set_user_password(
                UserPoolId=pool, Username=user.name, Password=user.password, Permanent=True
            )
        signed: dict[str, Any] = cognito.admin_initiate_auth(
            UserPoolId=pool,
            ClientId=client,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": user.name, "PASSWORD": user.password},
        )
        token: str = signed["AuthenticationResult"]["AccessToken"]
        return token
    finally:
        cognito.delete_user_pool_client(UserPoolId=pool, ClientId=client)
        if new_pool:
            cognito.delete_user_pool(UserPoolId=pool)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
