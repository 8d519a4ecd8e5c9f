"""Fixtures every suite may use: a real Redis, and a client of it that finds it empty."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import redis

from tests.processes import RedisServer


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One Redis for the session; tests that kill theirs start their own."""
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def redis_client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A client of the session's Redis, which is empty."""
    with closing(redis_server.client()) as client:
        client.flushall()
        yield client
