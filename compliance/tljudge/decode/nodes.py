"""Nodes of a parsed template: mappings, lists and intrinsics, each with its place in the text."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard, TypeVar, Union

Mark = tuple[int, int]
"""Line and column, both from 1."""

Scalar = str | int | float | bool | None
"""A scalar as CloudFormation reads it; a date stays text."""
Node = Union[Scalar, "Map[Node]", "Seq[Node]", "Call"]
"""A value as parsed, before any intrinsic is resolved."""
Static = Union[Scalar, "Map[Static]", "Seq[Static]"]
"""A value without intrinsics, which is therefore the same in every scenario."""
Json = Scalar | dict[str, "Json"] | list["Json"]
"""The content of a JSON text in a template, such as a policy document."""

T = TypeVar("T")
# No code changes a mapping or list after it is built, so a `Map[Static]` is safe as a `Map[Node]`.
# mypy refuses covariance here, because dict and list are mutable.
T_co = TypeVar("T_co", covariant=True)

_FEW = 16  # up to this many keys, a search is cheaper than building a dict of all places


class Map(dict[str, T_co]):  # type: ignore[type-var]
    """A mapping; `marks` gives the place of each key, `static` is true if it has no intrinsics."""

    __slots__ = ("_places", "static")
    _places: Any  # a list of yaml marks in key order, or a dict from key to `Mark`
    static: bool

    def set_places(self, places: list[Any], static: bool) -> None:
        """Store the yaml mark of each key, in key order; `marks` converts them only when asked."""
        self._places, self.static = places, static

    @property
    def marks(self) -> dict[str, Mark]:
        """The place of each key."""
        places = self._places
        if type(places) is list:
            places = {
                key: (at.line + 1, at.column + 1) for key, at in zip(self, places, strict=True)
            }
            self._places = places
        marks: dict[str, Mark] = places
        return marks

    @marks.setter
    def marks(self, marks: dict[str, Mark]) -> None:
        self._places = marks

    def copy_marks(self, other: "Map[object]") -> None:
        """Take the places from a mapping with the same keys, or with more keys."""
        self._places = other._places if len(self) == len(other) else other.marks

    def mark(self, key: str) -> Mark:
        """The place of one key, without converting the places of the others."""
        places = self._places
        if type(places) is list and len(places) < _FEW:
            for candidate, at in zip(self, places, strict=True):
                if candidate == key:
                    return at.line + 1, at.column + 1
        return self.marks[key]


class IncompleteMap(Map[T_co]):
    """A mapping to which a macro or a loop adds keys: one of its keys begins with `Fn::`."""

    __slots__ = ()


class Seq(list[T_co]):  # type: ignore[type-var]
    """A list; `marks` gives the place of each element, `static` is true if it has no intrinsics."""

    __slots__ = ("_places", "_read", "static")
    _places: list[Any]  # yaml marks while `_read` is true, then `Mark`s
    _read: bool
    static: bool

    def set_places(self, places: list[Any], static: bool) -> None:
        """Store the yaml mark of each element."""
        self._places, self._read, self.static = places, True, static

    @property
    def marks(self) -> list[Mark]:
        """The place of each element."""
        if self._read:
            self._places = [(at.line + 1, at.column + 1) for at in self._places]
            self._read = False
        marks: list[Mark] = self._places
        return marks

    @marks.setter
    def marks(self, marks: list[Mark]) -> None:
        self._places, self._read = marks, False

    def copy_marks(self, other: "Seq[object]") -> None:
        """Take the places from a list of the same length."""
        self._places, self._read = other._places, other._read


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """An intrinsic: `Ref`, `Fn::...`, or `Dynamic` for text that holds `{{resolve:...}}`."""

    name: str
    argument: Node
    mark: Mark


def new_map(items: Mapping[str, T], marks: dict[str, Mark]) -> Map[T]:
    """Build a mapping from items and their places, as the parser does."""
    partial = any(key.startswith("Fn::") for key in items)
    mapping: Map[T] = IncompleteMap(items) if partial else Map(items)
    mapping.marks = marks
    mapping.static = not partial and all(map(is_static, items.values()))
    return mapping


def new_seq(items: Iterable[T], marks: list[Mark]) -> Seq[T]:
    """Build a list from items and their places, as the parser does."""
    sequence = Seq(items)
    sequence.marks, sequence.static = marks, all(map(is_static, sequence))
    return sequence


def is_static(value: object) -> TypeGuard[Static]:
    """Whether a value is the same in every scenario, because it contains no intrinsic."""
    if type(value) is Map or type(value) is Seq:
        static: bool = value.static
        return static
    return type(value) is not Call and type(value) is not IncompleteMap


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


def as_text(value: object) -> str:
    """Convert a scalar to text as CloudFormation does: `true`, `false`, and 1.0 as `1`."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
