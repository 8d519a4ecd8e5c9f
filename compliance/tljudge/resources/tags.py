"""The tags of a resource: its own, in either form, and those that come from its stack."""

from collections.abc import Iterator
from dataclasses import dataclass

from tljudge.data import tagging
from tljudge.decode.nodes import Map, Mark, as_text
from tljudge.resolve.deployment import Resource, Stack
from tljudge.resolve.values import Text, Unknown, Value, pieces

# Made with an instance, and not tagged with its stack.
NOT_FROM_STACK = ("AWS::EC2::NetworkInterface",)


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag; `value` may be unknown."""

    key: str
    value: Value
    mark: Mark
    body: Map[Value] | None = None


@dataclass(frozen=True, slots=True)
class Tags:
    """What could be read, and why there may be more."""

    found: tuple[Tag, ...]
    unclear: str = ""


def own(resource: Resource) -> Tags:
    """The tags a resource declares itself, in the property its schema names."""
    how = tagging().get(resource.type)
    if how is None:
        return Tags(())
    name = how.name
    return resource.deployment.get_or_compute(
        ("tags", resource), lambda: listed(resource.get(name), resource.mark_of(name))
    )


def listed(value: Value, mark: Mark) -> Tags:
    """Tags in list or map form."""
    if isinstance(value, Unknown | Text):
        return Tags((), _why(value))
    if isinstance(value, list):
        found, unclear = [], ""
        for one, at in zip(value, value.marks, strict=False):
            key = one.get("Key") if isinstance(one, dict) else one
            if isinstance(key, Unknown | Text):
                unclear = _why(key)
            elif isinstance(one, dict):
                found.append(Tag(as_text(key), one.get("Value", ""), at, one))
        return Tags(tuple(found), unclear)
    if isinstance(value, dict):
        marks = value.marks
        return Tags(tuple(Tag(k, v, marks.get(k, mark)) for k, v in value.items()))
    return Tags(())


def from_stack(resource: Resource) -> Tags:
    """Tags of the deployment and of the nested stacks above, where the type receives them."""
    how = tagging().get(resource.type)
    if how is None or not how.from_stack or resource.type in NOT_FROM_STACK:
        return Tags(())
    above = resource.stack
    return resource.deployment.get_or_compute(("tags above", above), lambda: _from_above(above))


def _from_above(below: Stack) -> Tags:
    found = [Tag(key, value, (1, 1)) for key, value in below.deployment.tags.items()]
    unclear = ""
    for stack in reversed(list(_up(below))):
        given = own(stack)
        found += given.found
        unclear = unclear or given.unclear
    return Tags(tuple(found), unclear)


def _up(stack: Stack) -> Iterator[Resource]:
    """The nested-stack resources above, from the inside out."""
    while stack.parent is not None:
        yield stack.parent.resources[stack.parent_id]
        stack = stack.parent


def _why(value: Value) -> str:
    return next((p.why for p in pieces(value) if isinstance(p, Unknown)), "not known")


def emptiness(value: Value) -> str:
    """`full`, `empty`, `may be empty` for a parameter that admits it, or why nobody can know."""
    if type(value) is str:
        return "full" if value.strip() else "empty"
    parts = pieces(value) if not isinstance(value, dict | list) else ("x",)
    if any(p.strip() if isinstance(p, str) else p.nonempty for p in parts):
        return "full"
    symbols = [p for p in parts if isinstance(p, Unknown)]
    if not symbols:
        return "empty"
    if all(p.why.startswith("parameter ") for p in symbols):
        return "may be empty"
    return symbols[0].why
