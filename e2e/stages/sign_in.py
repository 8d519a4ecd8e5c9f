"""Sign in: users sign in at the hosted page, by authorization code with PKCE.

A refused exchange may consume the code (RFC 6749, section 4.1.2 lets the server choose), so what is
refused and what is exchanged are two codes.
"""

import base64
import hashlib
import json
import secrets
from http.client import HTTPResponse
from urllib.parse import parse_qs, urlsplit

from e2e import hosted_page
from e2e.hosted_page import Browser
from e2e.run import Run, StageFailed, User, expect

NAMES = ("ada", "bert", "cleo", "dora", "emil", "operator")
CALLBACK = "http://127.0.0.1:8765/callback"


def run(run: Run) -> str:
    """Create users as an operator does, then sign each in at the hosted page."""
    pool = run.outputs["UserPoolId"]
    cognito = run.client("cognito-idp")
    for name in NAMES:
        user = User(f"{name}-{run.mark}@example.com", password=f"Aa1!{secrets.token_urlsafe(12)}")
        run.users[name] = user
        cognito.admin_create_user(
            UserPoolId=pool,
            Username=user.name,
            UserAttributes=[{"Name": "email", "Value": user.name},
                            {"Name": "email_verified", "Value": "true"}],
            TemporaryPassword=user.password,
            MessageAction="SUPPRESS",
        )  # fmt: skip
        cognito.admin_set_user_password(
            UserPoolId=pool, Username=user.name, Password=user.password, Permanent=True
        )
    cognito.admin_add_user_to_group(
        UserPoolId=pool, Username=run.users["operator"].name, GroupName="admins"
    )
    for user in run.users.values():
        _through_the_page(run, user)
    claims = json.loads(_unpadded(run.users["operator"].token.split(".")[1]))
    expect(claims.get("token_use"), "access", "the token's use")
    expect(claims.get("cognito:groups"), ["admins"], "the operator's groups")
    return f"{len(run.users)} users, code + PKCE"


def _through_the_page(run: Run, user: User) -> None:
    """Store the user's tokens, after a code with the wrong verifier was refused."""
    base, client_id = run.target.hosted_ui_url(run.outputs["HostedUiBase"]), run.outputs["ClientId"]
    spoilt, verifier = _code(base, client_id, user)
    wrong = _exchange(base, client_id, spoilt, "not-the-verifier-" + verifier)
    expect(wrong.status, 400, "a code exchanged with the wrong verifier")
    code, verifier = _code(base, client_id, user)
    tokens = _exchange(base, client_id, code, verifier)
    expect(tokens.status, 200, "a code exchanged with its verifier")
    document = json.load(tokens)
    user.token, user.id_token = document["access_token"], document["id_token"]
    again = _exchange(base, client_id, code, verifier)
    if again.status == 200:
        raise StageFailed("a code was exchanged twice")


def _code(base: str, client_id: str, user: User) -> tuple[str, str]:
    """Sign in at the page; returns the code of the callback, and its verifier."""
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode()
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": CALLBACK,
        "scope": "openid email profile",
        "state": state,
        "code_challenge": challenge.rstrip("="),
        "code_challenge_method": "S256",
    }
    answer = hosted_page.sign_in(base, query, user.name, user.password)
    expect(answer.status, 302, f"signing in {user.name}")
    callback = parse_qs(urlsplit(answer.headers["location"] or "").query)
    expect(callback.get("state"), [state], "the state in the callback")
    return callback["code"][0], verifier


def _exchange(base: str, client_id: str, code: str, verifier: str) -> HTTPResponse:
    body = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": verifier,
    }
    return Browser().open(f"{base}/oauth2/token", body)


def _unpadded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
