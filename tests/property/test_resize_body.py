"""Laws of the validation of POST /resize's body."""

import json
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.contract import schema_faults
from tests.property.strategies import bodies, json_values
from tinyllama.utils.http.body import InvalidBody, ResizeRequest, parse_resize

SCHEMA = {"$ref": "#/components/schemas/ResizeRequest"}
ACTIONS = st.sampled_from(["start", "stop", "resize"])
TARGETS = st.sampled_from(["t3.small", "g4dn.xlarge", "p5.48xlarge", "T3.small", "", "t3.small "])


def outcome(body: str | bytes | None, is_base64: bool = False) -> ResizeRequest | InvalidBody:
    """The request or the refusal; no other end is possible."""
    try:
        return parse_resize(body, is_base64)
    except InvalidBody as refusal:
        return refusal


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "action": ACTIONS | json_values(),
            "target": TARGETS | json_values(),
            "force": st.booleans() | json_values(),
        },
    )
)
def test_validator_takes_exactly_what_the_contract_takes(members: dict[str, Any]) -> None:
    """Whatever the values are: a client that keeps to the contract is never refused, nor others let
    in."""
    found = outcome(json.dumps(members))
    assert isinstance(found, ResizeRequest) == (schema_faults(SCHEMA, members) == [])
    if isinstance(found, ResizeRequest):
        assert (found.action == "resize") == (found.target is not None)


@given(bodies())
def test_validation_is_total(given_body: tuple[str | bytes | None, bool]) -> None:
    """A prompt, or no JSON at all, is refused, and changes no machine."""
    assert isinstance(outcome(*given_body), InvalidBody)


@given(st.text(min_size=1), json_values())
def test_unknown_field_is_refused(name: str, value: Any) -> None:
    """Also beside a valid request."""
    assume(name not in ("action", "target", "force"))
    found = outcome(json.dumps({"action": "start", name: value}))
    assert isinstance(found, InvalidBody)
