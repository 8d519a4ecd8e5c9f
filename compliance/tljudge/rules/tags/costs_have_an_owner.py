"""TL_TAGS_1: every taggable resource has the required tags, with values."""

from collections.abc import Iterator

from tljudge.data import tagging
from tljudge.decode.errors import shortened
from tljudge.decode.nodes import Mark
from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource
from tljudge.resources.tags import emptiness, from_stack, own


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the tags of a resource: its own, and the stack tags that they do not override."""
    how = tagging().get(resource.type)
    if how is None or not policy.required_tags:
        return
    mine, above = own(resource), from_stack(resource)
    mark = resource.mark_of(how.name)
    tags = {tag.key: tag for tag in (*above.found, *mine.found)}
    missing = [key for key in policy.required_tags if key not in tags]
    spelled = {tag.key.lower(): tag for tag in mine.found} if missing else {}
    for key in [key for key in missing if key.lower() in spelled]:
        wrong = spelled[key.lower()]
        missing.remove(key)
        yield fail(f"has the tag {shortened(wrong.key)} instead of {key}", wrong.mark)
    unclear = mine.unclear or above.unclear
    if missing and unclear:
        yield unknown(f"whether it has {', '.join(missing)} is unknown: {unclear}", mark)
    elif missing:
        yield fail(f"has no tag {', '.join(missing)}", mark)
    for key in policy.required_tags:
        tag = tags.get(key)
        if tag is not None and (state := emptiness(tag.value)) != "full":
            yield _not_filled(key, state, tag.mark if tag in mine.found else mark)


def _not_filled(key: str, state: str, mark: Mark) -> Verdict:
    if state in ("empty", "may be empty"):
        return fail(f"the tag {key} {'is' if state == 'empty' else 'may be'} empty", mark)
    return unknown(f"the value of the tag {key} is unknown: {state}", mark)


RULE = Rule(
    id="TL_TAGS_1",
    title="Every cost has an owner",
    why="the bill cannot assign a cost without tags to an owner",
    fix="add the tags, or pass them as stack tags; give their parameters MinLength: 1",
    source="https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/cost-alloc-tags.html",
    types=("*",),
    check=check,
)
