"""The contract is valid, and says what the functions do and the templates route."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_spec_validator import validate

from tests import contract
from tinyllama.queue_health import app as queue_health
from tinyllama.resize import app as resize
from tinyllama.router import app as router
from tinyllama.stop import app as stop
from tinyllama.utils.http.body import MAX_IDLE_MIN, MAX_PROMPT_BYTES, MIN_IDLE_MIN, BodyReason
from tinyllama.utils.http.errors import STATUS, ApiError
from tinyllama.utils.http.responses import error_response, respond

TEMPLATES = Path(__file__).parent.parent.parent / "cloudformation"
FUNCTIONS = {"router": router, "stop": stop, "resize": resize, "queue_health": queue_health}


class Loader(yaml.SafeLoader):
    """Reads a template; `!Ref x` and the other short forms become their argument."""


def _argument(loader: Loader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


Loader.add_multi_constructor("!", _argument)


def template_routes() -> list[str]:
    """The route key of every route in every template."""
    return [
        resource["Properties"]["RouteKey"]
        for path in sorted(TEMPLATES.glob("*.yaml"))
        for resource in yaml.load(path.read_text(), Loader)["Resources"].values()  # noqa: S506
        if resource["Type"] == "AWS::ApiGatewayV2::Route"
    ]


def test_contract_is_valid_openapi() -> None:
    """OpenAPI 3.1, every reference included."""
    validate(contract.document())


def test_contract_templates_and_functions_name_the_same_routes() -> None:
    """A route in one of the three and not in the others is a mistake."""
    declared = sorted(contract.operations())
    handled = sorted(key for function in FUNCTIONS.values() for key in function.ROUTES)
    assert declared == handled == sorted(template_routes())


@pytest.mark.parametrize("key", contract.operations())
def test_contract_names_the_function_that_answers(key: str) -> None:
    """`x-function` and `operationId` lead to the code."""
    operation = contract.operations()[key]
    routes = FUNCTIONS[operation["x-function"]].ROUTES
    assert routes[key].__name__ == operation["operationId"]


def test_contract_declares_every_code_with_its_status() -> None:
    """Each code of the table is somewhere answered with its status, and no other code is."""
    found: dict[str, set[str]] = {}
    for operation in contract.operations().values():
        for status, response in operation["responses"].items():
            content = contract.resolved(response)["content"]["application/json"]
            for code in _codes(content["schema"]):
                found.setdefault(code, set()).add(status)
    assert found == {code: {str(status)} for code, status in STATUS.items()}


def test_contract_and_validator_have_the_same_bounds() -> None:
    """A client that reads the contract knows the limits."""
    schema = contract.document()["components"]["schemas"]["InferRequest"]["properties"]
    assert schema["prompt"]["maxLength"] == MAX_PROMPT_BYTES
    assert (schema["idle"]["minimum"], schema["idle"]["maximum"]) == (MIN_IDLE_MIN, MAX_IDLE_MIN)
    reasons = contract.document()["components"]["schemas"]["InvalidRequest"]["properties"]["reason"]
    assert reasons["enum"] == [str(reason) for reason in BodyReason]


@pytest.mark.parametrize(
    ("response", "faults"),
    [
        (respond(200, {"status": "ok"}), []),
        (respond(200, {"status": "no"}), ["'ok' was expected"]),
        (respond(201, {"status": "ok"}), ["GET /ping never answers 201"]),
        (respond(200, {"status": "ok"}, {"X-Other": "1"}), ["X-Other is not declared"]),
        (respond(200, {"status": "ok"}, {"content-type": "text/html"}), ["not JSON"]),
        (
            respond(200, {"status": "ok"}, {"cache-control": "max-age=1"}),
            ["'no-store' was expected"],
        ),
        (error_response(ApiError("invalid_token")), []),
    ],
)
def test_answer_is_held_to_the_contract(response: Any, faults: list[str]) -> None:
    """What differs is told; the other suites lean on this."""
    assert contract.faults("GET /ping", response) == faults


def _codes(schema: Any) -> set[str]:
    """Every value that the member `error` of a refusal may have under this schema."""
    if isinstance(schema, list):
        return set().union(*map(_codes, schema))
    known = contract.resolved(schema)
    found = set().union(*(_codes(known[word]) for word in ("anyOf", "oneOf") if word in known))
    members = known.get("properties", {})
    # A job that failed has an error too, but that is an answer and no refusal.
    error = {} if "status" in members else members.get("error", {})
    return found | ({error["const"]} if "const" in error else set(error.get("enum", [])))
