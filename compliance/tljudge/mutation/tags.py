"""Operators that drop, rename, empty or duplicate tags.

Dropping a tag breaks nothing where the stacks above supply it and the type receives stack tags.
Emptying it does, because a resource's own tag overrides the stack tag.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tljudge.data import tagging
from tljudge.mutation.edits import GONE, NO_VALUE, Body, Break, Edit, Part, Path, as_rows
from tljudge.mutation.obfuscations import EMPTY, IF, ON, Site, obfuscated, plain, switch
from tljudge.mutation.operator import Operator
from tljudge.mutation.target import MutationTarget

OWNED, FORMED = ("TL_TAGS_1",), ("TL_TAGS_2",)
# EC2 creates it with an instance, and does not put the stack tags on it.
NOT_FROM_STACK = ("AWS::EC2::NetworkInterface",)


@dataclass(frozen=True, slots=True)
class Tag:
    """A required tag of a resource.

    Attributes:
        key: its key.
        value: its value.
        element: path of the whole tag.
        value_at: path of its value; equal to `element` in map form.
        supplied: whether a stack above supplies the tag anyway.
    """

    key: str
    value: Part
    element: Path
    value_at: Path
    supplied: bool


def _tagged(target: MutationTarget) -> Iterator[tuple[Path, Part, list[Tag]]]:
    """Yield path and value of each resource's tag property, and the required tags in it."""
    for logical_id, properties in target.resources():
        kind = target.kind(logical_id)
        how = tagging().get(kind)
        if how is None or how.name not in properties:
            continue
        path = ("Resources", logical_id, "Properties", how.name)
        reached = how.from_stack and kind not in NOT_FROM_STACK
        required = []
        for key, value, element, value_at in _rows(properties[how.name], path):
            if key in target.policy.required_tags:
                supplied = reached and key in target.tags
                required.append(Tag(key, value, element, value_at, supplied))
        yield path, properties[how.name], required


def _rows(tags: Part, path: Path) -> Iterator[tuple[str, Part, Path, Path]]:
    if isinstance(tags, list):
        for index, row in enumerate(tags):
            if isinstance(row, dict) and "Key" in row:
                yield row["Key"], row["Value"], (*path, index), (*path, index, "Value")
    elif isinstance(tags, dict):
        for key, value in tags.items():
            yield key, value, (*path, key), (*path, key)


def _own_tags(target: MutationTarget) -> Iterator[Tag]:
    """Required tags that no stack above supplies."""
    for _, _, required in _tagged(target):
        yield from (tag for tag in required if not tag.supplied)


def _in_turn(target: MutationTarget, own_only: bool) -> Iterator[Tag]:
    """One required tag of each resource, with a different key each time."""
    for number, (_, _, required) in enumerate(_tagged(target)):
        candidates = [tag for tag in required if not (own_only and tag.supplied)]
        if candidates:
            yield candidates[number % len(candidates)]


def _dropped(target: MutationTarget) -> Iterator[Break]:
    for tag in _own_tags(target):
        yield (Edit(tag.element, GONE),)


def _renamed_keys(change: Callable[[str], str]) -> Callable[[MutationTarget], Iterator[Break]]:
    def apply(target: MutationTarget) -> Iterator[Break]:
        for tag in _in_turn(target, own_only=True):
            if tag.element == tag.value_at:
                added = Edit((*tag.element[:-1], change(tag.key)), tag.value)
                yield (added, Edit(tag.element, GONE))
            else:
                yield (Edit((*tag.element, "Key"), change(tag.key)),)

    return apply


def _empty(target: MutationTarget) -> Iterator[Site]:
    for _, _, required in _tagged(target):
        for tag in required:
            yield Site(tag.value_at, "", "mutant")


def _values(bad: Part) -> Callable[[MutationTarget], Iterator[Site]]:
    def sites(target: MutationTarget) -> Iterator[Site]:
        for tag in _in_turn(target, own_only=False):
            yield Site(tag.value_at, bad, "mutant")

    return sites


def _values_listed(target: MutationTarget) -> Iterator[Site]:
    """Values in list form; in map form, AWS::NoValue removes the key too, as `tag-dropped` does."""
    for site in _values(NO_VALUE)(target):
        if site.path[-1] == "Value":
            yield site


