"""Every body that must be refused, by name."""

import json

import pytest

from tests.body_vectors import BodyVector, body_vectors, good_bodies
from tests.contract import schema_faults
from tinyllama.utils.http.body import InferRequest, InvalidBody, idempotency_key, parse
from tinyllama.utils.http.responses import error_response


@pytest.mark.parametrize(
    ("body", "is_base64", "request_"), good_bodies().values(), ids=good_bodies()
)
def test_body_within_the_rules_is_accepted(
    body: str | bytes, is_base64: bool, request_: InferRequest
) -> None:
    """Every body at the edge of what is allowed passes."""
    assert parse(body, is_base64) == request_


@pytest.mark.parametrize("vector", body_vectors(), ids=lambda vector: vector.name)
def test_body_wrong_in_one_way_is_refused(vector: BodyVector) -> None:
    """Each is refused naming the field and what is wrong with it, and nothing of the value."""
    with pytest.raises(InvalidBody) as refused:
        parse(vector.body, vector.is_base64)
    response = error_response(refused.value)
    assert response["statusCode"] == 400
    assert json.loads(response["body"]) == {
        "error": "invalid_request",
        "field": vector.field,
        "reason": vector.reason,
    }
    assert "s3cr3t" not in f"{refused.value}{response}"
    schema = {"$ref": "#/components/schemas/InvalidRequest"}
    assert schema_faults(schema, json.loads(response["body"])) == []


@pytest.mark.parametrize("key", [None, "a", "~" * 128, "a b", "!", "0f2c1a6e-8d3b-4f04-9c1e"])
def test_idempotency_key_within_the_rules_is_taken(key: str | None) -> None:
    """1 to 128 printable ASCII characters, or none at all."""
    assert idempotency_key(key) == key


@pytest.mark.parametrize("key", ["", " ", "a ", " a", "a" * 129, "a\n", "\x7f", "\u00e9", "a\0b"])
def test_idempotency_key_outside_the_rules_is_refused(key: str) -> None:
    """Anything else is refused under the header's name."""
    with pytest.raises(InvalidBody) as refused:
        idempotency_key(key)
    assert json.loads(error_response(refused.value)["body"]) == {
        "error": "invalid_request",
        "field": "Idempotency-Key",
        "reason": "not 1 to 128 printable ASCII characters",
    }
