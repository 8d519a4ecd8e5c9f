"""A worker's surroundings for one test; nothing is left running, whatever happened."""

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import redis
import trustme

from tests.faults.parts import ModelServer, Node, TlsFront
from tests.processes import RedisServer, access_string
from tinyllama.utils.queue.job_queue import JobQueue


@pytest.fixture
def cache() -> Iterator[RedisServer]:
    """A Redis of the test's own, with the node's and the router's user, that it may kill."""
    server = RedisServer(
        users=(
            "default on nopass ~* +@all",
            f"node on nopass {access_string('NodeUser')}",
            f"router on nopass {access_string('RouterUser')}",
        )
    )
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def client(cache: RedisServer) -> Iterator[redis.Redis]:
    """A client without limits on that Redis."""
    with closing(cache.client()) as client:
        yield client


@pytest.fixture
def jobs(client: redis.Redis) -> JobQueue:
    """The functions' side of the queue."""
    return JobQueue(client)


@pytest.fixture
def model() -> Iterator[ModelServer]:
    """A model server."""
    with closing(ModelServer()) as server:
        yield server


@pytest.fixture
def authority_file(tmp_path: Path, authority: trustme.CA) -> Path:
    """The certificate of the authority that signed the cache's."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority for the tests."""
    return trustme.CA()


@pytest.fixture
def front(cache: RedisServer, authority: trustme.CA) -> Iterator[TlsFront]:
    """TLS before the test's Redis."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with TlsFront(context, cache.port) as front:
        yield front


@pytest.fixture
def node(
    tmp_path: Path, front: TlsFront, model: ModelServer, authority_file: Path
) -> Iterator[Callable[..., Node]]:
    """Makes nodes, not started: node(node_id="i-1", life_s=300, slots=1, **fields of Node)."""
    with ExitStack() as made:

        def make(node_id: str = "i-1", life_s: int = 300, slots: int = 1, **fields: object) -> Node:
            settings = {
                "stack": "test",
                "region": "eu-central-1",
                "queue": {
                    "host": "localhost",
                    "port": front.port,
                    "cache": "the-cache",
                    "user": "node",
                },
                "model": {"url": model.url, "name": "tiny"},
                "lifeSeconds": life_s,
                "slots": slots,
            }
            path = tmp_path / f"{node_id}.json"
            path.write_text(json.dumps(settings))
            made_node = Node(node_id, path, tmp_path / node_id, authority_file)
            for name, value in fields.items():
                setattr(made_node, name, value)
            made.callback(made_node.kill)
            return made_node

        yield make
