"""What `handlers/openapi.yaml` says, and whether an answer keeps to it."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from openapi_schema_validator import OAS31Validator

PATH = Path(__file__).parent.parent / "handlers" / "openapi.yaml"


@cache
def document() -> dict[str, Any]:
    """The contract, parsed."""
    found: dict[str, Any] = yaml.safe_load(PATH.read_text())
    return found


def operations() -> dict[str, dict[str, Any]]:
    """Every operation by its route key, such as `GET /infer/{id}`."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    }


def faults(route_key: str, response: Any) -> list[str]:
    """Everything in which an answer of this route differs from the contract."""
    status = str(response["statusCode"])
    declared = operations()[route_key]["responses"].get(status)
    if declared is None:
        return [f"{route_key} never answers {status}"]
    declared = resolved(declared)
    found = schema_faults(
        declared["content"]["application/json"]["schema"], json.loads(response["body"])
    )
    headers = dict(response["headers"])
    if headers.pop("content-type", None) != "application/json":
        found.append("not JSON")
    known = {name.lower(): resolved(one) for name, one in declared.get("headers", {}).items()}
    for name, value in headers.items():
        if name.lower() not in known:
            found.append(f"{name} is not declared")
        else:
            found += schema_faults(known[name.lower()]["schema"], value)
    if "cache-control" not in headers:
        found.append("may be cached")
    return found


def schema_faults(schema: dict[str, Any], value: object) -> list[str]:
    """What a JSON value breaks of a schema that may refer to the contract's components."""
    whole = {"allOf": [schema], "components": document()["components"]}
    return [error.message for error in OAS31Validator(whole).iter_errors(value)]


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """What a reference stands for; anything else stands for itself."""
    if "$ref" not in node:
        return node
    found: Any = document()
    for step in node["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return dict(found)
