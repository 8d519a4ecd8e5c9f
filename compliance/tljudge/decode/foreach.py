"""Expand `Fn::ForEach` in resources, conditions, outputs and properties.

An expanded value has the place of the loop's text. A loop whose collection is unknown stays in the
template and is reported; it is never skipped. Expansion is bounded in values and characters.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-foreach.html
"""

import re
from collections.abc import Iterator, Mapping

from tljudge.decode.errors import TemplateError, shortened
from tljudge.decode.nodes import Call, Map, Mark, Node, Seq, as_text, new_map, new_seq
from tljudge.decode.references import sub_parts

PREFIX = "Fn::ForEach::"
_EXPANDED = ("Conditions", "Resources", "Outputs")
MAX_LEVELS = 5  # the limit of CloudFormation
MAX_VALUES = 200_000
MAX_CHARACTERS = 4 * 1024 * 1024
Names = Mapping[str, str]
"""Loop identifier to its current item."""

# `${X}` is the item; `&{X}` is the item without the characters that a logical id forbids.
_PLACE = re.compile(r"([$&])\{\s*([A-Za-z0-9_.:-]+)\s*\}")
_NOT_IN_AN_ID = re.compile(r"[^0-9A-Za-z]+")


def expand(
    sections: Mapping[str, Map[Node]], file: str, given: Mapping[str, object] | None
) -> tuple[dict[str, Map[Node]], dict[str, tuple[Mark, str]]]:
    """Expand the loops of a template's sections.

    Args:
        sections: section name to section.
        file: path of the template, for errors.
        given: values that the caller passes for parameters; None if they are unknown.

    Returns:
        The sections with the loops expanded; and for each loop that stays, its key, its place and
        the reason why its collection is unknown.

    Raises:
        TemplateError: CloudFormation would refuse a loop, or the result exceeds the bounds.
    """
    expansion = _Expansion(file, sections["Parameters"], sections["Mappings"], given)
    expanded = {name: expansion.of(sections[name]) for name in _EXPANDED}
    return {**sections, **expanded}, expansion.unexpanded


class _UnknownItems(Exception):
    """The items of a collection are unknown; the text says why."""


