"""TL_TAGS_3: an instance, launch template or group tags what it launches."""

from collections.abc import Iterable, Iterator

from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource
from tljudge.resolve.values import EMPTY, Text, Unknown, Value, why
from tljudge.resources.tags import emptiness, listed, own

TEMPLATE, INSTANCE = "AWS::EC2::LaunchTemplate", "AWS::EC2::Instance"
GROUP = "AWS::AutoScaling::AutoScalingGroup"
LAUNCHED = ("instance", "volume", "network-interface")


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the tags of launched instances, volumes and interfaces, which get no stack tags."""
    if not policy.required_tags:
        return
    if resource.type == TEMPLATE:
        yield from _template(resource, policy)
    elif resource.type == GROUP:
        for tag in own(resource).found:
            passed = (tag.body or EMPTY).get("PropagateAtLaunch", False)
            if tag.key in policy.required_tags and isinstance(passed, Unknown | Text):
                yield unknown(f"whether {tag.key} is passed on is unknown", tag.mark)
            elif tag.key in policy.required_tags and not _is_true(passed):
                yield fail(f"the tag {tag.key} is not passed on: PropagateAtLaunch", tag.mark)
    else:
        yield from _instance(resource)


def _is_true(value: Value) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _template(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    data, mark = resource.get("LaunchTemplateData"), resource.mark_of("LaunchTemplateData")
    if isinstance(data, Unknown):
        yield unknown(f"its launch data is unknown: {why(data)}", mark)
        return
    specifications = data.get("TagSpecifications", "") if isinstance(data, dict) else ""
    mark = resource.mark_of("LaunchTemplateData", "TagSpecifications")
    if isinstance(specifications, Unknown):
        yield unknown(f"its tag specifications are unknown: {why(specifications)}", mark)
        return
    rows: Iterable[Value] = [specifications]
    if isinstance(specifications, list | dict | str):
        rows = list(specifications)
    for kind in LAUNCHED:
        of_kind = [s for s in rows if isinstance(s, dict) and s.get("ResourceType") == kind]
        unclear = [
            s for s in rows
            if not isinstance(s, dict) or isinstance(s.get("ResourceType"), Unknown | Text)
        ]  # fmt: skip
        tags = [listed(s.get("Tags"), mark) for s in of_kind]
        filled = {t.key: emptiness(t.value) for listed_tags in tags for t in listed_tags.found}
        missing = [
            k for k in policy.required_tags if filled.get(k) in (None, "empty", "may be empty")
        ]
        doubtful = [k for k in policy.required_tags if k not in missing and filled[k] != "full"]
        if missing and (unclear or any(listed_tags.unclear for listed_tags in tags)):
            yield unknown(f"whether a launched {kind} has {', '.join(missing)} is unknown", mark)
        elif missing:
            yield fail(f"a launched {kind} has no tag {', '.join(missing)}", mark)
        elif doubtful:
            yield unknown(f"a launched {kind}: {doubtful[0]} is unknown", mark)


def _instance(resource: Resource) -> Iterator[Verdict]:
    passed = resource.get("PropagateTagsToVolumeOnCreation")
    mark = resource.mark_of("PropagateTagsToVolumeOnCreation")
    if _is_true(passed):
        return
    if isinstance(passed, Unknown | Text):
        yield unknown(f"whether its volumes are tagged is unknown: {why(passed)}", mark)
        return
    launch = resource.get("LaunchTemplate")
    named = launch.get("LaunchTemplateId") if isinstance(launch, dict) else launch
    template = resource.deployment.at(named.origin) if isinstance(named, Unknown) else None
    data = template.get("LaunchTemplateData") if template is not None else None
    specifications = data.get("TagSpecifications") if isinstance(data, dict) else None
    for specification in specifications if isinstance(specifications, list) else ():
        if isinstance(specification, dict) and specification.get("ResourceType") == "volume":
            return
    yield fail("its volumes have no tags: no PropagateTagsToVolumeOnCreation", mark)


RULE = Rule(
    id="TL_TAGS_3",
    title="Launched instances, volumes and interfaces are tagged",
    why="stack tags reach neither volumes and interfaces made at launch nor launched instances",
    fix="add TagSpecifications, PropagateTagsToVolumeOnCreation or PropagateAtLaunch",
    source="https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html",
    types=(TEMPLATE, INSTANCE, GROUP),
    check=check,
)
