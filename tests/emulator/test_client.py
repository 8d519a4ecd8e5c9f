"""The smoke as a client: AWS's sign-in page and the gateway's own throttle, which no local one has.

The page here does what AWS's does: `authorize` redirects, the page sets a cookie, and its form must
bring cookie and hidden field back.
"""

import base64
import contextlib
import hashlib
import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from e2e import api
from e2e.api import Api
from e2e.hosted_page import Browser, PageFailed, sign_in
from e2e.run import StageFailed, User
from e2e.stages import sign_in as sign_in_stage
from e2e.stages import throttle
from tests.loopback import Answer, Request, endpoint

CALLBACK = "http://127.0.0.1:8765/callback"
FORM = b"""<form action="/login?client_id=c" method="post">
<input type="hidden" name="_csrf" value="token-of-the-form"><input name="username">
<input type="password" name="password"></form>"""


def _like_aws(request: Request) -> Answer:
    path = request.path.partition("?")[0]
    if path == "/oauth2/authorize":
        return Answer(302, headers={"location": "/login?client_id=c"})
    if request.method == "GET":
        return Answer(200, FORM, {"set-cookie": "XSRF-TOKEN=token-of-the-form; Path=/; HttpOnly"})
    sent = parse_qs(request.body.decode())
    brought_back = request.headers.get("cookie") == "XSRF-TOKEN=token-of-the-form"
    right = sent.get("_csrf") == ["token-of-the-form"] and sent.get("password") == ["secret"]
    if brought_back and right:
        return Answer(302, headers={"location": f"{CALLBACK}?code=abc&state=s"})
    return Answer(200, FORM)


def test_sign_in_follows_redirects_and_brings_cookie_and_field_back() -> None:
    """The answer is the redirect to the callback, which nobody follows."""
    with endpoint(_like_aws) as aws:
        answer = sign_in(aws.url, {"redirect_uri": CALLBACK}, "ada", "secret")
        assert (answer.status, answer.headers["location"]) == (302, f"{CALLBACK}?code=abc&state=s")


def test_sign_in_with_a_wrong_password_sees_the_form_again() -> None:
    """200 is not 302; the stage says so."""
    with endpoint(_like_aws) as aws:
        assert sign_in(aws.url, {"redirect_uri": CALLBACK}, "ada", "wrong").status == 200


@pytest.mark.parametrize("page", [Answer(200, b"<p>no form</p>"), Answer(404, FORM)])
def test_sign_in_without_a_form_says_where_it_looked(page: Answer) -> None:
    """A pool without its pages is the usual cause."""
    with endpoint(lambda _: page) as aws, pytest.raises(PageFailed, match="no sign-in form at"):
        sign_in(aws.url, {"redirect_uri": CALLBACK}, "ada", "secret")