def _value_each(target: MutationTarget) -> Iterator[Site]:
    """One value in list form and one in map form: obfuscations do not depend on the resource."""
    forms = set()
    for site in _values("")(target):
        if site.path[-1] not in forms:
            forms.add(site.path[-1])
            yield site


def _elements(target: MutationTarget) -> Iterator[Site]:
    """The first tag in list form of each resource that no stack above supplies."""
    for _, tags, required in _tagged(target):
        missed = [tag for tag in required if not tag.supplied]
        for tag in missed[:1] if isinstance(tags, list) else ():
            yield Site(tag.element, NO_VALUE, as_rows(tags)[int(tag.element[-1])])


def _entries(target: MutationTarget) -> Iterator[Site]:
    for _, tags, required in _tagged(target):
        for tag in [tag for tag in required if not tag.supplied and isinstance(tags, dict)][:1]:
            yield Site(tag.element, NO_VALUE, tag.value)


def _tag_properties(target: MutationTarget) -> Iterator[Site]:
    for path, tags, required in _tagged(target):
        if any(not tag.supplied for tag in required):
            yield Site(path, NO_VALUE, tags)


def _removed(target: MutationTarget) -> Iterator[Break]:
    for site in _tag_properties(target):
        yield (Edit(site.path, GONE),)


def _emptied(target: MutationTarget) -> Iterator[Break]:
    for site in _tag_properties(target):
        yield (Edit(site.path, [] if isinstance(site.good, list) else {}),)


def _twice(target: MutationTarget) -> Iterator[Break]:
    for path, tags, required in _tagged(target):
        if isinstance(tags, list) and required:
            yield (Edit((*path, len(tags)), {"Key": required[0].key, "Value": "mutant"}),)


def _reserved(key: str) -> Callable[[MutationTarget], Iterator[Break]]:
    def apply(target: MutationTarget) -> Iterator[Break]:
        for path, tags, _ in _tagged(target):
            if isinstance(tags, list):
                yield (Edit((*path, len(tags)), {"Key": key, "Value": "mutant"}),)
            elif isinstance(tags, dict):
                yield (Edit((*path, key), "mutant"),)

    return apply


def _untagged(target: MutationTarget) -> Iterator[Break]:
    """Add a resource without tags, of a type that stack tags do not reach."""
    added: Body = {
        "Type": "AWS::ElastiCache::User",
        "Condition": ON,
        "Properties": {"Engine": "valkey", "UserId": "mutant", "UserName": "mutant"},
    }
    yield (Edit(("Resources", "MutantUntagged"), added), *switch(target))


OPERATORS: tuple[Operator, ...] = (
    Operator("tag-dropped", "a required tag is dropped", OWNED, _dropped),
    Operator("tag-lower-case", "a required tag's key is in lower case", OWNED,
             _renamed_keys(str.lower)),
    Operator("tag-upper-case", "a required tag's key is in capitals", OWNED,
             _renamed_keys(str.upper)),
    Operator("tag-renamed", "a required tag's key ends with a blank", OWNED,
             _renamed_keys(lambda key: f"{key} ")),
    plain("tag-empty", "a required tag is empty", OWNED, _empty),
    plain("tag-blank", "a required tag is blank", OWNED, _values("  ")),
    *obfuscated("tag-empty", "a required tag is empty", OWNED, _value_each, EMPTY),
    plain("tag-no-value", "a tag's value is AWS::NoValue", OWNED, _values_listed),
    *obfuscated("tag-element", "a required tag is missing", OWNED, _elements, (IF,)),
    *obfuscated("tag-entry", "a required tag is missing", OWNED, _entries, (IF,)),
    Operator("tags-removed", "a resource has no tags", OWNED, _removed),
    Operator("tags-none", "a resource's tags are an empty list", OWNED, _emptied),
    *obfuscated("tags", "a resource's tags are missing", OWNED, _tag_properties, (IF,)),
    Operator("tag-twice", "a tag key appears twice", FORMED, _twice),
    Operator("tag-reserved", "a tag's key begins with aws:", FORMED, _reserved("aws:mutant")),
    Operator("tag-reserved-case", "a tag's key begins with AWS:", FORMED, _reserved("AWS:mutant")),
    Operator("tag-nobody", "a resource that is off by default has no tags", OWNED, _untagged),
)  # fmt: skip
