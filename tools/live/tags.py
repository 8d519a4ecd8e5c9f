"""A resource's tags as the account has them, in the form its type takes."""

from typing import Any

from tljudge.data import tagging
from tljudge.resolve.deployment import Resource
from tljudge.resources.tags import from_stack, own
from tools.live.compare import Difference, Names


def laid_over(
    resource: Resource, found: dict[str, str], names: Names, required: tuple[str, ...]
) -> tuple[Any, list[Difference], list[str]]:
    """What to write for the tags of a resource.

    Args:
        resource: as its template has it.
        found: its tags in the account.
        names: what physical ids are called.
        required: tags without which it has no owner.

    Returns:
        The tags; where they differ from the template's and the stacks'; and the required ones that
        only the stacks still give. Those stand empty, because in the judge's eyes the tags of a
        stack reach the resource, and the account says that they do not.
    """
    above = {tag.key: tag.value for tag in from_stack(resource).found}
    wanted = above | {tag.key: tag.value for tag in own(resource).found}
    where = _name(resource)
    differences = []
    for key, value in wanted.items():
        if key not in found:
            differences.append(Difference(f"{where}.{key}", names.words(value), ""))
        else:
            differences += names.differences(value, found[key], f"{where}.{key}")
    for key in found.keys() - wanted.keys() - resource.deployment.tags.keys():
        differences.append(Difference(f"{where}.{key}", "", found[key]))
    dropped = [key for key in required if key not in found and key in above]
    return _formed(resource, found | dict.fromkeys(dropped, "")), differences, dropped


def kept(resource: Resource, declared: Any) -> Any:
    """The template's tags with those of the root stack, for a resource whose tags are not known."""
    reach = {tag.key: tag.value for tag in from_stack(resource).found}
    mine = {tag.key for tag in own(resource).found}
    given = {
        key: value
        for key, value in resource.deployment.tags.items()
        if reach.get(key) == value and key not in mine
    }
    if isinstance(declared or {}, dict) and _form(resource) == "map":
        return {**(declared or {}), **given}
    if isinstance(declared or [], list):
        return [*(declared or []), *_listed(given)]
    return declared


def _name(resource: Resource) -> str:
    how = tagging().get(resource.type)
    return "Tags" if how is None else how.name


def _form(resource: Resource) -> str:
    how = tagging().get(resource.type)
    return "list" if how is None else how.form


def _formed(resource: Resource, tags: dict[str, str]) -> Any:
    return tags if _form(resource) == "map" else _listed(tags)


def _listed(tags: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
