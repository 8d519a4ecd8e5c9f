"""The smoke as a client: AWS's sign-in page and the gateway's own throttle, which no local one has.

The page here does what AWS's does: `authorize` redirects, the page sets a cookie, and its form must
bring cookie and hidden field back.
"""

from urllib.parse import parse_qs

import pytest

from e2e.api import Api
from e2e.hosted_page import Browser, PageFailed, sign_in
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
