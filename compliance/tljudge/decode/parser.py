"""Build nodes from YAML events, bounded in size, depth and alias expansion.

Every node has its place. The short and the long form of an intrinsic, `!Ref X` and `{"Ref": "X"}`,
become the same `Call`.
"""

from typing import Any

from yaml import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)
from yaml._yaml import CParser

from tljudge.decode.errors import NotATemplate, TemplateError, shortened
from tljudge.decode.nodes import (
    FUNCTIONS,
    Call,
    Map,
    Mark,
    Node,
    Seq,
    as_text,
    is_static,
    new_map,
    new_seq,
)
from tljudge.decode.scalars import TYPED, plain

MAX_NODES = 200_000  # with aliases expanded; 500 resources, CloudFormation's limit, need far less
MAX_DEPTH = 100
_UNUSUAL = TYPED | {"<", ""}  # first characters of keys that need conversion or merging


class Parser:
    """Builds nodes from libyaml events, and counts values and depth.

    libyaml's own composer recurses in C, without a bound. A run spends most of its time here.
    Events are `Any`, because yaml's C module has no types.
    """

    def __init__(self, text: str, file: str, is_json: bool) -> None:
        self._events = CParser(text)
        self._file = file
        self._is_json = is_json
        self._nodes = 0
        self._deepest = 0
        # Anchor to (node, number of values, height); None while the node is being built.
        self._anchors: dict[str, tuple[Node, int, int] | None] = {}

    def document(self) -> Node:
        """Parse the text, which must hold exactly one document.

        Raises:
            NotATemplate: the text holds no document, or more than one.
            TemplateError: the document is too large or too deep, or CloudFormation refuses a tag.
            YAMLError: the text does not parse.
        """
        parser = self._events
        parser.get_event()  # stream start
        event = parser.get_event()
        if isinstance(event, StreamEndEvent):
            raise NotATemplate(self._file, (1, 1), "is empty; a template has Resources")
        value = self._node(parser.get_event(), 1)
        parser.get_event()  # document end
        event = parser.get_event()
        if not isinstance(event, StreamEndEvent):
            raise NotATemplate(
                self._file, _mark(event), "holds a second document; keep one template per file"
            )
        return value

    def _fail(self, event: Any, message: str) -> TemplateError:
        return TemplateError(self._file, _mark(event), message)

    def _too_many(self, event: Any) -> TemplateError:
        return self._fail(event, f"more than {MAX_NODES} values with aliases expanded; split it")

    def _node(self, event: Any, depth: int) -> Node:
        """The node that begins with this event, of any kind."""
        kind = type(event)
        if kind is AliasEvent:
            return self._alias(event, depth)
        if event.anchor is not None:
            return self._anchored(event, depth)
        if kind is ScalarEvent:
            return self._scalar(event)
        build = self._mapping if kind is MappingStartEvent else self._sequence
        return build(event, depth)

    def _anchored(self, event: Any, depth: int) -> Node:
        anchor, event.anchor = event.anchor, None
        self._anchors[anchor] = None
        before, outside = self._nodes, self._deepest
        self._deepest = depth
        value = self._node(event, depth)
        self._anchors[anchor] = (value, self._nodes - before, self._deepest - depth + 1)
        self._deepest = max(outside, self._deepest)
        return value

    def _alias(self, event: Any, depth: int) -> Node:
        if event.anchor not in self._anchors:
            raise self._fail(event, f"alias *{event.anchor} has no anchor; add &{event.anchor}")
        anchored = self._anchors[event.anchor]
        if anchored is None:
            raise self._fail(event, f"alias *{event.anchor} contains itself; break the cycle")
        value, size, height = anchored
        self._nodes += size
        if self._nodes > MAX_NODES:
            raise self._fail(
                event, f"more than {MAX_NODES} values with aliases expanded; write them out"
            )
        self._deepest = max(self._deepest, depth + height)
        if depth + height > MAX_DEPTH:
            raise self._fail(event, f"nested deeper than {MAX_DEPTH} through aliases; flatten it")
        return value

    def _enter(self, event: Any, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise self._fail(event, f"nested deeper than {MAX_DEPTH}; flatten it")
        if depth > self._deepest:
            self._deepest = depth

    def _scalar(self, event: Any) -> Node:
        value: str = event.value
        tag = event.tag
        if tag is None:
            if event.implicit[0] and (not value or value[0] in TYPED):
                return plain(value, self._is_json)
        elif tag.startswith("tag:yaml.org,2002:"):
            kind = tag[18:]
            if kind in ("int", "float", "bool", "null"):
                return plain(value)
            if kind != "str":
                raise self._fail(event, f"CloudFormation refuses the tag !!{kind}; remove it")
        if "{{resolve:" in value:
            dynamic = Call("Dynamic", value, _mark(event))
            return dynamic if tag is None else self._tagged(event, dynamic)
        return value if tag is None else self._tagged(event, value)

    def _tagged(self, event: Any, value: Node) -> Node:
        tag = event.tag
        if tag is None or tag == "!" or tag[0] != "!":
            return value
        mark = _mark(event)
        if tag == "!Condition":
            condition = new_map({"Condition": value}, {"Condition": mark})
            condition.static = False
            return condition
        name = tag[1:] if tag == "!Ref" else f"Fn::{tag[1:]}"
        if name not in FUNCTIONS:
            raise self._fail(
                event, f"CloudFormation has no function {shortened(tag, 40)}; correct it"
            )
        return self._call(name, value, mark)

    def _call(self, name: str, value: Node, mark: Mark) -> Call:
        if name == "Fn::GetAtt":
            if isinstance(value, str):
                value = _texts(value.split(".", 1), mark)
            elif isinstance(value, Seq) and len(value) > 1:
                texts = [part for part in value if isinstance(part, str)]
                if len(texts) == len(value):
                    value = _texts([texts[0], ".".join(texts[1:])], mark)
        if name in ("Ref", "Fn::GetAtt", "Fn::ImportValue") and isinstance(value, int | float):
            value = as_text(value)
        return Call(name, value, mark)

    def _sequence(self, event: Any, depth: int) -> Node:
        self._enter(event, depth)
        next_event: Any = self._events.get_event
        sequence: Seq[Node] = Seq()
        places: list[Any] = []
        static = True
        while type(element := next_event()) is not SequenceEndEvent:
            value = self._node(element, depth + 1)
            self._nodes += 1
            if self._nodes > MAX_NODES:
                raise self._too_many(element)
            if static and type(value) is not str and not is_static(value):
                static = False
            sequence.append(value)
            places.append(element.start_mark)
        sequence.set_places(places, static)
        return sequence if event.tag is None else self._tagged(event, sequence)

    def _mapping(self, event: Any, depth: int) -> Node:
        self._enter(event, depth)
        next_event: Any = self._events.get_event
        mapping: Map[Node] = Map()
        places: list[Any] = []
        merged: list[tuple[Any, Node]] = []
        static, partial = True, False
        while type(key_event := next_event()) is not MappingEndEvent:
            if type(key_event) is not ScalarEvent or key_event.tag not in (None, "!"):
                raise self._fail(key_event, "a key must be plain text; quote it")
            key = key_event.value
            element = next_event()
            value = self._node(element, depth + 1)
            self._nodes += 1
            if self._nodes > MAX_NODES:
                raise self._too_many(key_event)
            if key[:1] in _UNUSUAL and key_event.implicit[0]:
                if key == "<<":
                    merged.append((key_event, value))
                    continue
                key = as_text(plain(key, self._is_json)) if key else key
            if key in mapping:
                line = places[list(mapping).index(key)].line + 1
                raise self._fail(
                    key_event,
                    f"key {shortened(key)!r} is there twice, first in line {line}; keep one",
                )
            if static and type(value) is not str and not is_static(value):
                static = False
            if key[:4] == "Fn::":
                partial = True
            places.append(key_event.start_mark)
            mapping[key] = value
        mapping.set_places(places, static)
        if merged:
            mapping = self._merged(mapping, merged)
            partial = any(key.startswith("Fn::") for key in mapping)
        if event.tag is None and len(mapping) == 1 and (partial or "Ref" in mapping):
            (name,) = mapping
            if name in FUNCTIONS:
                return self._call(name, mapping[name], _mark(event))
        if partial:
            mapping = new_map(mapping, mapping.marks)
        return mapping if event.tag is None else self._tagged(event, mapping)

    def _merged(self, own: Map[Node], merged: list[tuple[Any, Node]]) -> Map[Node]:
        """Add the keys that `<<` merges; the mapping's own keys win, then the first source."""
        items, marks = dict(own), dict(own.marks)
        for event, value in merged:
            for source in value if isinstance(value, Seq) else [value]:
                if not isinstance(source, Map):
                    raise self._fail(
                        event, "<< needs a mapping or a list of mappings; write it out"
                    )
                items = {**source, **items}
                marks = {**source.marks, **marks}
        return new_map(items, marks)


def _texts(texts: list[str], mark: Mark) -> Seq[str]:
    return new_seq(texts, [mark] * len(texts))


def _mark(event: Any) -> Mark:
    at = event.start_mark
    return at.line + 1, at.column + 1
