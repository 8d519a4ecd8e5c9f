"""Our templates as the laws read them: the text, its plain values, and where statements stand.

A short intrinsic becomes its long form, so that `!Ref X` reads `{"Ref": "X"}`; nothing is resolved.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "cloudformation"


@dataclass(frozen=True, slots=True)
class Template:
    """One template; `statements` are the 0-based lines on which an IAM statement begins."""

    name: str
    text: str
    body: dict[str, Any]
    statements: tuple[int, ...]

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Logical id to resource, of one type."""
        return {
            logical_id: resource
            for logical_id, resource in self.body["Resources"].items()
            if resource["Type"] == kind
        }


def ours() -> list[Template]:
    """Every template of the product, by name."""
    return [read(path.read_text(), path.name) for path in sorted(FOLDER.glob("*.yaml"))]


def named(name: str) -> Template:
    """One template of the product."""
    return read((FOLDER / name).read_text(), name)


def read(text: str, name: str = "broken.yaml") -> Template:
    """Parse a template.

    Raises:
        yaml.YAMLError: not YAML, or a key stands twice.
    """
    body = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    root = yaml.compose(text, yaml.SafeLoader)
    return Template(name, text, body, () if root is None else tuple(_statements(root)))


def properties(resource: Mapping[str, Any]) -> dict[str, Any]:
    """A resource's properties; none is an empty mapping."""
    found: dict[str, Any] = resource.get("Properties", {})
    return found


def policy_statements(value: Any) -> Iterator[dict[str, Any]]:
    """Every statement of every policy document anywhere below `value`, both branches of an If."""
    if isinstance(value, list):
        for element in value:
            yield from policy_statements(element)
    elif isinstance(value, dict):
        if "Statement" in value:
            yield from _both_branches(value["Statement"])
        for element in value.values():
            yield from policy_statements(element)


def _both_branches(statements: Any) -> Iterator[dict[str, Any]]:
    if isinstance(statements, list):
        for statement in statements:
            yield from _both_branches(statement)
    elif isinstance(statements, dict):
        if "Fn::If" in statements:
            yield from _both_branches(statements["Fn::If"][1:])
        elif "Effect" in statements:
            yield statements


def _statements(node: yaml.Node) -> Iterator[int]:
    if isinstance(node, yaml.SequenceNode):
        for element in node.value:
            yield from _statements(element)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == "Statement" and isinstance(value, yaml.SequenceNode):
                yield from (element.start_mark.line for element in value.value)
            yield from _statements(value)


class _Loader(yaml.SafeLoader):
    """Knows CloudFormation's tags; refuses a key that stands twice."""

    def intrinsic(self, suffix: str, node: yaml.Node) -> dict[str, Any]:
        name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
        if isinstance(node, yaml.ScalarNode):
            return {name: self.construct_scalar(node)}
        if isinstance(node, yaml.SequenceNode):
            return {name: self.construct_sequence(node, deep=True)}
        return {name: self.unique_mapping(node)}

    def unique_mapping(self, node: yaml.Node) -> dict[Any, Any]:
        assert isinstance(node, yaml.MappingNode)
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in found:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            found[key] = self.construct_object(value_node, deep=True)
        return found


_Loader.add_multi_constructor("!", _Loader.intrinsic)
_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.unique_mapping)
