"""TL_TAGS_2: no tag key is duplicated, reserved or empty."""

from collections.abc import Iterator

from tljudge.data import tagging
from tljudge.decode.errors import shortened
from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail
from tljudge.resolve.deployment import Resource
from tljudge.resources.tags import own


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the keys of the tags that a resource declares."""
    if tagging().get(resource.type) is None:
        return
    seen: set[str] = set()
    for tag in own(resource).found:
        if tag.key in seen:
            yield fail(f"the tag {shortened(tag.key)} is there twice", tag.mark)
        seen.add(tag.key)
        if tag.key.lower().startswith("aws:"):
            yield fail(f"the tag {shortened(tag.key)} is reserved for AWS", tag.mark)
        elif not tag.key:
            yield fail("a tag has no key", tag.mark)


RULE = Rule(
    id="TL_TAGS_2",
    title="No tag key is duplicated or reserved",
    why="the deployment fails, or AWS silently keeps the last value",
    fix="keep one tag for each key, and no key that begins with aws:",
    source="https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html",
    types=("*",),
    check=check,
)
