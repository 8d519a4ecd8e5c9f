"""`Fn::ForEach` written out: the same resources, conditions, outputs and properties without loops.

What a loop makes has the places of the loop's text. A loop whose collection nobody can know stays
where it is, and is reported; it is never skipped. Expansion is bounded in values and characters.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-foreach.html
"""

import re
from collections.abc import Iterator, Mapping

from tljudge.decode.errors import TemplateError
from tljudge.decode.nodes import Call, Map, Mark, Node, Seq, as_text, made_map, made_seq
from tljudge.decode.references import sub_parts

PREFIX = "Fn::ForEach::"
_EXPANDED = ("Conditions", "Resources", "Outputs")
MAX_LEVELS = 5  # the service's own
MAX_VALUES = 200_000
MAX_CHARACTERS = 4 * 1024 * 1024
Names = Mapping[str, str]
"""Identifiers to the items they stand for."""

# `${X}` is the item, `&{X}` the item without what a logical id may not have.
_PLACE = re.compile(r"([$&])\{\s*([A-Za-z0-9_.:-]+)\s*\}")
_NOT_IN_AN_ID = re.compile(r"[^0-9A-Za-z]+")


def expand(
    sections: Mapping[str, Map[Node]], file: str, given: Mapping[str, object] | None
) -> tuple[dict[str, Map[Node]], dict[str, tuple[Mark, str]]]:
    """Expand the loops of a template's sections.

    Args:
        sections: by name.
        file: of the template, for errors.
        given: what is passed for parameters, as far as it is known; None where nobody knows.

    Returns:
        The sections without those loops; and the loops that stay, each with its place and the
        reason why its collection is not known.

    Raises:
        TemplateError: a loop that nobody could deploy, or that grows beyond bounds.
    """
    expansion = _Expansion(file, sections["Parameters"], sections["Mappings"], given)
    expanded = {name: expansion.of(sections[name]) for name in _EXPANDED}
    return {**sections, **expanded}, expansion.left


