"""The client of an OpenAI-compatible server: an answer in time, or one of four named failures.

While the server is still starting (connection refused, 503, 429), the client asks again until the
job's life ends. Every other failure is final, because the model may have run.
https://platform.openai.com/docs/api-reference/chat/create
"""

import http.client
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from node import model_connection
from node.settings import ModelAddress

MAX_RESPONSE_BYTES = 256 * 1024
_MAX_HEAD_BYTES = 64 * 1024
"""For everything in a response but its body: heads, chunk sizes, trailers."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 2.0
_NOT_YET = (429, 503)
_TOO_LONG_CODES = ("context_length_exceeded", "exceed_context_size_error")
_TOO_LONG = re.compile(r"maximum context length|exceeds? (the available )?context (size|window)")


class ModelError(Exception):
    """The model gave no answer. `code` is public; the message names the step, never a prompt."""

    code = "model_unavailable"


class ModelUnavailable(ModelError):
    """The server was not reachable within the job's life, or its response is no answer."""


class ModelRefused(ModelError):
    """The server refuses this request: 4xx."""

    code = "model_refused"


class PromptTooLong(ModelRefused):
    """The prompt has more tokens than the model's context holds."""

    code = "prompt_too_long"


class ModelTimeout(ModelError):
    """The job's life ended before the answer did."""

    code = "model_timeout"


class _NotYet(Exception):
    """The model did not run, so asking again is safe."""


def warm_up(address: ModelAddress, deadline_s: float) -> None:
    """Have the model answer one word; raises as `ask` does."""
    _ask(address, "Hello", deadline_s, 1)


def ask(address: ModelAddress, prompt: str, deadline_s: float) -> str:
    """Ask the model to reply to a user message.

    Args:
        deadline_s: by the monotonic clock; the client neither asks nor waits after it.

    Raises:
        ModelUnavailable, ModelRefused, PromptTooLong, ModelTimeout
    """
    return _ask(address, prompt, deadline_s, None)


def _ask(address: ModelAddress, prompt: str, deadline_s: float, most_tokens: int | None) -> str:
    wait_s = _FIRST_WAIT_S
    while True:
        try:
            return _ask_once(address, prompt, deadline_s, most_tokens)
        except _NotYet as error:
            if time.monotonic() + wait_s >= deadline_s:
                raise ModelUnavailable(str(error)) from error
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


def _ask_once(
    address: ModelAddress, prompt: str, deadline_s: float, most_tokens: int | None
) -> str:
    if time.monotonic() >= deadline_s:
        raise ModelTimeout("the job's life is over")
    message = {"role": "user", "content": prompt}
    question = {"model": address.name, "messages": [message], "stream": False}
    if most_tokens is not None:
        question["max_tokens"] = most_tokens
    with _connected(address.url, deadline_s) as connection, _named_failures():
        connection.request(
            "POST",
            urlsplit(address.url).path + "/chat/completions",
            body=json.dumps(question).encode(),
            headers={"content-type": "application/json"},
        )
        response = connection.getresponse()
        if response.status in _NOT_YET:
            raise _NotYet(f"the model server answers {response.status}")
        if response.status != 200 and not 400 <= response.status < 500:
            raise ModelUnavailable(f"the model server answers {response.status}")
        content = _content(response)
    if response.status == 200:
        return _text(content)
    if response.status == 400 and _says_too_long(content):
        raise PromptTooLong("the prompt is longer than the model's context")
    raise ModelRefused(f"the model server answers {response.status}")


@contextmanager
def _connected(url: str, deadline_s: float) -> Iterator[http.client.HTTPConnection]:
    most_bytes = MAX_RESPONSE_BYTES + _MAX_HEAD_BYTES
    try:
        connection = model_connection.connect(url, deadline_s, most_bytes)
    except ConnectionRefusedError as error:
        raise _NotYet("the model server does not listen") from error
    except TimeoutError as error:
        raise ModelTimeout("connecting to the model server") from error
    except OSError as error:
        raise ModelUnavailable(f"no connection: {type(error).__name__}") from error
    try:
        yield connection
    finally:
        connection.end()


@contextmanager
def _named_failures() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise ModelTimeout("waiting for the model's answer") from error
    except model_connection.ResponseTooLong as error:
        raise ModelUnavailable(str(error)) from error
    except (OSError, http.client.HTTPException) as error:
        raise ModelUnavailable(f"the connection broke: {type(error).__name__}") from error


def _content(response: http.client.HTTPResponse) -> bytes:
    content = bytearray()
    while chunk := response.read1(65_536):
        content += chunk
        if len(content) > MAX_RESPONSE_BYTES:
            raise ModelUnavailable(f"the answer is longer than {MAX_RESPONSE_BYTES} bytes")
    if response.length:
        raise ModelUnavailable("the answer broke off")
    return bytes(content)


def _says_too_long(content: bytes) -> bool:
    """Recognise a refusal because of the context's size by its code, its type or its wording.

    `llama_cpp.server` and OpenAI write the code context_length_exceeded; llama.cpp's own server the
    type exceed_context_size_error, and only a message before 2025-09.
    https://github.com/abetlen/llama-cpp-python/blob/main/llama_cpp/server/errors.py
    """
    try:
        error = json.loads(content)["error"]
        named = (error.get("code"), error.get("type"))
        message = error.get("message")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False
    if any(name in _TOO_LONG_CODES for name in named if isinstance(name, str)):
        return True
    return isinstance(message, str) and _TOO_LONG.search(message) is not None


def _text(content: bytes) -> str:
    try:
        text = json.loads(content)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ModelUnavailable(f"not a chat completion: {type(error).__name__}") from error
    if not isinstance(text, str):
        raise ModelUnavailable("not a chat completion: no text")
    # JSON can spell half a surrogate pair, which neither journal nor Redis could store.
    return text.encode("utf-8", "replace").decode()
