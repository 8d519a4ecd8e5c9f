"""Descriptions of the findings that come from the run itself, in the form of rules.

They give these findings a title, a reason and a fix in SARIF and in docs/rules.md.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tljudge.engine.findings import BASELINE, NOT_EXPANDED, WAIVER
from tljudge.engine.rule import Rule, Verdict

if TYPE_CHECKING:
    from tljudge.engine.policy import Policy
    from tljudge.resolve.deployment import Resource


def _check(_resource: "Resource", _policy: "Policy") -> Iterator[Verdict]:
    yield from ()


ABOUT: tuple[Rule, ...] = (
    Rule(
        id=NOT_EXPANDED,
        title="The rules see the whole template",
        why="the rules have not judged the resources that a macro, a transform or a loop creates",
        fix="expand the template first, and check the result",
        source="https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-macros.html",
        types=(),
        check=_check,
    ),
    Rule(
        id=WAIVER,
        title="Every waiver still waives something, and has not expired",
        why="a risk that was accepted for some time would stay accepted without a decision",
        fix="renew the waiver, or remove it",
        source="",
        types=(),
        check=_check,
    ),
    Rule(
        id=BASELINE,
        title="Every entry of the baseline still matches a finding",
        why="a fixed violation could return under its old entry, and the check would still pass",
        fix="write the baseline again: it only shrinks",
        source="",
        types=(),
        check=_check,
    ),
)
