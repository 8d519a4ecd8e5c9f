"""Tags that are dropped, renamed, emptied or not passed on.

A tag that the stacks above supply is not missed where a type receives stack tags, so dropping it
breaks nothing there; an own tag still wins over the stack's, so emptying it does.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tljudge.data import tagging
from tljudge.mutation.edits import GONE, NO_VALUE, Body, Break, Edit, Part, Path, as_rows
from tljudge.mutation.obfuscations import EMPTY, IF, ON, Site, obfuscated, plain, switch
from tljudge.mutation.operator import Operator
from tljudge.mutation.target import MutationTarget

OWNED, FORMED = ("TL_TAGS_1",), ("TL_TAGS_2",)
# Made with an instance, and not tagged with its stack.
NOT_FROM_STACK = ("AWS::EC2::NetworkInterface",)


@dataclass(frozen=True, slots=True)
class Tag:
    """One required tag; `value_at` and `element` say where its value and all of it stand."""

    key: str
    value: Part
    element: Path
    value_at: Path
    supplied: bool


def _tagged(target: MutationTarget) -> Iterator[tuple[Path, Part, list[Tag]]]:
    """The tag property of each resource that has one: path, value, the required tags in it."""
    for logical_id, properties in target.resources():
        kind = target.kind(logical_id)
        how = tagging().get(kind)
        if how is None or how.name not in properties:
            continue
        path = ("Resources", logical_id, "Properties", how.name)
        reached = how.from_stack and kind not in NOT_FROM_STACK
        found = []
        for key, value, element, value_at in _rows(properties[how.name], path):
            if key in target.policy.required_tags:
                supplied = reached and key in target.tags
                found.append(Tag(key, value, element, value_at, supplied))
        yield path, properties[how.name], found


def _rows(tags: Part, path: Path) -> Iterator[tuple[str, Part, Path, Path]]:
    if isinstance(tags, list):
        for index, row in enumerate(tags):
            if isinstance(row, dict) and "Key" in row:
                yield row["Key"], row["Value"], (*path, index), (*path, index, "Value")
    elif isinstance(tags, dict):
        for key, value in tags.items():
            yield key, value, (*path, key), (*path, key)


def _missed(target: MutationTarget) -> Iterator[Tag]:
    """Tags that nobody else supplies."""
    for _, _, found in _tagged(target):
        yield from (one for one in found if not one.supplied)


def _in_turn(target: MutationTarget, missed: bool) -> Iterator[Tag]:
    """One tag of each resource, another key each time."""
    for number, (_, _, found) in enumerate(_tagged(target)):
        fit = [one for one in found if not (missed and one.supplied)]
        if fit:
            yield fit[number % len(fit)]


def _dropped(target: MutationTarget) -> Iterator[Break]:
    for one in _missed(target):
        yield (Edit(one.element, GONE),)


def _renamed(change: Callable[[str], str]) -> Callable[[MutationTarget], Iterator[Break]]:
    def apply(target: MutationTarget) -> Iterator[Break]:
        for one in _in_turn(target, missed=True):
            if one.element == one.value_at:
                added = Edit((*one.element[:-1], change(one.key)), one.value)
                yield (added, Edit(one.element, GONE))
            else:
                yield (Edit((*one.element, "Key"), change(one.key)),)

    return apply


def _empty(target: MutationTarget) -> Iterator[Site]:
    for _, _, found in _tagged(target):
        for one in found:
            yield Site(one.value_at, "", "mutant")


def _values(bad: Part) -> Callable[[MutationTarget], Iterator[Site]]:
    def sites(target: MutationTarget) -> Iterator[Site]:
        for one in _in_turn(target, missed=False):
            yield Site(one.value_at, bad, "mutant")

    return sites


def _values_listed(target: MutationTarget) -> Iterator[Site]:
    """In list form; in map form the key goes too, which is a dropped tag."""
    for site in _values(NO_VALUE)(target):
        if site.path[-1] == "Value":
            yield site


def _value_each(target: MutationTarget) -> Iterator[Site]:
    """One of each form a template: how a value is hidden does not depend on the resource."""
    forms = set()
    for site in _values("")(target):
        if site.path[-1] not in forms:
            forms.add(site.path[-1])
            yield site


def _elements(target: MutationTarget) -> Iterator[Site]:
    """One tag a resource, in list form: an entry of a map has no condition of its own."""
    for _, tags, found in _tagged(target):
        missed = [one for one in found if not one.supplied]
        for one in missed[:1] if isinstance(tags, list) else ():
            yield Site(one.element, NO_VALUE, as_rows(tags)[int(one.element[-1])])


def _entries(target: MutationTarget) -> Iterator[Site]:
    for _, tags, found in _tagged(target):
        for one in [one for one in found if not one.supplied and isinstance(tags, dict)][:1]:
            yield Site(one.element, NO_VALUE, one.value)


def _wholes(target: MutationTarget) -> Iterator[Site]:
    for path, tags, found in _tagged(target):
        if any(not one.supplied for one in found):
            yield Site(path, NO_VALUE, tags)


def _removed(target: MutationTarget) -> Iterator[Break]:
    for site in _wholes(target):
        yield (Edit(site.path, GONE),)


def _emptied(target: MutationTarget) -> Iterator[Break]:
    for site in _wholes(target):
        yield (Edit(site.path, [] if isinstance(site.good, list) else {}),)


def _twice(target: MutationTarget) -> Iterator[Break]:
    for path, tags, found in _tagged(target):
        if isinstance(tags, list) and found:
            yield (Edit((*path, len(tags)), {"Key": found[0].key, "Value": "mutant"}),)


def _reserved(key: str) -> Callable[[MutationTarget], Iterator[Break]]:
    def apply(target: MutationTarget) -> Iterator[Break]:
        for path, tags, _ in _tagged(target):
            if isinstance(tags, list):
                yield (Edit((*path, len(tags)), {"Key": key, "Value": "mutant"}),)
            elif isinstance(tags, dict):
                yield (Edit((*path, key), "mutant"),)

    return apply


def _untagged(target: MutationTarget) -> Iterator[Break]:
    """A resource of a type that stack tags do not reach, with none of its own."""
    added: Body = {
        "Type": "AWS::ElastiCache::User",
        "Condition": ON,
        "Properties": {"Engine": "valkey", "UserId": "mutant", "UserName": "mutant"},
    }
    yield (Edit(("Resources", "MutantUntagged"), added), *switch(target))


OPERATORS: tuple[Operator, ...] = (
    Operator("tag-dropped", "a required tag is dropped", OWNED, _dropped),
    Operator("tag-lower-case", "a required tag's key is in lower case", OWNED,
             _renamed(str.lower)),
    Operator("tag-upper-case", "a required tag's key is in capitals", OWNED, _renamed(str.upper)),
    Operator("tag-renamed", "a required tag's key has a blank behind it", OWNED,
             _renamed(lambda key: f"{key} ")),
    plain("tag-empty", "a required tag is empty", OWNED, _empty),
    plain("tag-blank", "a required tag is blank", OWNED, _values("  ")),
    *obfuscated("tag-empty", "a required tag is empty", OWNED, _value_each, EMPTY),
    plain("tag-no-value", "a tag's value is AWS::NoValue", OWNED, _values_listed),
    *obfuscated("tag-element", "a required tag is not there", OWNED, _elements, (IF,)),
    *obfuscated("tag-entry", "a required tag is not there", OWNED, _entries, (IF,)),
    Operator("tags-removed", "a resource has no tags", OWNED, _removed),
    Operator("tags-none", "a resource's tags are an empty list", OWNED, _emptied),
    *obfuscated("tags", "a resource's tags are not there", OWNED, _wholes, (IF,)),
    Operator("tag-twice", "a tag stands twice", FORMED, _twice),
    Operator("tag-reserved", "a tag's key begins with aws:", FORMED, _reserved("aws:mutant")),
    Operator("tag-reserved-case", "a tag's key begins with AWS:", FORMED, _reserved("AWS:mutant")),
    Operator("tag-nobody", "a resource that is off by default has no tags", OWNED, _untagged),
)  # fmt: skip
