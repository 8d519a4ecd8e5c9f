"""Bounds that other tests take from the code, so that one that grows is noticed here."""

import json

import pytest

from tests import tokens
from tinyllama.utils.auth import access_token
from tinyllama.utils.auth.keys import InvalidKeys, Keys
from tinyllama.utils.queue import job_queue


def test_bounds_are_those_of_the_plan() -> None:
    """A token's characters, the seconds by which clocks may differ, and the jobs of a queue."""
    assert access_token.MAX_TOKEN_LENGTH == 8192
    assert access_token.LEEWAY_S == 5
    assert job_queue.MAX_JOBS == 1000


def test_document_of_keys_has_eight_levels() -> None:
    """The document is one; a deeper one is refused before anything is read of it."""
    documents = [
        json.dumps({**tokens.jwks(), "x": json.loads("[" * levels + "]" * levels)})
        for levels in (7, 8)
    ]
    assert tokens.pinned().kid in Keys.from_jwks(documents[0]).by_kid
    with pytest.raises(InvalidKeys, match="the document is not strict JSON"):
        Keys.from_jwks(documents[1])
