"""Tags of a resource: its own, in list or map form, and those that its stack passes to it."""

from collections.abc import Iterator
from dataclasses import dataclass

from tljudge.data import tagging
from tljudge.decode.nodes import Map, Mark, as_text
from tljudge.resolve.deployment import Resource, Stack
from tljudge.resolve.values import Text, Unknown, Value, pieces

# EC2 creates it with an instance, and does not put the stack tags on it.
NOT_FROM_STACK = ("AWS::EC2::NetworkInterface",)


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag; `body` is its whole element in list form."""

    key: str
    value: Value
    mark: Mark
    body: Map[Value] | None = None


@dataclass(frozen=True, slots=True)
class Tags:
    """The known tags; `unclear` says why there may be more, or is empty."""

    found: tuple[Tag, ...]
    unclear: str = ""


def own(resource: Resource) -> Tags:
    """The tags in the tag property of a resource, as its CloudFormation schema names it."""
    how = tagging().get(resource.type)
    if how is None:
        return Tags(())
    name = how.name
    return resource.deployment.get_or_compute(
        ("tags", resource), lambda: listed(resource.get(name), resource.mark_of(name))
    )


def listed(value: Value, mark: Mark) -> Tags:
    """Read tags in list or map form."""
    if isinstance(value, Unknown | Text):
        return Tags((), _why(value))
    if isinstance(value, list):
        tags, unclear = [], ""
        for element, element_mark in zip(value, value.marks, strict=False):
            key = element.get("Key") if isinstance(element, dict) else element
            if isinstance(key, Unknown | Text):
                unclear = _why(key)
            elif isinstance(element, dict):
                tags.append(Tag(as_text(key), element.get("Value", ""), element_mark, element))
        return Tags(tuple(tags), unclear)
    if isinstance(value, dict):
        marks = value.marks
        return Tags(tuple(Tag(k, v, marks.get(k, mark)) for k, v in value.items()))
    return Tags(())


def from_stack(resource: Resource) -> Tags:
    """Tags from the deployment and the nested stacks above; empty if the type gets none."""
    how = tagging().get(resource.type)
    if how is None or not how.from_stack or resource.type in NOT_FROM_STACK:
        return Tags(())
    stack = resource.stack
    return resource.deployment.get_or_compute(("stack tags", stack), lambda: _stack_tags(stack))


def _stack_tags(below: Stack) -> Tags:
    tags = [Tag(key, value, (1, 1)) for key, value in below.deployment.tags.items()]
    unclear = ""
    for stack in reversed(list(_up(below))):
        declared = own(stack)
        tags += declared.found
        unclear = unclear or declared.unclear
    return Tags(tuple(tags), unclear)


def _up(stack: Stack) -> Iterator[Resource]:
    """Yield the nested-stack resources above a stack, the nearest first."""
    while stack.parent is not None:
        yield stack.parent.resources[stack.parent_id]
        stack = stack.parent


def _why(value: Value) -> str:
    return next((p.why for p in pieces(value) if isinstance(p, Unknown)), "unknown")


def emptiness(value: Value) -> str:
    """Whether a tag value is empty.

    Returns:
        `full`, `empty`, `may be empty` if a parameter admits the empty text, or the reason why
        it is unknown.
    """
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
