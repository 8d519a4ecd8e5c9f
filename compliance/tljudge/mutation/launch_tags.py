"""What an instance, launch template or group launches, without the tags of whoever pays."""

from collections.abc import Callable, Iterator
from typing import Any

from tljudge.mutation.edits import GONE, NO_VALUE, Break, Edit, Path
from tljudge.mutation.obfuscations import EMPTY, IF, UNKNOWABLE, Site, disguised, plain
from tljudge.mutation.operator import Operator
from tljudge.mutation.target import Ground

PASSED_ON = ("TL_TAGS_3",)
GROUP, INSTANCE = "AWS::AutoScaling::AutoScalingGroup", "AWS::EC2::Instance"
TEMPLATE = "AWS::EC2::LaunchTemplate"
PROPAGATE, VOLUMES = "PropagateAtLaunch", "PropagateTagsToVolumeOnCreation"


def _of_group(bad: Any) -> Callable[[Ground], Iterator[Site]]:
    def sites(ground: Ground) -> Iterator[Site]:
        for logical_id, properties in ground.resources(GROUP):
            path = ("Resources", logical_id, "Properties", "Tags")
            for index, row in enumerate(properties.get("Tags", [])):
                if row["Key"] in ground.policy.required_tags:
                    yield Site((*path, index, PROPAGATE), bad, True)

    return sites


def _of_volumes(bad: Any) -> Callable[[Ground], Iterator[Site]]:
    """Where no launch template tags the volumes in its stead."""

    def sites(ground: Ground) -> Iterator[Site]:
        for logical_id, properties in ground.resources(INSTANCE):
            if VOLUMES in properties and "LaunchTemplate" not in properties:
                yield Site(("Resources", logical_id, "Properties", VOLUMES), bad, True)

    return sites


def _removed(sites: Callable[[Ground], Iterator[Site]]) -> Callable[[Ground], Iterator[Break]]:
    def apply(ground: Ground) -> Iterator[Break]:
        for site in sites(ground):
            yield (Edit(site.path, GONE),)

    return apply


def _lists(ground: Ground) -> Iterator[tuple[Path, list[Any]]]:
    for logical_id, properties in ground.resources(TEMPLATE):
        path = ("Resources", logical_id, "Properties", "LaunchTemplateData", "TagSpecifications")
        found = properties["LaunchTemplateData"].get("TagSpecifications")
        if isinstance(found, list):
            yield path, found


def _whole(ground: Ground) -> Iterator[Site]:
    for path, found in _lists(ground):
        yield Site(path, NO_VALUE, found)


def _kinds(ground: Ground) -> Iterator[Site]:
    for path, found in _lists(ground):
        for index, one in enumerate(found):
            yield Site((*path, index), NO_VALUE, one)


def _other_kind(ground: Ground) -> Iterator[Break]:
    for path, found in _lists(ground):
        for index in range(len(found)):
            yield (Edit((*path, index, "ResourceType"), "spot-instances-request"),)


def _tags(ground: Ground) -> Iterator[Site]:
    for path, found in _lists(ground):
        for index, one in enumerate(found):
            for number, tag in enumerate(one["Tags"]):
                if tag["Key"] in ground.policy.required_tags:
                    yield Site((*path, index, "Tags", number), NO_VALUE, tag)


def _values(bad: Any) -> Callable[[Ground], Iterator[Site]]:
    def sites(ground: Ground) -> Iterator[Site]:
        for site in _tags(ground):
            yield Site((*site.path, "Value"), bad, "mutant")

    return sites


def _value_each(ground: Ground) -> Iterator[Site]:
    for number, site in enumerate(_values("")(ground)):
        if number % 4 == number // 4 % 4:  # another key for each kind of resource
            yield site


def _lower(ground: Ground) -> Iterator[Break]:
    for site in list(_tags(ground))[::3]:
        yield (Edit((*site.path, "Key"), site.good["Key"].lower()),)


OPERATORS: tuple[Operator, ...] = (
    plain("propagate-false", "a group's tag is not passed on", PASSED_ON, _of_group(False)),
    plain("propagate-text", 'a group\'s tag is passed on: "false"', PASSED_ON,
          _of_group("false")),
    Operator("propagate-gone", "whether a group's tag is passed on is not said", PASSED_ON,
             _removed(_of_group(False))),
    *disguised("propagate", "a group's tag is not passed on", PASSED_ON, _of_group("false"),
               (IF, *UNKNOWABLE)),
    plain("volumes-false", "an instance's volumes are not tagged", PASSED_ON,
          _of_volumes(False)),
    Operator("volumes-gone", "whether volumes are tagged is not said", PASSED_ON,
             _removed(_of_volumes(False))),
    *disguised("volumes", "an instance's volumes are not tagged", PASSED_ON,
               _of_volumes("false"), (IF, *UNKNOWABLE)),
    Operator("launch-tags-gone", "what is launched has no tags", PASSED_ON, _removed(_whole)),
    *disguised("launch-tags", "what is launched has no tags", PASSED_ON, _whole, (IF,)),
    Operator("launch-kind-gone", "one kind that is launched has no tags", PASSED_ON,
             _removed(_kinds)),
    *disguised("launch-kind", "one kind that is launched has no tags", PASSED_ON, _kinds, (IF,)),
    Operator("launch-kind-other", "tags for another kind than is launched", PASSED_ON,
             _other_kind),
    Operator("launch-tag-gone", "one tag of what is launched is dropped", PASSED_ON,
             _removed(_tags)),
    Operator("launch-tag-lower-case", "one tag's key of what is launched is in lower case",
             PASSED_ON, _lower),
    plain("launch-tag-empty", "one tag of what is launched is empty", PASSED_ON, _values("")),
    *disguised("launch-tag-empty", "one tag of what is launched is empty", PASSED_ON,
               _value_each, EMPTY),
)  # fmt: skip
