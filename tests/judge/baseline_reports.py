"""Reports beside a baseline, for its tests."""

import json
from pathlib import Path
from typing import Any

from tests.judge.factory import DEFAULT, TAGS, TODAY, of_type, template
from tljudge.engine.findings import Report
from tljudge.engine.policy import Policy
from tljudge.runner import baseline
from tljudge.runner import check as judge

OPEN = template({"G": of_type("AWS::EC2::SecurityGroup")})


def judged(body: Any, name: str = "t.json", policy: Policy = DEFAULT) -> Report:
    text = body if isinstance(body, str) else json.dumps(body)
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(text)
    return judge.check([Path(name)], policy, {"Tags": TAGS}, today=TODAY)


def known(report: Report, *, at: str = "b.json", paths: tuple[str, ...] = ("t.json",)) -> Report:
    """The report over the baseline that was written before."""
    return baseline.apply(report, Path(at), [*map(Path, paths)], "tl check t.json")


def write(report: Report, *, at: str = "b.json", paths: tuple[str, ...] = ("t.json",)) -> None:
    baseline.write(Path(at), report, [*map(Path, paths)])
