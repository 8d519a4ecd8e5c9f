"""A decoded template: its sections, and the parts that only a macro can complete."""

from dataclasses import dataclass

from tljudge.decode.nodes import Call, Map, Mark, Node

LANGUAGE = "AWS::LanguageExtensions"


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A template in which every reference leads to a declaration.

    Attributes:
        file: path as messages show it.
        transforms: names of the transforms, in the order of the template.
        hidden: parts that a macro or an unexpanded loop would make: (logical id, place, reason).
        digest: SHA-256 of the file, in hex; empty for a text without a file.
        lookups: every `Fn::FindInMap` in the resources.
    """

    file: str
    parameters: Map[Node]
    mappings: Map[Node]
    rules: Map[Node]
    conditions: Map[Node]
    resources: Map[Map[Node]]
    outputs: Map[Node]
    transforms: tuple[str, ...]
    hidden: tuple[tuple[str, Mark, str], ...]
    digest: str
    lookups: tuple[Call, ...] = ()
