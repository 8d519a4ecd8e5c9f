"""The model client against real servers that start late, refuse, trickle, break off or lie.

Long because each way in which a server misbehaves is a row on one loopback server.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from types import SimpleNamespace

import pytest

from node import model, model_connection
from node.model import ModelError, ModelRefused, ModelTimeout, ModelUnavailable, PromptTooLong
from node.settings import ModelAddress
from tests.faults.parts import ModelServer
from tests.processes import free_port, until

Serve = Callable[..., ModelAddress]


def soon(seconds: float = 60.0) -> float:
    """A deadline that only a test that hangs meets."""
    return time.monotonic() + seconds


def address(port: int) -> ModelAddress:
    """A model on loopback."""
    return ModelAddress(f"http://127.0.0.1:{port}/v1", "tiny")


def response(content: bytes, status: str = "200 OK", length: int | None = None) -> bytes:
    """An HTTP response."""
    size = len(content) if length is None else length
    return f"HTTP/1.1 {status}\r\ncontent-length: {size}\r\n\r\n".encode() + content


def completion(text: object) -> bytes:
    """A chat completion."""
    message = {"role": "assistant", "content": text}
    return json.dumps({"choices": [{"message": message}]}).encode()


def _read_request(connection: socket.socket) -> bytes:
    """All of it, as closing with something unread would reset the connection."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(65_536)
    head, _, _ = request.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split()[0])
    while len(request) < len(head) + 4 + length:
        request += connection.recv(65_536)
    return request


@pytest.fixture
def serve() -> Iterator[Serve]:
    """serve(*pieces, every_s=0): each connection is sent the pieces; keeps what it received."""
    stopping = threading.Event()
    threads: list[threading.Thread] = []

    def start(
        *pieces: bytes, every_s: float = 0, received: list[bytes] | None = None
    ) -> ModelAddress:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(0.05)

        def run() -> None:
            with listener:
                while not stopping.is_set():
                    try:
                        connection, _ = listener.accept()
                    except TimeoutError:
                        continue
                    with connection:
                        connection.settimeout(60)
                        request = _read_request(connection)
                        if received is not None:
                            received.append(request)
                        for piece in pieces:
                            try:
                                connection.sendall(piece)
                            except OSError:
                                break
                            stopping.wait(every_s)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return address(listener.getsockname()[1])

    yield start
    stopping.set()
    for thread in threads:
        thread.join()


def test_ask_speaks_the_protocol(serve: Serve) -> None:
    """One user message, the configured model's name, no stream."""
    received: list[bytes] = []
    assert model.ask(serve(response(completion("hé")), received=received), "a\n", soon()) == "hé"
    head, _, body = received[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert json.loads(body) == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "a\n"}],
        "stream": False,
    }


@pytest.mark.fault(fault="the model still loads", place="a job runs")
def test_ask_waits_for_a_server_that_starts() -> None:
    """Connection refused is not an answer while there is time."""
    port = free_port()
    made: list[ModelServer] = []
    later = threading.Timer(0.3, lambda: made.append(ModelServer(port)))
    later.start()
    try:
        assert model.ask(address(port), "p", soon()) == "reply to p"
    finally:
        later.join()
        made[0].close()
    assert made[0].calls == {"p": 1}


@pytest.mark.fault(
    fault="the model still loads",
    place="a job runs",
    user_sees="a later reply",
    lost="nothing",
    recovers="the worker asks again as long as the job lives",
)
@pytest.mark.parametrize("status", [503, 429])
def test_ask_waits_for_a_server_that_loads(status: int) -> None:
    """What a server says while it loads its model is not an answer either."""
    with closing(ModelServer()) as server:
        server.status = status
        later = threading.Timer(0.3, lambda: setattr(server, "status", 200))
        later.start()
        assert model.ask(ModelAddress(server.url, "tiny"), "p", soon()) == "reply to p"
        later.join()


