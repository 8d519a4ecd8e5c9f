"""Parser events to values: bounded in size, depth and expansion, with the place of every value.

Short intrinsics become their long form, so that `!Ref X` and `{"Ref": "X"}` are the same `Call`.
Scalars are read as CloudFormation reads them, YAML 1.1: `yes` is true and 0123 is octal, but a date
stays text.
"""

import re
from dataclasses import dataclass
from typing import Any

import yaml
from yaml._yaml import CParser

MAX_NODES = 200_000  # after aliases are expanded; 500 resources, the service's limit, need far less
MAX_DEPTH = 100

Mark = tuple[int, int]
"""Line and column, both from 1."""


class TemplateError(Exception):
    """A template nobody could deploy: where, what was found, what to do."""

    def __init__(self, file: str, mark: Mark, message: str) -> None:
        super().__init__(f"{file}:{mark[0]}: {message}")
        self.file, self.mark, self.message = file, mark, message


class NotATemplate(TemplateError):
    """YAML or JSON of another kind."""


class Map(dict[str, Any]):
    """A mapping; `marks` has the place of each key, `static` says that no intrinsic is below."""

    __slots__ = ("marks", "static")
    marks: dict[str, Mark]
    static: bool


class Seq(list[Any]):
    """A list; `marks` has the place of each element."""

    __slots__ = ("marks", "static")
    marks: list[Mark]
    static: bool


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """An intrinsic: `Ref`, `Fn::...`, or `Dynamic` for text that holds `{{resolve:...}}`."""

    name: str
    argument: Any
    mark: Mark


FUNCTIONS = frozenset(
    [
        "Ref",
        "Fn::Base64",
        "Fn::Cidr",
        "Fn::FindInMap",
        "Fn::GetAtt",
        "Fn::GetAZs",
        "Fn::If",
        "Fn::And",
        "Fn::Equals",
        "Fn::Or",
        "Fn::Not",
        "Fn::ImportValue",
        "Fn::Join",
        "Fn::Select",
        "Fn::Split",
        "Fn::Sub",
        "Fn::Transform",
        "Fn::ForEach",
        "Fn::ToJsonString",
        "Fn::Length",
        "Fn::Contains",
        "Fn::EachMemberEquals",
        "Fn::EachMemberIn",
        "Fn::RefAll",
        "Fn::ValueOf",
        "Fn::ValueOfAll",
        "Fn::GetStackOutput",
    ]
)

_TYPED = frozenset("yYnNtTfFoO~-+.0123456789")
_WORDS: dict[str, Any] = {
    spelling: value
    for words, value in (("yes true on", True), ("no false off", False), ("null ~", None))
    for word in words.split()
    for spelling in (word, word.capitalize(), word.upper())
}
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_OTHER_INTEGER = re.compile(r"[-+]?(0[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+)")
_SEXAGESIMAL = re.compile(r"[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+")
_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9_]+)([eE][-+][0-9]+)?")
_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_MAX_DIGITS = 64


def plain(text: str, is_json: bool = False) -> Any:
    """The value of an unquoted scalar, as CloudFormation sees it."""
    if not text:
        return None
    if text[0] not in _TYPED:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _MAX_DIGITS:
        return text
    if _DECIMAL.fullmatch(text):
        return int(text.replace("_", ""))
    if _OTHER_INTEGER.fullmatch(text):
        digits = text.replace("_", "")
        octal = digits.lstrip("+-").isdigit()
        return int(digits, 8) if octal else int(digits, 0)
    if _SEXAGESIMAL.fullmatch(text):
        total = 0
        for piece in text.lstrip("+-").replace("_", "").split(":"):
            total = total * 60 + int(piece)
        return -total if text[0] == "-" else total
    if _FLOAT.fullmatch(text) and any(c.isdigit() for c in text):
        return float(text.replace("_", ""))
    if is_json and _JSON_NUMBER.fullmatch(text):
        return float(text)
    return text


