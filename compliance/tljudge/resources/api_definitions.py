"""Imported definitions: OpenAPI with the gateway's extensions, its operations and their security.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

import json
from collections.abc import Iterator

from tljudge.decode.nodes import Map, Mark, Partial
from tljudge.resolve.deployment import Resource
from tljudge.resolve.values import EMPTY, NOVALUE, Text, Unknown, Value, from_json, why

OPEN, GUARDED, UNCLEAR = "open", "guarded", "unclear"
_ANY = "x-amazon-apigateway-any-method"
_VERBS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", _ANY)


def definition(api: Resource) -> Map[Value] | str | None:
    """The OpenAPI document of an API; text says why it is not known, None that there is none."""
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
            return "Body is text, and no JSON"
    if isinstance(body, dict) and type(body) is not Partial:
        return body
    return why(body) if isinstance(body, Unknown | Text) else "Body is no mapping"


def operations(
    document: Map[Value], mark: Mark
) -> Iterator[tuple[str, str, Map[Value] | Unknown, Mark]]:
    """Method, path, body and place of each operation; a body that is not known is `Unknown`."""
    paths = document.get("paths", EMPTY)
    if not isinstance(paths, dict):
        yield "ANY", "(every path)", paths if isinstance(paths, Unknown) else _shape(""), mark
        return
    for path, item in paths.items():
        at = _mark_in(paths, path, mark)
        if not isinstance(item, dict) or "$ref" in item:
            yield "ANY", path, item if isinstance(item, Unknown) else _shape(path), at
            continue
        for verb, body in item.items():
            if verb.lower() in _VERBS:
                known = body if isinstance(body, dict | Unknown) else _shape(path)
                named = "ANY" if verb == _ANY else verb.upper()
                yield named, path, known, _mark_in(item, verb, at)


def _shape(path: str) -> Unknown:
    return Unknown(f"paths.{path}", "it is no mapping")


def _mark_in(container: Map[Value], key: str, otherwise: Mark) -> Mark:
    return container.marks.get(key, otherwise)


def schemes(document: Map[Value]) -> Map[Value]:
    """The security schemes, of OpenAPI 3 or 2."""
    parts = document.get("components")
    inner = parts.get("securitySchemes") if isinstance(parts, dict) else None
    found = inner if isinstance(inner, dict) else document.get("securityDefinitions")
    return found if isinstance(found, dict) else EMPTY


def secured(document: Map[Value], body: Map[Value]) -> tuple[str, str, bool | None]:
    """Whether every alternative of an operation's security has an authorizer."""
    inline = body.get("x-amazon-apigateway-auth")
    if isinstance(inline, dict) and inline.get("type") == "AWS_IAM":
        return GUARDED, "", None
    wanted = body.get("security", document.get("security", NOVALUE))
    if wanted is NOVALUE or wanted == []:
        return OPEN, "it has no security", False
    if not isinstance(wanted, list):
        return UNCLEAR, "its security is not known", None
    known = schemes(document)
    states, keys = [], False
    for alternative in wanted:
        if not isinstance(alternative, dict):
            states.append((UNCLEAR, "its security is not known"))
            continue
        found = [_scheme(known.get(name, NOVALUE), name) for name in alternative]
        keys = keys or any(_is_key(known.get(name)) for name in alternative)
        order = {GUARDED: 0, UNCLEAR: 1, OPEN: 2}
        best = min(found, key=lambda one: order[one[0]], default=(OPEN, "it may do without"))
        states.append(best)
    worst = next((one for one in states if one[0] == OPEN), None)
    worst = worst or next((one for one in states if one[0] == UNCLEAR), None)
    return (*(worst or (GUARDED, "")), keys)


def _scheme(body: Value, name: str) -> tuple[str, str]:
    if isinstance(body, Unknown):
        return UNCLEAR, f"security scheme {name[:40]} is not known"
    if not isinstance(body, dict):
        return OPEN, f"security scheme {name[:40]} is not declared"
    authorizer = body.get("x-amazon-apigateway-authorizer")
    if isinstance(authorizer, Unknown):
        return UNCLEAR, f"the authorizer of {name[:40]} is not known"
    if authorizer or str(body.get("x-amazon-apigateway-authtype", "")).lower() == "awssigv4":
        return GUARDED, ""
    kind = "an API key is no authorizer" if _is_key(body) else "it has no authorizer"
    return OPEN, f"security scheme {name[:40]}: {kind}"


def _is_key(body: Value) -> bool:
    return (
        isinstance(body, dict)
        and body.get("type") == "apiKey"
        and (
            "x-amazon-apigateway-authorizer" not in body
            and "x-amazon-apigateway-authtype" not in body
        )
    )