class _NotKnown(Exception):
    """Nobody can know a collection; says why."""


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
        self.left: dict[str, tuple[Mark, str]] = {}

    def of(self, section: Map[Node]) -> Map[Node]:
        return self._map(section, {}, 0)

    def _error(self, message: str) -> TemplateError:
        return TemplateError(self._file, self._here, message)

    def _value(self, raw: Node, names: Names, level: int) -> Node:
        self._values += 1
        if self._values > MAX_VALUES:
            raise self._error(f"loops make more than {MAX_VALUES} values; split the template")
        if isinstance(raw, str):
            return self._text(raw, names)
        if isinstance(raw, Map):
            return self._map(raw, names, level)
        if isinstance(raw, list):
            return made_seq([self._value(one, names, level) for one in raw], raw.marks)
        if isinstance(raw, Call):
            return self._call(raw, names, level)
        return raw

    def _text(self, text: str, names: Names) -> str:
        if not names or "{" not in text:
            return text

        def item(match: re.Match[str]) -> str:
            found = names.get(match[2])
            if found is None:
                return match[0]
            self._characters += len(found)
            if self._characters > MAX_CHARACTERS:
                raise self._error(f"loops make more than {MAX_CHARACTERS} characters; split it")
            return found if match[1] == "$" else _NOT_IN_AN_ID.sub("", found)

        return _PLACE.sub(item, text)

    def _map(self, raw: Map[Node], names: Names, level: int) -> Map[Node]:
        found: dict[str, Node] = {}
        marks: dict[str, Mark] = {}
        for key, mark, value, inner, below in self._entries(raw, names, level):
            # A loop that stays stands in each turn of the loop around it.
            if key in found and not key.startswith(PREFIX):
                self._here = mark
                first = f"first in line {marks[key][0]}"
                raise self._error(f"a loop makes {key[:80]!r} a second time, {first}; name both")
            found[key], marks[key] = self._value(value, inner, below), mark
        return made_map(found, marks)

    def _entries(
        self, raw: Map[Node], names: Names, level: int
    ) -> Iterator[tuple[str, Mark, Node, Names, int]]:
        """Keys with their places and values; instead of a loop, those it makes."""
        for key, value in raw.items():
            mark = self._here = raw.marks[key]
            if not key.startswith(PREFIX):
                yield self._text(key, names), mark, value, names, level
                continue
            if level == MAX_LEVELS:
                raise self._error(f"loops stand in each other deeper than {MAX_LEVELS}; flatten")
            identifier, collection, body = self._parts(key, value)
            try:
                items = self._items(collection, names, level)
            except _NotKnown as error:
                self.left.setdefault(key, (mark, str(error)))
                yield key, mark, value, names, level
                continue
            for one in items:
                yield from self._entries(body, {**names, identifier: one}, level + 1)

    def _parts(self, key: str, value: Node) -> tuple[str, Node, Map[Node]]:
        if isinstance(value, Seq) and len(value) == 3:
            identifier, collection, body = value
            if isinstance(identifier, str) and isinstance(body, Map):
                return identifier, collection, body
        raise self._error(f"{key[:80]} takes an identifier, a collection and a mapping; write them")

    def _items(self, raw: Node, names: Names, level: int) -> list[str]:
        found: object
        if isinstance(raw, Call) and raw.name == "Ref":
            found = self._of_parameter(raw.argument, is_list=True)
        else:
            found = self._value(raw, names, level)
            if isinstance(found, Call) and found.name == "Fn::FindInMap":
                found = self._of_map(found.argument)
        if not isinstance(found, list):
            raise _NotKnown("its collection is not known")
        if not found:
            raise _NotKnown("its collection is empty")
        return [self._item(one) for one in found]

    def _item(self, raw: object) -> str:
        if isinstance(raw, Call) and raw.name == "Ref":
            raw = self._of_parameter(raw.argument, is_list=False)
        if isinstance(raw, str | int | float) and raw != "":
            return as_text(raw)
        raise _NotKnown("an item of its collection is not known")

    def _of_parameter(self, name: Node, *, is_list: bool) -> object:
        declared = self._parameters.get(name) if isinstance(name, str) else None
        if not isinstance(name, str) or not isinstance(declared, Map):
            raise _NotKnown("its collection is no parameter")
        kind = as_text(declared.get("Type", "String"))
        if kind.startswith("AWS::SSM::") or self._given is None:
            raise _NotKnown(f"parameter {name} is not known")
        value = self._given.get(name, declared.get("Default"))
        allowed = declared.get("AllowedValues")
        if name not in self._given and isinstance(allowed, str | list | dict) and len(allowed) > 1:
            raise _NotKnown(f"parameter {name} has more than one allowed value")
        if is_list and kind != "CommaDelimitedList" and not kind.startswith("List<"):
            raise _NotKnown(f"parameter {name} is no list")
        if is_list and isinstance(value, str | int | float):
            return [one.strip() for one in as_text(value).split(",")]
        if isinstance(value, list) or (not is_list and isinstance(value, str | int | float)):
            return value
        raise _NotKnown(f"parameter {name} has no value that is known")

    def _of_map(self, argument: Node) -> Node:
        here: Node = self._mappings
        keys = list(argument) if isinstance(argument, Seq) else []
        for key in keys[:3]:
            if not isinstance(key, str | int) or not isinstance(here, Map):
                raise _NotKnown("its collection is looked up with a key that is not known")
            here = here.get(as_text(key))
        return here

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
            texts = [one for one in rest if isinstance(one, str)]
            if len(texts) == len(rest):
                argument = made_seq([first, ".".join(texts)], argument.marks[:2])
        if name == "Fn::FindInMap" and isinstance(argument, Seq) and names:
            return self._looked_up(Call(name, argument, call.mark), argument)
        return Call(name, argument, call.mark)

    def _looked_up(self, call: Call, argument: Seq[Node]) -> Node:
        """What stands in the map; a condition or collection of a loop is often found there."""
        try:
            found = self._of_map(argument)
        except _NotKnown:
            return call
        last = argument[3] if len(argument) == 4 else None
        if found is None and isinstance(last, Map):
            found = last.get("DefaultValue")
        return call if found is None or isinstance(found, Map) else found

    def _sub(self, argument: Node, names: Names, level: int) -> Node:
        """Its own variables win over identifiers."""
        text, given = sub_parts(argument)
        hidden = {name: item for name, item in names.items() if name not in given}
        if not isinstance(argument, Seq):
            return self._text(text, hidden) if text else argument
        if not text:
            return self._value(argument, names, level)
        variables = self._value(argument[1], names, level)
        return made_seq([self._text(text, hidden), variables], argument.marks)
