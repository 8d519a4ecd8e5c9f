"""Imported API definitions: operations and security of OpenAPI with API Gateway extensions.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

import json
from collections.abc import Iterator

from tljudge.decode.errors import shortened
from tljudge.decode.nodes import IncompleteMap, Map, Mark
from tljudge.resolve.deployment import Resource
from tljudge.resolve.values import EMPTY, NOVALUE, Text, Unknown, Value, from_json, why

OPEN, GUARDED, UNCLEAR = "open", "guarded", "unclear"
_ANY = "x-amazon-apigateway-any-method"
_VERBS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", _ANY)


def definition(api: Resource) -> Map[Value] | str | None:
    """The OpenAPI document of an API.

    Returns:
        The document, a reason (str) if it is unknown, or None if the API has none.
    """
    for name in ("BodyS3Location", "CloneFrom"):
        if api.get(name) is not NOVALUE:
            return f"{name} is read at deployment"
    body = api.get("Body")
    if body is NOVALUE:
        return None
    if isinstance(body, str):
        try:
            body = from_json(json.loads(body), api.mark_of("Body"))
        except (ValueError, RecursionError):
            return "Body is text, but not JSON"
    if isinstance(body, dict) and type(body) is not IncompleteMap:
        return body
    return why(body) if isinstance(body, Unknown | Text) else "Body is not a mapping"


def operations(
    document: Map[Value], mark: Mark
) -> Iterator[tuple[str, str, Map[Value] | Unknown, Mark]]:
    """Yield method, path, body and place of each operation; the body may be `Unknown`."""
    paths = document.get("paths", EMPTY)
    if not isinstance(paths, dict):
        yield "ANY", "(every path)", paths if isinstance(paths, Unknown) else _shape(""), mark
        return
    for path, item in paths.items():
        path_mark = _mark_in(paths, path, mark)
        if not isinstance(item, dict) or "$ref" in item:
            yield "ANY", path, item if isinstance(item, Unknown) else _shape(path), path_mark
            continue
        for verb, body in item.items():
            if verb.lower() in _VERBS:
                operation = body if isinstance(body, dict | Unknown) else _shape(path)
                method = "ANY" if verb == _ANY else verb.upper()
                yield method, path, operation, _mark_in(item, verb, path_mark)


def _shape(path: str) -> Unknown:
    return Unknown(f"paths.{path}", "it is not a mapping")


def _mark_in(container: Map[Value], key: str, otherwise: Mark) -> Mark:
    return container.marks.get(key, otherwise)


def schemes(document: Map[Value]) -> Map[Value]:
    """The security schemes by name, of OpenAPI 3 or 2; empty if the document has none."""
    parts = document.get("components")
    version_3 = parts.get("securitySchemes") if isinstance(parts, dict) else None
    declared = version_3 if isinstance(version_3, dict) else document.get("securityDefinitions")
    return declared if isinstance(declared, dict) else EMPTY


def secured(document: Map[Value], body: Map[Value]) -> tuple[str, str, bool | None]:
    """Whether every alternative in an operation's `security` has an authorizer.

    Returns:
        OPEN, GUARDED or UNCLEAR, the reason, and whether an alternative needs an API key (None if
        unknown).
    """
    inline = body.get("x-amazon-apigateway-auth")
    if isinstance(inline, dict) and inline.get("type") == "AWS_IAM":
        return GUARDED, "", None
    security = body.get("security", document.get("security", NOVALUE))
    if security is NOVALUE or security == []:
        return OPEN, "it has no security", False
    if not isinstance(security, list):
        return UNCLEAR, "its security is unknown", None
    declared = schemes(document)
    states, keys = [], False
    for alternative in security:
        if not isinstance(alternative, dict):
            states.append((UNCLEAR, "its security is unknown"))
            continue
        needed = [_scheme(declared.get(name, NOVALUE), name) for name in alternative]
        keys = keys or any(_is_key(declared.get(name)) for name in alternative)
        order = {GUARDED: 0, UNCLEAR: 1, OPEN: 2}
        best = min(
            needed,
            key=lambda state: order[state[0]],
            default=(OPEN, "an empty alternative admits everybody"),
        )
        states.append(best)
    worst = next((state for state in states if state[0] == OPEN), None)
    worst = worst or next((state for state in states if state[0] == UNCLEAR), None)
    return (*(worst or (GUARDED, "")), keys)


def _scheme(body: Value, name: str) -> tuple[str, str]:
    if isinstance(body, Unknown):
        return UNCLEAR, f"security scheme {shortened(name, 40)} is unknown"
    if not isinstance(body, dict):
        return OPEN, f"security scheme {shortened(name, 40)} is not declared"
    authorizer = body.get("x-amazon-apigateway-authorizer")
    if isinstance(authorizer, Unknown):
        return UNCLEAR, f"the authorizer of {shortened(name, 40)} is unknown"
    if authorizer or str(body.get("x-amazon-apigateway-authtype", "")).lower() == "awssigv4":
        return GUARDED, ""
    kind = "an API key is not an authorizer" if _is_key(body) else "it has no authorizer"
    return OPEN, f"security scheme {shortened(name, 40)}: {kind}"


def _is_key(body: Value) -> bool:
    return (
        isinstance(body, dict)
        and body.get("type") == "apiKey"
        and (
            "x-amazon-apigateway-authorizer" not in body
            and "x-amazon-apigateway-authtype" not in body
        )
    )
