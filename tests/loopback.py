"""AWS endpoints on loopback: what the functions say to them is read, checked and answered."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest.mock import patch

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS_KEY, SECRET_KEY, SESSION_TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "IQoJb3JpZ2lu"


@dataclass(frozen=True)
class Request:
    """What arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Endpoint:
    """A server on a free port that answers with `answer` and keeps what it was asked."""

    url: str
    answer: Callable[[Request], Answer]
    requests: list[Request] = field(default_factory=list)


@contextmanager
def endpoint(answer: Callable[[Request], Answer]) -> Iterator[Endpoint]:
    """Serve until the block ends; nothing is left behind."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, self.rfile.read(length))
            served.requests.append(request)
            found = served.answer(request)
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(found.body)))
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(found.body)

        do_GET = do_POST = do_PUT = handle_any  # noqa: N815 - the base class wants it so

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that went away is its own affair."""

    server = Server(("127.0.0.1", 0), Handler)
    served = Endpoint(f"http://127.0.0.1:{server.server_port}", answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


CONTROL_TABLE = "tinyllama-dev-control"


@dataclass
class Table:
    """The table of the signing keys and the control table, each of one item at most; a request that
    is not signed as botocore would is refused."""

    name: str = "tinyllama-dev-signing-keys"
    region: str = "eu-central-1"
    item: dict[str, Any] | None = None
    control: dict[str, Any] | None = None
    control_refusal: Answer | None = None
    update: Callable[[dict[str, Any]], Answer] | None = None
    refusal: Answer | None = None
    reads: int = 0

    def answer(self, request: Request) -> Answer:
        """GetItem and PutItem, as far as the functions use them."""
        if self.refusal is not None:
            return self.refusal
        if request.headers.get("authorization") != expected_authorization(request, self.region):
            return error("InvalidSignatureException")
        sent = json.loads(request.body)
        if sent["TableName"] == CONTROL_TABLE:
            if self.update and request.headers["x-amz-target"] == "DynamoDB_20120810.UpdateItem":
                return self.control_refusal or self.update(sent)
            assert request.headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
            assert (sent["Key"], sent["ConsistentRead"]) == ({"id": {"S": "node"}}, True)
            return self.control_refusal or _item(self.control)
        if sent["TableName"] != self.name:
            return error("ResourceNotFoundException")
        match request.headers["x-amz-target"]:
            case "DynamoDB_20120810.GetItem":
                self.reads += 1
                assert sent["Key"] == {"id": {"S": "jwks"}}
                return _item(self.item)
            case "DynamoDB_20120810.PutItem":
                self.item = sent["Item"]
                return Answer(body=b"{}")
        return error("UnknownOperationException")


def expected_authorization(request: Request, region: str) -> str:
    """What botocore signs for the same request at the time that the request names."""
    sent = request.headers
    stamp = sent["x-amz-date"]
    names = re.search("SignedHeaders=([^,]*)", sent["authorization"])
    assert names is not None
    kept = {name: sent[name] for name in names[1].split(";")}
    for own in ("host", "x-amz-date", "x-amz-security-token"):
        kept.pop(own, None)
    return botocore_headers(
        f"http://{sent['host']}/", kept, request.body, region=region, stamp=stamp
    )["Authorization"]


def botocore_headers(
    url: str,
    headers: dict[str, str],
    body: bytes,
    *,
    region: str,
    stamp: str,
    service: str = "dynamodb",
    credentials: Credentials | None = None,
) -> dict[str, str]:
    """The headers botocore sends with a POST signed at `stamp`, such as 20260922T101500Z."""
    request = AWSRequest("POST", url, data=body, headers=headers)
    at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    signer = SigV4Auth(
        credentials or Credentials(ACCESS_KEY, SECRET_KEY, SESSION_TOKEN), service, region
    )
    with patch("botocore.auth.get_current_datetime", lambda: at):
        signer.add_auth(request)
    return dict(request.headers.items())


def _item(item: dict[str, Any] | None) -> Answer:
    return Answer(body=json.dumps({"Item": item} if item else {}).encode())


def error(kind: str) -> Answer:
    body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{kind}"}).encode()
    return Answer(400, body)
