"""Lays a resource's tags in the account over its template, in the form that its type takes."""

from typing import Any

from tljudge.data import tagging
from tljudge.resolve.deployment import Resource
from tljudge.resources.tags import from_stack, own
from tools.live.compare import Difference, Names


def laid_over(
    resource: Resource, live: dict[str, str], names: Names, required: tuple[str, ...]
) -> tuple[Any, list[Difference], list[str]]:
    """The tags that the overlay writes for a resource.

    Args:
        resource: as its template has it.
        live: its tags in the account.
        names: physical ids of the deployment.
        required: the tags that every resource must have.

    Returns:
        The tags; their differences from the template's and the stacks' tags; and the required tags
        that only a stack still has. These are written empty: the rules assume that the tags of a
        stack reach its resources, and in the account they do not.
    """
    above = {tag.key: tag.value for tag in from_stack(resource).found}
    wanted = above | {tag.key: tag.value for tag in own(resource).found}
    where = _name(resource)
    differences = []
    for key, value in wanted.items():
        if key not in live:
            differences.append(Difference(f"{where}.{key}", names.words(value), ""))
        else:
            differences += names.differences(value, live[key], f"{where}.{key}")
    for key in live.keys() - wanted.keys() - resource.deployment.tags.keys():
        differences.append(Difference(f"{where}.{key}", "", live[key]))
    dropped = [key for key in required if key not in live and key in above]
    return _formed(resource, live | dict.fromkeys(dropped, "")), differences, dropped


def kept(resource: Resource, declared: Any) -> Any:
    """The template's tags and those of the root stack, for a resource whose tags were not read."""
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
