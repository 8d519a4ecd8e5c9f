"""Sign in: the hosted page, authorization code with PKCE, as a browser does it."""

import base64
import hashlib
import html.parser
import json
import secrets
import urllib.request
from http.client import HTTPResponse
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from e2e.run import Run, StageFailed, User, expect

NAMES = ("ada", "bert", "cleo", "dora", "emil", "operator")
CALLBACK = "http://127.0.0.1:8765/callback"
TIMEOUT_S = 10


def run(run: Run) -> str:
    """Make users as an operator would, then sign each in through the hosted page."""
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
    base, client_id = run.target.hosted_ui_url(run.outputs["HostedUiBase"]), run.outputs["ClientId"]
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode()
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": CALLBACK,
        "scope": "openid email profile",
        "state": state,
        "code_challenge": challenge.rstrip("="),
        "code_challenge_method": "S256",
    }
    browser = _Browser()
    page = browser.open(f"{base}/oauth2/authorize?{urlencode(asked)}")
    expect(page.status, 200, "the hosted sign-in page")
    form = _Form()
    form.feed(page.read().decode())
    fields = form.hidden | {"username": user.name, "password": user.password}
    # Without an action a form goes back to its own page, which is not the page of `authorize`.
    action = urljoin(page.url, form.action or urlsplit(page.url)._replace(path="/login").geturl())
    answer = browser.open(action, fields)
    expect(answer.status, 302, f"signing in {user.name}")
    came_back = parse_qs(urlsplit(answer.headers["location"] or "").query)
    expect(came_back.get("state"), [state], "the state that comes back")
    wrong = _exchange(base, client_id, came_back["code"][0], "not-the-verifier-" + verifier)
    expect(wrong.status, 400, "a code exchanged with the wrong verifier")
    tokens = _exchange(base, client_id, came_back["code"][0], verifier)
    expect(tokens.status, 200, "a code exchanged with its verifier")
    document = json.load(tokens)
    user.token, user.id_token = document["access_token"], document["id_token"]
    again = _exchange(base, client_id, came_back["code"][0], verifier)
    if again.status == 200:
        raise StageFailed("a code was exchanged twice")


def _exchange(base: str, client_id: str, code: str, verifier: str) -> HTTPResponse:
    body = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": verifier,
    }
    return _Browser().open(f"{base}/oauth2/token", body)


class _Browser:
    """Keeps cookies and follows redirects, except to the callback, where a listener would be."""

    def __init__(self) -> None:
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(),
            urllib.request.HTTPCookieProcessor(),
            _ToTheCallback(),
        ):
            self._opener.add_handler(handler)

    def open(self, url: str, form: dict[str, str] | None = None) -> HTTPResponse:
        """GET, or POST of a form; any status is an answer."""
        data = None if form is None else urlencode(form).encode()
        answer: HTTPResponse = self._opener.open(url, data, TIMEOUT_S)
        return answer


class _ToTheCallback(urllib.request.HTTPRedirectHandler):
    def http_response(self, request: urllib.request.Request, answer: Any) -> Any:
        """Follow a redirect within the pages."""
        location = answer.headers.get("location")
        if answer.status not in (301, 302, 303, 307) or location.startswith(CALLBACK):
            return answer
        return self.parent.open(urljoin(request.full_url, location), None, TIMEOUT_S)

    https_response = http_response


def _unpadded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


class _Form(html.parser.HTMLParser):
    """Where the page's form goes, and its hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.hidden: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        field = dict(attrs)
        if tag == "form":
            self.action = field.get("action") or ""
        if tag == "input" and field.get("type") == "hidden" and field.get("name"):
            self.hidden[str(field["name"])] = field.get("value") or ""
