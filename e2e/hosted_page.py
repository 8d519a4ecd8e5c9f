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
    """No sign-in page came; says the status and the page's address."""


def sign_in(base: str, query: dict[str, str], name: str, password: str) -> HTTPResponse:
    """Open the sign-in page, and fill in and send its form.

    Args:
        base: base URL of the pages.
        query: the query of `authorize`, with its `redirect_uri`.
        name: user name.
        password: goes into the form and nowhere else.

    Returns:
        The answer to the form: a redirect to the callback when name and password are right.

    Raises:
        PageFailed: no page with a form came.
    """
    browser = Browser(query["redirect_uri"])
    page = browser.open(f"{base}/oauth2/authorize?{urlencode(query)}")
    form = _Form()
    form.feed(page.read().decode())
    if page.status != 200 or form.action is None:
        raise PageFailed(f"no sign-in form at {base}/oauth2/authorize: status {page.status}")
    # A form without an action goes to `/login`, not back to `authorize`.
    action = urljoin(page.url, form.action or urlsplit(page.url)._replace(path="/login").geturl())
    return browser.open(action, form.hidden | {"username": name, "password": password})


class Browser:
    """Keeps cookies and follows redirects, but for one to the callback, where a GUI listens."""

    def __init__(self, callback: str = "") -> None:
        """Start without cookies; a redirect to `callback` is returned, not followed."""
        self._callback = callback
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(),
            urllib.request.HTTPCookieProcessor(),
        ):
            self._opener.add_handler(handler)

    def open(self, url: str, form: dict[str, str] | None = None) -> HTTPResponse:
        """GET a page, or POST a form; an answer of any status is returned.

        Raises:
            PageFailed: more than `MAX_REDIRECTS` redirects follow one another.
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