def test_ask_gives_up_at_the_end_of_the_job_s_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server until the deadline: unavailable, and no wait that would end after it."""
    now_s = [1000.0]
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        now_s[0] += seconds

    clock = SimpleNamespace(monotonic=lambda: now_s[0], sleep=wait)
    monkeypatch.setattr(model, "time", clock)
    monkeypatch.setattr(model_connection, "time", clock)
    with pytest.raises(ModelUnavailable):
        model.ask(address(free_port()), "p", 1005.5)
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0]
    assert now_s[0] < 1005.5


def test_ask_after_the_job_s_life_asks_nothing() -> None:
    """A job whose time is over is never run."""
    with closing(ModelServer()) as server:
        with pytest.raises(ModelTimeout):
            model.ask(ModelAddress(server.url, "tiny"), "p", time.monotonic())
        assert server.calls == {}


def test_ask_a_server_that_says_nothing_times_out() -> None:
    """A connected server that does not answer in time; it is asked once, or it would run twice."""
    with closing(ModelServer()) as server:
        server.hold()
        with pytest.raises(ModelTimeout):
            model.ask(ModelAddress(server.url, "tiny"), "p", soon(0.3))
        until(lambda: server.calls == {"p": 1}, what="the question arrives")


def test_ask_a_server_that_trickles_times_out(serve: Serve) -> None:
    """Each byte in time, and the answer never: the deadline is for the whole."""
    pieces = [response(b"", length=5000), *[b" "] * 5000]
    started = time.monotonic()
    with pytest.raises(ModelTimeout):
        model.ask(serve(*pieces, every_s=0.02), "p", started + 0.4)
    # The whole of it takes 100 s at least.
    assert time.monotonic() < started + 50


STATUS_LINE = b"HTTP/1.1 200 OK\r\n"
CHUNKED = STATUS_LINE + b"transfer-encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
ONE_BYTE = b"1\r\n \r\n"


@pytest.mark.fault(
    fault="the model drips or says nothing",
    place="a job runs",
    user_sees="job `failed`, `model_timeout`, at the end of its life",
    lost="that job",
    recovers="the deadline holds for every byte, both ways",
)
@pytest.mark.parametrize(
    ("first", "drip"),
    [
        (b"HTTP/1.1 200 ", b"O"),
        (STATUS_LINE + b"a: ", b"b"),
        (STATUS_LINE, b"a: b\r\n"),
        (b"", CONTINUE),
        (CONTINUE[:-2] + b"a: ", b"b"),
        (response(b"", length=1000), b" "),
        (response(b"", "400 Bad Request", length=1000), b" "),
        (STATUS_LINE + b"\r\n", b" "),
        (CHUNKED, ONE_BYTE),
        (CHUNKED, b"0"),
        (CHUNKED + b"1;", b"x"),
        (CHUNKED + ONE_BYTE + b"0\r\n", b"t: r\r\n"),
        (CHUNKED + ONE_BYTE + b"0\r\nt: ", b"r"),
    ],
    ids=[
        *("status line", "header", "headers", "100 Continue", "header of 100 Continue"),
        *("body", "body of a refusal", "body up to the end", "chunks", "chunk size"),
        *("chunk extension", "trailers", "trailer"),
    ],
)
def test_ask_holds_the_deadline_for_every_byte(serve: Serve, first: bytes, drip: bytes) -> None:
    """A server that drips any part of its response is cut off at the deadline, and not later."""
    started = time.monotonic()
    with pytest.raises(ModelTimeout):
        model.ask(serve(first, *[drip] * 1000, every_s=0.02), "p", started + 0.15)
    # The whole response would take 20 s.
    assert 0.15 <= time.monotonic() - started < 2


@pytest.mark.fault(fault="the model drips or says nothing", place="a job runs")
def test_ask_holds_the_deadline_while_it_sends() -> None:
    """A server that never reads what it is asked is cut off too."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        started = time.monotonic()
        with pytest.raises(ModelTimeout):
            model.ask(address(listener.getsockname()[1]), "p" * 30_000_000, started + 0.5)
        assert time.monotonic() - started < 2


def test_ask_reads_no_more_than_an_answer_has(serve: Serve) -> None:
    """Interim responses without end are refused by their bytes, long before the deadline."""
    with pytest.raises(ModelUnavailable, match="sends more than an answer has"):
        model.ask(serve(CONTINUE * 20_000), "p", soon())


