"""What a template is made of: mappings, lists and intrinsics, each with its place in the text."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard, TypeVar, Union

Mark = tuple[int, int]
"""Line and column, both from 1."""

Scalar = str | int | float | bool | None
"""What CloudFormation reads an unquoted or quoted text as; a date stays text."""
Node = Union[Scalar, "Map[Node]", "Seq[Node]", "Call"]
"""What the parser makes of a value, before any intrinsic is resolved."""
Static = Union[Scalar, "Map[Static]", "Seq[Static]"]
"""A value without an intrinsic in it, so that it is the same in every scenario."""
Json = Scalar | dict[str, "Json"] | list["Json"]
"""What JSON text holds, where a template carries it."""

T = TypeVar("T")
# Nobody changes a mapping or list once it is made, so that a `Map[Static]` is a `Map[Node]` too;
# mypy would refuse that for the mutable types below them.
T_co = TypeVar("T_co", covariant=True)

_FEW = 16  # keys, among which looking for one is cheaper than noting all


class Map(dict[str, T_co]):  # type: ignore[type-var]
    """A mapping; `marks` has the place of each key, `static` says that no intrinsic is below."""

    __slots__ = ("_places", "static")
    _places: Any  # the marks of yaml, or our own by key
    static: bool

    def read_at(self, places: list[Any], static: bool) -> None:
        """Note where the parser met each key, in their order; few places are ever asked for."""
        self._places, self.static = places, static

    @property
    def marks(self) -> dict[str, Mark]:
        """Key to place."""
        places = self._places
        if type(places) is list:
            places = {
                key: (at.line + 1, at.column + 1) for key, at in zip(self, places, strict=True)
            }
            self._places = places
        found: dict[str, Mark] = places
        return found

    @marks.setter
    def marks(self, marks: dict[str, Mark]) -> None:
        self._places = marks

    def stands_where(self, other: "Map[object]") -> None:
        """Take over the places of a mapping with the same keys, or more."""
        self._places = other._places if len(self) == len(other) else other.marks

    def mark(self, key: str) -> Mark:
        """The place of one key, without those of the others."""
        places = self._places
        if type(places) is list and len(places) < _FEW:
            for one, at in zip(self, places, strict=True):
                if one == key:
                    return at.line + 1, at.column + 1
        return self.marks[key]


class Partial(Map[T_co]):
    """A mapping to which a macro or a loop adds; it has keys that begin with `Fn::`."""

    __slots__ = ()


class Seq(list[T_co]):  # type: ignore[type-var]
    """A list; `marks` has the place of each element, `static` says that no intrinsic is below."""

    __slots__ = ("_places", "_read", "static")
    _places: list[Any]  # the marks of yaml, or our own
    _read: bool
    static: bool

    def read_at(self, places: list[Any], static: bool) -> None:
        """Note where the parser met each element."""
        self._places, self._read, self.static = places, True, static

    @property
    def marks(self) -> list[Mark]:
        """The place of each element."""
        if self._read:
            self._places = [(at.line + 1, at.column + 1) for at in self._places]
            self._read = False
        found: list[Mark] = self._places
        return found

    @marks.setter
    def marks(self, marks: list[Mark]) -> None:
        self._places, self._read = marks, False

    def stands_where(self, other: "Seq[object]") -> None:
        """Take over the places of a list of the same length."""
        self._places, self._read = other._places, other._read


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """An intrinsic: `Ref`, `Fn::...`, or `Dynamic` for text that holds `{{resolve:...}}`."""

    name: str
    argument: Node
    mark: Mark


def made_map(items: Mapping[str, T], marks: dict[str, Mark]) -> Map[T]:
    """A mapping like one that was read."""
    partial = any(key.startswith("Fn::") for key in items)
    found: Map[T] = Partial(items) if partial else Map(items)
    found.marks = marks
    found.static = not partial and all(map(is_static, items.values()))
    return found


def made_seq(items: Iterable[T], marks: list[Mark]) -> Seq[T]:
    """A list like one that was read."""
    found = Seq(items)
    found.marks, found.static = marks, all(map(is_static, found))
    return found


def is_static(value: object) -> TypeGuard[Static]:
    """Whether a value is the same in every scenario: no intrinsic is in it."""
    if type(value) is Map or type(value) is Seq:
        static: bool = value.static
        return static
    return type(value) is not Call and type(value) is not Partial


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
