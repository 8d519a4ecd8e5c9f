"""A template after decoding: its sections, and what a macro would still add to them."""

from dataclasses import dataclass

from tljudge.decode.nodes import Call, Map, Mark, Node

LANGUAGE = "AWS::LanguageExtensions"


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """One template, in which every name refers to something.

    Attributes:
        file: as messages show it.
        hidden: what a macro would still make, as (logical id, place, reason).
        digest: of the bytes that were decoded; empty for a text without a file.
        lookups: every `Fn::FindInMap` of a resource.
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