class _Expansion:
    def __init__(
        self,
        file: str,
        parameters: Map[Node],
        mappings: Map[Node],
        given: Mapping[str, object] | None,
    ) -> None:
        self._file = file
        self._parameters, self._mappings, self._given = parameters, mappings, given
        self._values = self._characters = 0
        self._here: Mark = (1, 1)
        self.unexpanded: dict[str, tuple[Mark, str]] = {}

    def of(self, section: Map[Node]) -> Map[Node]:
        return self._map(section, {}, 0)

    def _error(self, message: str) -> TemplateError:
        return TemplateError(self._file, self._here, message)

    def _value(self, raw: Node, names: Names, level: int) -> Node:
        self._values += 1
        if self._values > MAX_VALUES:
            raise self._error(f"loops expand to more than {MAX_VALUES} values; split the template")
        if isinstance(raw, str):
            return self._text(raw, names)
        if isinstance(raw, Map):
            return self._map(raw, names, level)
        if isinstance(raw, list):
            return new_seq([self._value(element, names, level) for element in raw], raw.marks)
        if isinstance(raw, Call):
            return self._call(raw, names, level)
        return raw

    def _text(self, text: str, names: Names) -> str:
        if not names or "{" not in text:
            return text

        def item(match: re.Match[str]) -> str:
            current = names.get(match[2])
            if current is None:
                return match[0]
            self._characters += len(current)
            if self._characters > MAX_CHARACTERS:
                raise self._error(
                    f"loops expand to more than {MAX_CHARACTERS} characters; split it"
                )
            return current if match[1] == "$" else _NOT_IN_AN_ID.sub("", current)

        return _PLACE.sub(item, text)

    def _map(self, raw: Map[Node], names: Names, level: int) -> Map[Node]:
        expanded: dict[str, Node] = {}
        marks: dict[str, Mark] = {}
        for key, mark, value, inner, below in self._entries(raw, names, level):
            # An unexpanded inner loop has the same key in each turn of the outer loop.
            if key in expanded and not key.startswith(PREFIX):
                self._here = mark
                first = f"first in line {marks[key][0]}"
                raise self._error(
                    f"a loop makes {shortened(key)!r} twice, {first}; use distinct names"
                )
            expanded[key], marks[key] = self._value(value, inner, below), mark
        return new_map(expanded, marks)

    def _entries(
        self, raw: Map[Node], names: Names, level: int
    ) -> Iterator[tuple[str, Mark, Node, Names, int]]:
        """Yield keys with places and values; for a loop, the keys that it expands to."""
        for key, value in raw.items():
            mark = self._here = raw.marks[key]
            if not key.startswith(PREFIX):
                yield self._text(key, names), mark, value, names, level
                continue
            if level == MAX_LEVELS:
                raise self._error(f"loops are nested deeper than {MAX_LEVELS} levels; flatten them")
            identifier, collection, body = self._parts(key, value)
            try:
                items = self._items(collection, names, level)
            except _UnknownItems as error:
                self.unexpanded.setdefault(key, (mark, str(error)))
                yield key, mark, value, names, level
                continue
            for item in items:
                yield from self._entries(body, {**names, identifier: item}, level + 1)

    def _parts(self, key: str, value: Node) -> tuple[str, Node, Map[Node]]:
        if isinstance(value, Seq) and len(value) == 3:
            identifier, collection, body = value
            if isinstance(identifier, str) and isinstance(body, Map):
                return identifier, collection, body
        raise self._error(f"{shortened(key)} needs an identifier, a collection and a mapping")

    def _items(self, raw: Node, names: Names, level: int) -> list[str]:
        items: object
        if isinstance(raw, Call) and raw.name == "Ref":
            items = self._of_parameter(raw.argument, is_list=True)
        else:
            items = self._value(raw, names, level)
            if isinstance(items, Call) and items.name == "Fn::FindInMap":
                items = self._of_map(items.argument)
        if not isinstance(items, list):
            raise _UnknownItems("its collection is unknown")
        if not items:
            raise _UnknownItems("its collection is empty")
        return [self._item(item) for item in items]

    def _item(self, raw: object) -> str:
        if isinstance(raw, Call) and raw.name == "Ref":
            raw = self._of_parameter(raw.argument, is_list=False)
        if isinstance(raw, str | int | float) and raw != "":
            return as_text(raw)
        raise _UnknownItems("an item of its collection is unknown")

    def _of_parameter(self, name: Node, *, is_list: bool) -> object:
        declared = self._parameters.get(name) if isinstance(name, str) else None
        if not isinstance(name, str) or not isinstance(declared, Map):
            raise _UnknownItems("its collection is not a parameter")
        kind = as_text(declared.get("Type", "String"))
        if kind.startswith("AWS::SSM::") or self._given is None:
            raise _UnknownItems(f"parameter {name} is unknown")
        value = self._given.get(name, declared.get("Default"))
        allowed = declared.get("AllowedValues")
        if name not in self._given and isinstance(allowed, str | list | dict) and len(allowed) > 1:
            raise _UnknownItems(f"parameter {name} has more than one allowed value")
        if is_list and kind != "CommaDelimitedList" and not kind.startswith("List<"):
            raise _UnknownItems(f"parameter {name} is not a list")
        if is_list and isinstance(value, str | int | float):
            return [piece.strip() for piece in as_text(value).split(",")]
        if isinstance(value, list) or (not is_list and isinstance(value, str | int | float)):
            return value
        raise _UnknownItems(f"the value of parameter {name} is unknown")

    def _of_map(self, argument: Node) -> Node:
        level: Node = self._mappings
        keys = list(argument) if isinstance(argument, Seq) else []
        for key in keys[:3]:
            if not isinstance(key, str | int) or not isinstance(level, Map):
                raise _UnknownItems("its collection is looked up with an unknown key")
            level = level.get(as_text(key))
        return level

    def _call(self, call: Call, names: Names, level: int) -> Node:
        name, argument = call.name, call.argument
        if name == "Ref" and isinstance(argument, str):
            return names.get(argument, call)
        if name == "Fn::Sub":
            argument = self._sub(argument, names, level)
            if isinstance(argument, str) and "${" not in argument:
                return argument
        else:
            argument = self._value(argument, names, level)
        if name == "Fn::GetAtt" and isinstance(argument, Seq) and len(argument) > 1:
            first, *rest = argument
            texts = [part for part in rest if isinstance(part, str)]
            if len(texts) == len(rest):
                argument = new_seq([first, ".".join(texts)], argument.marks[:2])
        if name == "Fn::FindInMap" and isinstance(argument, Seq) and names:
            return self._looked_up(Call(name, argument, call.mark), argument)
        return Call(name, argument, call.mark)

    def _looked_up(self, call: Call, argument: Seq[Node]) -> Node:
        """Resolve a lookup: an inner loop may take its condition or collection from a mapping."""
        try:
            result = self._of_map(argument)
        except _UnknownItems:
            return call
        last = argument[3] if len(argument) == 4 else None
        if result is None and isinstance(last, Map):
            result = last.get("DefaultValue")
        return call if result is None or isinstance(result, Map) else result

    def _sub(self, argument: Node, names: Names, level: int) -> Node:
        """Substitute identifiers in a Sub; its own variables win over identifiers."""
        text, given = sub_parts(argument)
        hidden = {name: item for name, item in names.items() if name not in given}
        if not isinstance(argument, Seq):
            return self._text(text, hidden) if text else argument
        if not text:
            return self._value(argument, names, level)
        variables = self._value(argument[1], names, level)
        return new_seq([self._text(text, hidden), variables], argument.marks)
