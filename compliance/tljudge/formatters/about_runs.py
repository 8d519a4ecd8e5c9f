"""What a run says about itself: findings without a rule of their own, described like rules."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tljudge.engine.findings import BASELINE, SIGHT, WAIVER
from tljudge.engine.rule import Rule, Verdict

if TYPE_CHECKING:
    from tljudge.engine.policy import Policy
    from tljudge.resolve.deployment import Resource


def _check(_resource: "Resource", _policy: "Policy") -> Iterator[Verdict]:
    yield from ()


ABOUT: tuple[Rule, ...] = (
    Rule(
        id=SIGHT,
        title="All of a template can be seen",
        why="what a macro, a transform or a loop makes of it, nobody has judged",
        fix="expand it first, and check the result",
        source="https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-macros.html",
        types=(),
        check=_check,
    ),
    Rule(
        id=WAIVER,
        title="Every waiver still waives something, and has not expired",
        why="what was accepted for a while becomes what nobody looks at",
        fix="renew the waiver, or remove it",
        source="",
        types=(),
        check=_check,
    ),
    Rule(
        id=BASELINE,
        title="Every entry of the baseline is still found",
        why="what was put right could come back under its entry, and nobody would notice",
        fix="write the baseline anew: it only shrinks",
        source="",
        types=(),
        check=_check,
    ),
)
