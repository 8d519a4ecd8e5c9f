"""Operators that drop cost tags from what an instance, launch template or group launches."""

from collections.abc import Callable, Iterator

from tljudge.mutation.edits import GONE, NO_VALUE, Break, Edit, Part, Path, as_body, as_rows
from tljudge.mutation.obfuscations import EMPTY, IF, UNKNOWABLE, Site, obfuscated, plain
from tljudge.mutation.operator import Operator
from tljudge.mutation.target import MutationTarget

PASSED_ON = ("TL_TAGS_3",)
GROUP, INSTANCE = "AWS::AutoScaling::AutoScalingGroup", "AWS::EC2::Instance"
TEMPLATE = "AWS::EC2::LaunchTemplate"
PROPAGATE, VOLUMES = "PropagateAtLaunch", "PropagateTagsToVolumeOnCreation"


def _of_group(bad: Part) -> Callable[[MutationTarget], Iterator[Site]]:
    def sites(target: MutationTarget) -> Iterator[Site]:
        for logical_id, properties in target.resources(GROUP):
            path = ("Resources", logical_id, "Properties", "Tags")
            for index, row in enumerate(as_rows(properties.get("Tags", []))):
                if as_body(row)["Key"] in target.policy.required_tags:
                    yield Site((*path, index, PROPAGATE), bad, True)

    return sites


def _of_volumes(bad: Part) -> Callable[[MutationTarget], Iterator[Site]]:
    """Instances whose volumes no launch template tags."""

    def sites(target: MutationTarget) -> Iterator[Site]:
        for logical_id, properties in target.resources(INSTANCE):
            if VOLUMES in properties and "LaunchTemplate" not in properties:
                yield Site(("Resources", logical_id, "Properties", VOLUMES), bad, True)

    return sites


def _removed(
    sites: Callable[[MutationTarget], Iterator[Site]],
) -> Callable[[MutationTarget], Iterator[Break]]:
    def apply(target: MutationTarget) -> Iterator[Break]:
        for site in sites(target):
            yield (Edit(site.path, GONE),)

    return apply


def _lists(target: MutationTarget) -> Iterator[tuple[Path, list[Part]]]:
    for logical_id, properties in target.resources(TEMPLATE):
        path = ("Resources", logical_id, "Properties", "LaunchTemplateData", "TagSpecifications")
        specifications = as_body(properties["LaunchTemplateData"]).get("TagSpecifications")
        if isinstance(specifications, list):
            yield path, specifications


def _whole(target: MutationTarget) -> Iterator[Site]:
    for path, specifications in _lists(target):
        yield Site(path, NO_VALUE, specifications)


def _one_specification(target: MutationTarget) -> Iterator[Site]:
    for path, specifications in _lists(target):
        for index, specification in enumerate(specifications):
            yield Site((*path, index), NO_VALUE, specification)


def _other_kind(target: MutationTarget) -> Iterator[Break]:
    for path, specifications in _lists(target):
        for index in range(len(specifications)):
            yield (Edit((*path, index, "ResourceType"), "spot-instances-request"),)


def _tags(target: MutationTarget) -> Iterator[Site]:
    for path, specifications in _lists(target):
        for index, specification in enumerate(specifications):
            for number, tag in enumerate(as_rows(as_body(specification)["Tags"])):
                if as_body(tag)["Key"] in target.policy.required_tags:
                    yield Site((*path, index, "Tags", number), NO_VALUE, tag)


def _values(bad: Part) -> Callable[[MutationTarget], Iterator[Site]]:
    def sites(target: MutationTarget) -> Iterator[Site]:
        for site in _tags(target):
            yield Site((*site.path, "Value"), bad, "mutant")

    return sites


def _value_each(target: MutationTarget) -> Iterator[Site]:
    for number, site in enumerate(_values("")(target)):
        if number % 4 == number // 4 % 4:  # another key for each resource type
            yield site


def _lower_case_keys(target: MutationTarget) -> Iterator[Break]:
    for site in list(_tags(target))[::3]:
        yield (Edit((*site.path, "Key"), str(as_body(site.good)["Key"]).lower()),)


OPERATORS: tuple[Operator, ...] = (
    plain("propagate-false", "a group's tag is not passed on", PASSED_ON, _of_group(False)),
    plain("propagate-text", 'a group\'s tag is passed on: "false"', PASSED_ON,
          _of_group("false")),
    Operator("propagate-gone", "a group's tag does not say whether it is passed on", PASSED_ON,
             _removed(_of_group(False))),
    *obfuscated("propagate", "a group's tag is not passed on", PASSED_ON, _of_group("false"),
               (IF, *UNKNOWABLE)),
    plain("volumes-false", "an instance's volumes are not tagged", PASSED_ON,
          _of_volumes(False)),
    Operator("volumes-gone", "an instance does not say whether its volumes are tagged", PASSED_ON,
             _removed(_of_volumes(False))),
    *obfuscated("volumes", "an instance's volumes are not tagged", PASSED_ON,
               _of_volumes("false"), (IF, *UNKNOWABLE)),
    Operator("launch-tags-gone", "launched resources have no tags", PASSED_ON, _removed(_whole)),
    *obfuscated("launch-tags", "launched resources have no tags", PASSED_ON, _whole, (IF,)),
    Operator("launch-kind-gone", "one launched resource type has no tags", PASSED_ON,
             _removed(_one_specification)),
    *obfuscated("launch-kind", "one launched resource type has no tags", PASSED_ON,
               _one_specification, (IF,)),
    Operator("launch-kind-other", "tags for a resource type that is not launched", PASSED_ON,
             _other_kind),
    Operator("launch-tag-gone", "one tag of a launched resource is dropped", PASSED_ON,
             _removed(_tags)),
    Operator("launch-tag-lower-case", "one tag key of a launched resource is in lower case",
             PASSED_ON, _lower_case_keys),
    plain("launch-tag-empty", "one tag of a launched resource is empty", PASSED_ON, _values("")),
    *obfuscated("launch-tag-empty", "one tag of a launched resource is empty", PASSED_ON,
               _value_each, EMPTY),
)  # fmt: skip
