"""A cache of this run's own, the mutation run, and a report over names that break every format."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.judge.factory import DEFAULT, TAGS, TODAY, of_type, template
from tests.judge.mutant_sets import fixtures, our_templates
from tests.judge.report_rows import NAMES, hostile
from tljudge.engine.findings import Report
from tljudge.engine.policy import Waiver
from tljudge.mutation import ALL
from tljudge.mutation.equivalents import EQUIVALENT
from tljudge.mutation.parallel_run import parallel_run
from tljudge.mutation.score import Score, scored
from tljudge.runner import baseline
from tljudge.runner.check import check


@pytest.fixture(autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Never the cache of whoever runs the tests."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def score() -> Score:
    """The whole mutation run, every operator everywhere it fits; it takes minutes."""
    return scored(parallel_run([*our_templates(), *fixtures()], ALL), ALL, EQUIVALENT)


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """A run over hostile files; one is waived in each, one file is known, two are no templates."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(json.dumps(hostile()))
    Path("broken\n.yaml").write_text("Resources: {a: {Type: 1}}\n# AWS::")
    Path("clean.yaml").write_text(json.dumps(template({"T": of_type("AWS::SNS::Topic")})))
    reason = "because: 50%, \x07<b>"
    waiver = Waiver("TL_EGRESS_1", "Waived", reason, date(2027, 1, 1))
    policy = replace(DEFAULT, waivers=(waiver,))
    paths = [*map(Path, NAMES), Path("broken\n.yaml"), Path("clean.yaml")]
    report = check(paths, policy, {"Tags": TAGS}, today=TODAY)
    known = [one for one in report.findings if one.file == "plain.yaml"]
    baseline.write(Path("known.json"), replace(report, findings=known), [])
    report = baseline.apply(report, Path("known.json"), [Path("plain.yaml")], "")
    assert report.summary["baselined"] == len(known) - 1
    return report