@pytest.mark.fault(
    fault="the prompt is too long for the model",
    place="a job runs",
    user_sees="job `failed`, `prompt_too_long`",
    lost="that job",
    recovers="its owner shortens it",
)
@pytest.mark.parametrize(
    "said",
    [
        # llama_cpp.server, which the node runs, and OpenAI.
        {
            "message": "This model's maximum context length is 2048 tokens. However, you requested"
            " 3001 tokens (3001 in the messages, None in the completion). Please reduce the length"
            " of the messages or completion.",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        },
        # llama.cpp's own server, today and before it had a type for this.
        {
            "code": 400,
            "message": "request (4476 tokens) exceeds the available context size (4096 tokens)",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 4476,
            "n_ctx": 4096,
        },
        {
            "code": 400,
            "message": "the request exceeds the available context size. try increasing the context"
            " size or enable context shift",
            "type": "invalid_request_error",
        },
    ],
    ids=["llama_cpp.server", "llama.cpp", "llama.cpp before 2025-09"],
)
def test_ask_names_a_prompt_that_is_too_long(serve: Serve, said: dict[str, object]) -> None:
    """The owner can shorten it; every other 400 is none of theirs."""
    refusal = response(json.dumps({"error": said}).encode(), "400 Bad Request")
    with pytest.raises(PromptTooLong) as raised:
        model.ask(serve(refusal), "a secret", soon())
    assert raised.value.code == "prompt_too_long"
    assert str(raised.value) == "the prompt is longer than the model's context"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("400 Bad Request", {"error": {"message": "bad grammar", "code": "invalid"}}),
        ("400 Bad Request", {"error": "context_length_exceeded"}),
        ("400 Bad Request", {"error": {"code": ["context_length_exceeded"], "message": 7}}),
        ("400 Bad Request", ["context_length_exceeded"]),
        ("413 Payload Too Large", {"error": {"code": "context_length_exceeded"}}),
    ],
)
def test_ask_takes_no_other_refusal_for_a_long_prompt(
    serve: Serve, status: str, body: object
) -> None:
    """Another status, another code, or a body that is no error object."""
    with pytest.raises(ModelRefused) as raised:
        model.ask(serve(response(json.dumps(body).encode(), status)), "p", soon())
    assert raised.value.code == "model_refused"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (response(b"{}", "400 Bad Request"), ModelRefused),
        (response(b"[" * 100_000, "400 Bad Request"), ModelRefused),
        (response(b"{}", "404 Not Found"), ModelRefused),
        (response(b"{}", "500 Internal Server Error"), ModelUnavailable),
        (response(b"", "302 Found"), ModelUnavailable),
        (response(b"not json"), ModelUnavailable),
        (response(b"\xff\xfe"), ModelUnavailable),
        (response(b"[" * 100_000), ModelUnavailable),
        (response(b"{}"), ModelUnavailable),
        (response(b'{"choices": []}'), ModelUnavailable),
        (response(b'{"choices": "x"}'), ModelUnavailable),
        (response(completion(None)), ModelUnavailable),
        (response(completion(5)), ModelUnavailable),
        (response(completion("x" * 300_000)), ModelUnavailable),
        (response(completion("cut"), length=4000), ModelUnavailable),
        (b"garbage\r\n\r\n", ModelUnavailable),
        (b"", ModelUnavailable),
    ],
)
def test_ask_refuses_what_is_no_answer(
    serve: Serve, answer: bytes, error: type[ModelError]
) -> None:
    """Every other answer is final: one of the named failures, and no second question."""
    received: list[bytes] = []
    with pytest.raises(error) as raised:
        model.ask(serve(answer, received=received), "a secret", soon())
    assert type(raised.value) is error
    assert "secret" not in str(raised.value)
    assert len(received) == 1


@pytest.mark.parametrize("text", ["", "x" * 200_000, '𝄞 \x00 "quoted"'])
def test_ask_gives_the_text_as_it_is(serve: Serve, text: str) -> None:
    """Empty, long and odd replies are replies."""
    assert model.ask(serve(response(completion(text))), "p", soon()) == text


def test_ask_reads_an_answer_in_chunks(serve: Serve) -> None:
    """A server that does not know the length beforehand."""
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    body = completion("in pieces")
    chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:])]
    assert model.ask(serve(head, *chunks, b"0\r\n\r\n"), "p", soon()) == "in pieces"


def test_ask_replaces_half_a_surrogate_pair(serve: Serve) -> None:
    """JSON can spell what UTF-8 cannot; the reply can be stored all the same."""
    assert model.ask(serve(response(completion("a\ud800b"))), "p", soon()) == "a?b"
