"""JMESPath expressions followed through botocore's model of an answer, before there is an answer.

JMESPath gives null for a member that does not exist, and drops what a filter cannot be applied to.
So a mistyped path reads as an empty answer; here it is an error.
"""

from collections.abc import Mapping
from typing import Any

import jmespath

# What a step of an expression leads to: a shape of botocore's, a list of such, or unknown (None).
Shape = Any


class UnknownPath(Exception):
    """An expression that names what the model of the answer does not have."""


class _List:
    """A list that an expression makes, where the model has none of its own."""

    type_name = "list"

    def __init__(self, member: Shape) -> None:
        self.member = member


def follow(expression: str, shape: Shape) -> Shape:
    """The shape that an expression leads to.

    Args:
        expression: JMESPath.
        shape: botocore's shape of the answer; None where nothing is known.

    Returns:
        A shape, or None where the model says nothing of it, such as of a document.

    Raises:
        UnknownPath: a member that the shape does not have, or a list where it has none.
    """
    return _step(jmespath.compile(expression).parsed, shape)


def first_members(expression: str) -> frozenset[str]:
    """The members of the answer that an expression begins with."""
    return frozenset(_first(jmespath.compile(expression).parsed))


def _first(node: Mapping[str, Any]) -> list[str]:
    if node["type"] == "field":
        return [node["value"]]
    inner = node["children"] if node["type"] == "multi_select_list" else node["children"][:1]
    return [name for child in inner if isinstance(child, dict) for name in _first(child)]


def _step(node: Mapping[str, Any], shape: Shape) -> Shape:
    children = node["children"]
    match node["type"]:
        case "field":
            return _member(node["value"], shape)
        case "subexpression" | "index_expression" | "pipe":
            for child in children:
                shape = _step(child, shape)
            return shape
        case "index":
            return _items(shape)
        case "slice":
            return _List(_items(shape))
        case "projection":
            return _List(_step(children[1], _items(_step(children[0], shape))))
        case "filter_projection":
            item = _items(_step(children[0], shape))
            _step(children[2], item)
            return _List(_step(children[1], item))
        case "flatten":
            item = _items(_step(children[0], shape))
            return _List(_items(item) if getattr(item, "type_name", "") == "list" else item)
        case "multi_select_list":
            return _List([_step(child, shape) for child in children].pop())
        case "multi_select_dict" | "comparator" | "and_expression" | "or_expression":
            for child in children:
                _step(child, shape)
            return None
        case "key_val_pair" | "not_expression":
            return _step(children[0], shape)
        case "current" | "identity":
            return shape
        case "literal":
            return None
    raise UnknownPath(f"a step of the kind {node['type']} is not understood here")


def _member(name: str, shape: Shape) -> Shape:
    kind = getattr(shape, "type_name", None)
    if kind is None or getattr(shape, "is_document_type", False):
        return None
    if kind == "map":
        return shape.value
    if kind != "structure":
        raise UnknownPath(f"{name} is asked of a {kind}")
    if name not in shape.members:
        raise UnknownPath(f"there is no {name} among {', '.join(shape.members)}")
    return shape.members[name]


def _items(shape: Shape) -> Shape:
    kind = getattr(shape, "type_name", None)
    if kind is None:
        return None
    if kind != "list":
        raise UnknownPath(f"a list is asked of a {kind}")
    return shape.member
