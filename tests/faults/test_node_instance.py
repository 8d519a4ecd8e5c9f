"""What the instance says of itself, from real HTTP servers that speak like AWS's."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from node import instance
from node.__main__ import main
from node.instance import InstanceError
from tests.processes import free_port

Answers = dict[tuple[str, str], tuple[int, str]]


@pytest.fixture
def serve() -> Iterator[Callable[[Answers], tuple[str, list[dict[str, str]]]]]:
    """serve(answers) to (host:port, headers of each request); unknown paths are 404."""
    servers: list[tuple[HTTPServer, threading.Thread]] = []

    def start(answers: Answers) -> tuple[str, list[dict[str, str]]]:
        seen: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                seen.append({name.lower(): value for name, value in self.headers.items()})
                status, text = answers.get((self.command, self.path), (404, ""))
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_PUT = do_POST = answer  # noqa: N815 - the standard library names them

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        servers.append((server, thread))
        return f"127.0.0.1:{server.server_address[1]}", seen

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


Serve = Callable[[Answers], tuple[str, list[dict[str, str]]]]
TOKEN = ("PUT", "/latest/api/token")
ID = ("GET", "/latest/meta-data/instance-id")


def test_instance_id_is_read_with_a_token(serve: Serve) -> None:
    """IMDSv2: a token first, then the id with it."""
    host, seen = serve({TOKEN: (200, "the-token"), ID: (200, "i-0123456789abcdef0")})
    assert instance.instance_id(host) == "i-0123456789abcdef0"
    assert [headers.get("x-aws-ec2-metadata-token") for headers in seen] == [None, "the-token"]


@pytest.mark.parametrize(
    "answers",
    [
        {TOKEN: (403, "")},
        {TOKEN: (200, "t"), ID: (401, "")},
        {TOKEN: (200, "t"), ID: (200, "<html>")},
    ],
)
def test_instance_id_that_cannot_be_had(serve: Serve, answers: Answers) -> None:
    """A refusal and an answer that is no id."""
    host, _ = serve(answers)
    with pytest.raises(InstanceError, match="the instance metadata"):
        instance.instance_id(host)


def test_instance_id_away_from_an_instance() -> None:
    """Nothing listens."""
    with pytest.raises(InstanceError, match="no instance metadata: ConnectionRefusedError"):
        instance.instance_id(f"127.0.0.1:{free_port()}")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """AWS settings of the test alone."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return monkeypatch


def test_settings_come_from_the_parameter(
    serve: Serve, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`run --settings-parameter` reads SSM; with no queue in it there is nothing more to do."""
    document = {
        "stack": "test",
        "region": "eu-central-1",
        "queue": None,
        "model": {"url": "http://127.0.0.1:8080/v1", "name": "tiny"},
        "lifeSeconds": 300,
    }
    answer = json.dumps({"Parameter": {"Name": "/test/node", "Value": json.dumps(document)}})
    host, seen = serve({("POST", "/"): (200, answer)})
    environment.setenv("AWS_ENDPOINT_URL", f"http://{host}")
    assert main(["run", "--settings-parameter", "/test/node"]) == 0
    assert json.loads(capsys.readouterr().out)["event"] == "no_queue"
    assert [headers["x-amz-target"] for headers in seen] == ["AmazonSSM.GetParameter"]


def test_a_parameter_that_cannot_be_read_ends_with_3(
    serve: Serve, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error's code is told."""
    host, _ = serve({("POST", "/"): (400, json.dumps({"__type": "ParameterNotFound"}))})
    environment.setenv("AWS_ENDPOINT_URL", f"http://{host}")
    assert main(["run", "--settings-parameter", "/test/node"]) == 3
    told = capsys.readouterr().err
    assert told == "node: the parameter /test/node cannot be read: ParameterNotFound\n"


def test_a_settings_file_that_is_not_there_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is named."""
    assert main(["run", "--settings-file", str(tmp_path / "none.json")]) == 2
    assert "none.json" in capsys.readouterr().err


def test_credentials_are_those_of_now(environment: pytest.MonkeyPatch) -> None:
    """Key, secret and session token as botocore finds them; none at all is named."""
    environment.setenv("AWS_SESSION_TOKEN", "session")
    found = instance.credentials()()
    assert (found.access_key, found.secret_key, found.session_token) == (
        "AKIAEXAMPLE",
        "secret",
        "session",
    )
    environment.delenv("AWS_ACCESS_KEY_ID")
    environment.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(InstanceError, match="no AWS credentials"):
        instance.credentials()()