class _Pool:
    """Pages whose codes are bound to a verifier; a refused exchange consumes a code, or not."""

    def __init__(self, *, consumes: bool, checks: bool = True) -> None:
        self._consumes, self._checks = consumes, checks
        self._challenges: dict[str, str] = {}
        self._query: dict[str, list[str]] = {}

    def answer(self, request: Request) -> Answer:
        parts = urlsplit(request.path)
        if parts.path == "/oauth2/authorize":
            self._query = parse_qs(parts.query)
            return Answer(200, b'<form action="/login" method="post"></form>')
        if parts.path == "/login":
            code = f"code-{len(self._challenges)}"
            self._challenges[code] = self._query["code_challenge"][0]
            state = self._query["state"][0]
            return Answer(302, headers={"location": f"{CALLBACK}?code={code}&state={state}"})
        sent = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        digest = hashlib.sha256(sent["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        is_right = self._challenges.get(sent["code"]) == challenge
        if is_right or self._consumes:
            self._challenges[sent["code"]] = ""
        if is_right or not self._checks:
            tokens = {"access_token": "access", "id_token": "id"}
            return Answer(200, json.dumps(tokens).encode())
        return Answer(400, b'{"error":"invalid_grant"}')


def _signed_in(pool: _Pool) -> User:
    user = User("ada", password="secret")
    with endpoint(pool.answer) as aws:
        target = SimpleNamespace(hosted_ui_url=lambda _: aws.url)
        run: Any = SimpleNamespace(target=target, outputs={"HostedUiBase": "", "ClientId": "c"})
        sign_in_stage._through_the_page(run, user)
    return user


@pytest.mark.parametrize("consumes", [True, False])
def test_sign_in_stage_holds_whether_or_not_a_refusal_consumes_the_code(consumes: bool) -> None:
    """A server may do either; the stage never sends a refused code again."""
    assert _signed_in(_Pool(consumes=consumes)).token == "access"


def test_sign_in_stage_fails_when_the_verifier_is_not_checked() -> None:
    """Then PKCE protects no code."""
    with pytest.raises(StageFailed, match="a code exchanged with the wrong verifier"):
        _signed_in(_Pool(consumes=False, checks=False))


def test_browser_ends_a_circle_of_redirects() -> None:
    """It does not go round for ever."""
    circle = Answer(302, headers={"location": "/again"})
    with endpoint(lambda _: circle) as aws, pytest.raises(PageFailed, match="more than 10 redir"):
        Browser(CALLBACK).open(aws.url)


def test_call_waits_for_the_gateway_and_not_for_the_router() -> None:
    """The gateway's throttle is a place in a queue; the router's is an answer about the user."""
    gate = Answer(429, b'{"message":"Too Many Requests"}')
    router = Answer(429, b'{"error":"rate_limited"}', {"retry-after": "1"})
    answers = [gate, gate, router, Answer(202)]
    with endpoint(lambda _: answers.pop(0)) as aws:
        seen = Api(aws.url).call("POST", "/infer", "token", {"prompt": "p"})
        assert (seen.status, seen.json, len(aws.requests)) == (429, {"error": "rate_limited"}, 3)


def test_send_repeats_under_one_key_until_it_is_taken() -> None:
    """503 and 502 are a busy machine's, 429 says how long to wait; each repeat is the same job."""
    answers = [
        Answer(503, b'{"error":"queue_unavailable"}'),
        Answer(502),
        Answer(429, b'{"error":"rate_limited"}', {"retry-after": "1"}),
        Answer(202, b'{"id":"a"}'),
    ]
    with endpoint(lambda _: answers.pop(0)) as aws:
        seen = Api(aws.url).send("token", "p", key="k")
        assert (seen.status, seen.json) == (202, {"id": "a"})
        sent = {(one.headers["idempotency-key"], one.body) for one in aws.requests}
        assert (len(aws.requests), sent) == (4, {("k", b'{"prompt": "p"}')})


@pytest.mark.parametrize("status", [200, 400, 401, 404, 410, 500])
def test_ask_takes_every_other_answer_as_it_is(status: int) -> None:
    """A defect is not asked again until it looks better."""
    with endpoint(lambda _: Answer(status)) as aws:
        assert Api(aws.url).ask("GET", "/ping", "token").status == status
        assert len(aws.requests) == 1


def test_ask_gives_the_last_refusal_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What refuses for ever is not waited for for ever; nor is a wait begun that ends too late."""
    monkeypatch.setattr(api, "BUSY_LIMIT_S", 0.25)
    with endpoint(lambda _: Answer(503)) as aws:
        assert Api(aws.url).ask("GET", "/ping", "token").status == 503
        assert len(aws.requests) == 2
    with endpoint(lambda _: Answer(429, headers={"retry-after": "60"})) as aws:
        assert Api(aws.url).ask("GET", "/ping", "token").status == 429


@pytest.mark.parametrize(
    ("passed", "took_s", "fails"),
    [(5, 0.9, False), (6, 0.9, True), (10, 1.2, False), (11, 1.2, True)],
)
def test_throttle_is_judged_by_the_time_that_a_burst_took(
    passed: int, took_s: float, fails: bool
) -> None:
    """A slow machine may let more of a burst pass, and never more than its time has room for."""
    answers = [api.Answer(202, {}, b"")] * passed + [api.Answer(429, {}, b"")]
    outcome: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
    if fails:
        outcome = pytest.raises(StageFailed, match=f"{passed} of {passed + 1} requests passed")
    with outcome:
        throttle._within(answers, 5, took_s, 1, ())
