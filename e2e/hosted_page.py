"""The hosted sign-in page as a browser meets it: redirects, cookies, a form.

On AWS `authorize` redirects to the page, which sets a cookie that its form must bring back:
https://docs.aws.amazon.com/cognito/latest/developerguide/login-endpoint.html
"""

import html.parser
import urllib.request
from http.client import HTTPResponse
from urllib.parse import urlencode, urljoin, urlsplit

TIMEOUT_S = 30
MAX_REDIRECTS = 10


class PageFailed(Exception):
    """There is no sign-in page; carries the status and where it should have been."""


def sign_in(base: str, asked: dict[str, str], name: str, password: str) -> HTTPResponse:
    """Ask to be let in, and fill in the form.

    Args:
        base: base URL of the pages.
        asked: the query of `authorize`, with its `redirect_uri`.
        name: user name.
        password: goes into the form and nowhere else.

    Returns:
        The answer to the form: a redirect to the callback when it was right.

    Raises:
        PageFailed: no page with a form came.
    """
    browser = Browser(asked["redirect_uri"])
    page = browser.open(f"{base}/oauth2/authorize?{urlencode(asked)}")
    form = _Form()
    form.feed(page.read().decode())
    if page.status != 200 or form.action is None:
        raise PageFailed(f"no sign-in form at {base}/oauth2/authorize: status {page.status}")
    # A form without an action goes to `/login`, not back to `authorize`.
    action = urljoin(page.url, form.action or urlsplit(page.url)._replace(path="/login").geturl())
    return browser.open(action, form.hidden | {"username": name, "password": password})


class Browser:
    """Keeps cookies and follows redirects, except to the callback, where a listener would be."""

    def __init__(self, callback: str = "") -> None:
        """No cookies yet; a redirect to `callback` is an answer."""
        self._callback = callback
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(),
            urllib.request.HTTPCookieProcessor(),
        ):
            self._opener.add_handler(handler)

    def open(self, url: str, form: dict[str, str] | None = None) -> HTTPResponse:
        """GET, or POST of a form; any status is an answer.

        Raises:
            PageFailed: the pages send a browser round in circles.
        """
        data = None if form is None else urlencode(form).encode()
        for _ in range(MAX_REDIRECTS):
            answer: HTTPResponse = self._opener.open(url, data, TIMEOUT_S)
            location = answer.headers["location"]
            if answer.status not in (301, 302, 303, 307) or not location:
                return answer
            if self._callback and location.startswith(self._callback):
                return answer
            url, data = urljoin(url, location), None
        raise PageFailed(f"more than {MAX_REDIRECTS} redirects, the last to {urlsplit(url).path}")


class _Form(html.parser.HTMLParser):
    """Where the page's form goes, and its hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.hidden: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        field = dict(attrs)
        if tag == "form":
            self.action = field.get("action") or ""
        if tag == "input" and field.get("type") == "hidden" and field.get("name"):
            self.hidden[str(field["name"])] = field.get("value") or ""
