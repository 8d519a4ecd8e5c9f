"""TL_TAGS_2: no tag stands twice or under a reserved key."""

from collections.abc import Iterator

from tljudge.data import tagging
from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail
from tljudge.resolve.deployment import Resource
from tljudge.resources.tags import own


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the keys a resource declares itself."""
    if tagging().get(resource.type) is None:
        return
    seen: set[str] = set()
    for tag in own(resource).found:
        if tag.key in seen:
            yield fail(f"the tag {tag.key[:80]} stands twice", tag.mark)
        seen.add(tag.key)
        if tag.key.lower().startswith("aws:"):
            yield fail(f"the tag {tag.key[:80]} is reserved for AWS", tag.mark)
        elif not tag.key:
            yield fail("a tag has no key", tag.mark)


RULE = Rule(
    id="TL_TAGS_2",
    title="No tag stands twice or under a reserved key",
    why="the deployment fails, or the last one silently wins",
    fix="keep one tag a key, and no key that begins with aws:",
    source="https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html",
    types=("*",),
    check=check,
)