def as_text(value: Any) -> str:
    """A scalar as CloudFormation writes it where text is wanted."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


class Builder:
    """Parser events to values, without recursion in C and with everything counted."""

    def __init__(self, text: str, file: str, is_json: bool) -> None:
        self._parser = CParser(text)
        self._file = file
        self._is_json = is_json
        self._nodes = 0
        # Anchor to value, its size and its height; None while it is being built.
        self._anchors: dict[str, tuple[Any, int, int] | None] = {}

    def document(self) -> Any:
        parser = self._parser
        parser.get_event()  # the stream's start
        event = parser.get_event()
        if isinstance(event, yaml.StreamEndEvent):
            raise NotATemplate(self._file, (1, 1), "is empty; a template has Resources")
        value, _ = self._node(parser.get_event(), 1)
        parser.get_event()  # the document's end
        event = parser.get_event()
        if not isinstance(event, yaml.StreamEndEvent):
            raise NotATemplate(
                self._file, _mark(event), "holds a second document; a template is one"
            )
        return value

    def _fail(self, event: Any, message: str) -> TemplateError:
        return TemplateError(self._file, _mark(event), message)

    def _node(self, event: Any, depth: int) -> tuple[Any, int]:
        """A value and its height."""
        if depth > MAX_DEPTH:
            raise self._fail(event, f"nested deeper than {MAX_DEPTH}; flatten it")
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._fail(event, f"more than {MAX_NODES} values once expanded; split it")
        kind = type(event)
        if kind is yaml.AliasEvent:
            return self._alias(event, depth)
        anchor, before = event.anchor, self._nodes
        if anchor is not None:
            self._anchors[anchor] = None
        height = 1
        value: Any
        if kind is yaml.ScalarEvent:
            value = self._scalar(event)
        elif kind is yaml.MappingStartEvent:
            value, height = self._mapping(event, depth)
        else:
            value, height = self._sequence(event, depth)
        if anchor is not None:
            self._anchors[anchor] = (value, self._nodes - before + 1, height)
        return value, height

    def _alias(self, event: Any, depth: int) -> tuple[Any, int]:
        if event.anchor not in self._anchors:
            raise self._fail(event, f"alias *{event.anchor} has no anchor; add &{event.anchor}")
        known = self._anchors[event.anchor]
        if known is None:
            raise self._fail(event, f"alias *{event.anchor} contains itself; break the circle")
        value, size, height = known
        self._nodes += size
        if self._nodes > MAX_NODES:
            raise self._fail(
                event, f"more than {MAX_NODES} values once aliases are expanded; write them out"
            )
        if depth + height > MAX_DEPTH:
            raise self._fail(event, f"nested deeper than {MAX_DEPTH} through aliases; flatten it")
        return value, height

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        value: Any = text
        if event.tag is None:
            if event.implicit[0]:
                value = plain(text, self._is_json)
        elif event.tag.startswith("tag:yaml.org,2002:"):
            kind = event.tag[18:]
            if kind in ("int", "float", "bool", "null"):
                value = plain(text)
            elif kind != "str":
                raise self._fail(event, f"!!{kind} is not known to CloudFormation; write it out")
        if value is text and "{{resolve:" in text:
            value = Call("Dynamic", text, _mark(event))
        return self._tagged(event, value)

    def _tagged(self, event: Any, value: Any) -> Any:
        tag = event.tag
        if tag is None or tag == "!" or tag[0] != "!":
            return value
        mark = _mark(event)
        if tag == "!Condition":
            found = Map(Condition=value)
            found.marks, found.static = {"Condition": mark}, False
            return found
        name = tag[1:] if tag == "!Ref" else f"Fn::{tag[1:]}"
        if name not in FUNCTIONS:
            raise self._fail(event, f"CloudFormation has no function {tag[:40]}; correct it")
        return self._call(name, value, mark)

    def _call(self, name: str, value: Any, mark: Mark) -> Call:
        if name == "Fn::GetAtt":
            if isinstance(value, str):
                value = value.split(".", 1)
            elif isinstance(value, Seq) and all(isinstance(v, str) for v in value):
                value = [value[0], ".".join(value[1:])] if len(value) > 1 else list(value)
        if name in ("Ref", "Fn::GetAtt", "Fn::ImportValue") and isinstance(value, int | float):
            value = as_text(value)
        return Call(name, value, mark)

    def _sequence(self, event: Any, depth: int) -> tuple[Any, int]:
        next_event: Any = self._parser.get_event
        found = Seq()
        marks: list[Mark] = []
        height, static = 0, True
        while type(element := next_event()) is not yaml.SequenceEndEvent:
            value, below = self._node(element, depth + 1)
            if below > height:
                height = below
            if static and not _is_static(value):
                static = False
            found.append(value)
            at = element.start_mark
            marks.append((at.line + 1, at.column + 1))
        found.marks, found.static = marks, static
        return self._tagged(event, found), height + 1

    def _mapping(self, event: Any, depth: int) -> tuple[Any, int]:
        next_event: Any = self._parser.get_event
        found = Map()
        marks: dict[str, Mark] = {}
        merged: list[Any] = []
        height, static = 0, True
        while type(key_event := next_event()) is not yaml.MappingEndEvent:
            if type(key_event) is not yaml.ScalarEvent or key_event.tag is not None:
                raise self._fail(key_event, "a key is plain text; quote it")
            key, is_plain = key_event.value, key_event.implicit[0]
            value, below = self._node(next_event(), depth + 1)
            if below > height:
                height = below
            if is_plain and key == "<<":
                merged.append((key_event, value))
                continue
            if is_plain and key and key[0] in _TYPED:
                key = as_text(plain(key, self._is_json))
            if key in marks:
                raise self._fail(
                    key_event,
                    f"key {key[:80]!r} stands twice, first in line {marks[key][0]}; keep one",
                )
            if static and not _is_static(value):
                static = False
            marks[key] = _mark(key_event)
            found[key] = value
        for key_event, value in merged:
            static = self._merge(key_event, value, found, marks) and static
        found.marks, found.static = marks, static
        if len(found) == 1 and event.tag is None:
            (name,) = found
            if name in FUNCTIONS:
                return self._call(name, found[name], _mark(event)), height + 1
        return self._tagged(event, found), height + 1

    def _merge(self, event: Any, value: Any, found: Map, marks: dict[str, Mark]) -> bool:
        static = True
        for source in value if isinstance(value, Seq) else [value]:
            if not isinstance(source, Map):
                raise self._fail(event, "<< takes a mapping or a list of them; write it out")
            for key, inner in source.items():
                if key not in found:
                    found[key], marks[key] = inner, source.marks[key]
                    static = static and _is_static(inner)
        return static


def _is_static(value: Any) -> bool:
    kind = type(value)
    if kind is Map or kind is Seq:
        static: bool = value.static
        return static
    return kind is not Call


def _mark(event: Any) -> Mark:
    return event.start_mark.line + 1, event.start_mark.column + 1
