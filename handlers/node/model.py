"""The client of an OpenAI-compatible server: an answer in time, or one of three named failures.

While the server is still starting (connection refused, 503, 429), the client asks again until the
job's life ends. Every other failure is final, because the model may have run.
https://platform.openai.com/docs/api-reference/chat/create
"""

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from node.settings import ModelAddress

MAX_RESPONSE_BYTES = 256 * 1024
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 2.0
_NOT_YET = (429, 503)


class ModelError(Exception):
    """The model gave no answer. `code` is public; the message names the step, never a prompt."""

    code = "model_unavailable"


class ModelUnavailable(ModelError):
    """The server was not reachable within the job's life, or its response is no answer."""


class ModelRefused(ModelError):
    """The server refuses this request: 4xx."""

    code = "model_refused"


class ModelTimeout(ModelError):
    """The job's life ended before the answer did."""

    code = "model_timeout"


class _NotYet(Exception):
    """The model did not run, so asking again is safe."""


def ask(address: ModelAddress, prompt: str, deadline_s: float) -> str:
    """Ask the model to reply to a user message.

    Args:
        deadline_s: by the monotonic clock; the client neither asks nor waits after it.

    Raises:
        ModelUnavailable, ModelRefused, ModelTimeout
    """
    wait_s = _FIRST_WAIT_S
    while True:
        try:
            return _ask_once(address, prompt, deadline_s)
        except _NotYet as error:
            if time.monotonic() + wait_s >= deadline_s:
                raise ModelUnavailable(str(error)) from error
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


def _ask_once(address: ModelAddress, prompt: str, deadline_s: float) -> str:
    message = {"role": "user", "content": prompt}
    question = {"model": address.name, "messages": [message], "stream": False}
    with _connected(address.url, deadline_s) as connection, _named_failures():
        connection.request(
            "POST",
            urlsplit(address.url).path + "/chat/completions",
            body=json.dumps(question).encode(),
            headers={"content-type": "application/json"},
        )
        # Read the socket now, because reading the headers may detach it from the connection.
        sock = connection.sock
        response = connection.getresponse()
        if response.status in _NOT_YET:
            raise _NotYet(f"the model server answers {response.status}")
        if 400 <= response.status < 500:
            raise ModelRefused(f"the model server answers {response.status}")
        if response.status != 200:
            raise ModelUnavailable(f"the model server answers {response.status}")
        content = bytearray()
        while not response.isclosed():
            # A socket's timeout is for one read; a server that trickles would never exceed it.
            sock.settimeout(_left_s(deadline_s))
            chunk = response.read1(65_536)
            content += chunk
            if len(content) > MAX_RESPONSE_BYTES:
                raise ModelUnavailable(f"the answer is longer than {MAX_RESPONSE_BYTES} bytes")
            if not chunk:
                break
        if response.length:
            raise ModelUnavailable("the answer broke off")
    return _text(bytes(content))


@contextmanager
def _connected(url: str, deadline_s: float) -> Iterator[http.client.HTTPConnection]:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_left_s(deadline_s))
    try:
        try:
            connection.connect()
        except ConnectionRefusedError as error:
            raise _NotYet("the model server does not listen") from error
        except TimeoutError as error:
            raise ModelTimeout("connecting to the model server") from error
        except OSError as error:
            raise ModelUnavailable(f"no connection: {type(error).__name__}") from error
        yield connection
    finally:
        connection.close()


@contextmanager
def _named_failures() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise ModelTimeout("waiting for the model's answer") from error
    except (OSError, http.client.HTTPException) as error:
        raise ModelUnavailable(f"the connection broke: {type(error).__name__}") from error


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise ModelTimeout("the job's life is over")
    return left_s


def _text(content: bytes) -> str:
    try:
        text = json.loads(content)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ModelUnavailable(f"not a chat completion: {type(error).__name__}") from error
    if not isinstance(text, str):
        raise ModelUnavailable("not a chat completion: no text")
    # JSON can spell half a surrogate pair, which neither journal nor Redis could store.
    return text.encode("utf-8", "replace").decode()
