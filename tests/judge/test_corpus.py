"""No template that others wrote, and nothing that could be made of it, ends in a crash."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.judge import shipped, strategies
from tests.judge.factory import DEFAULT, TAGS, TODAY, ours
from tests.timing import slowness
from tljudge.decode.errors import TemplateError
from tljudge.decode.files import templates
from tljudge.decode.loader import read
from tljudge.decode.nodes import Call
from tljudge.decode.parser import Parser
from tljudge.engine.evaluate import Judge, Judged
from tljudge.engine.findings import Report
from tljudge.rules import ALL
from tljudge.runner.check import check
from tools.bench import corpus as benchmark

AT_LEAST = 180
"""Templates that could be judged: cfn-lint 1.58 carries 189, and 50 that nobody could deploy."""
CRASHED = "has a shape that could not be judged"
UNREAD = "could not be read ("
OURS = ours()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return shipped.folders(tmp_path_factory.mktemp("shipped"))


def crashes(found: Judged | Report) -> list[str]:
    """What a rule or the reader did not expect."""
    return [one.message for one in found.findings if CRASHED in one.message] + [
        one.message for one in found.errors if UNREAD in one.message
    ]


def test_every_template_that_packages_ship_is_judged(corpus: list[Path]) -> None:
    """Each in bounded time, none with a crash, and there are as many as there should be."""
    judge = Judge(DEFAULT, {"Tags": TAGS}, ALL)
    slow, crashed, judged, refused = [], {}, 0, 0
    for path, _ in templates(corpus):
        began = time.process_time()
        found = judge.judged(path, named=False)
        if time.process_time() - began > 5 * slowness():
            slow.append(path)
        if crashes(found):
            crashed[path] = crashes(found)
        judged, refused = judged + len(found.files), refused + len(found.errors)
    assert (slow, crashed) == ([], {})
    assert judged >= AT_LEAST
    assert refused > 0


def test_run_over_all_of_them_is_one_report(corpus: list[Path]) -> None:
    """Two processes, our policy, one exit code that says that some could not be judged."""
    found = check(corpus, OURS, {"Tags": TAGS}, today=TODAY, processes=2)
    assert crashes(found) == []
    assert found.summary["templates"] >= AT_LEAST
    assert found.exit_code() == 3


def long_form(value: Any) -> Any:
    """Without places and short intrinsics, as JSON has it."""
    if isinstance(value, Call):
        return (
            value.argument if value.name == "Dynamic" else {value.name: long_form(value.argument)}
        )
    if isinstance(value, dict):
        return {key: long_form(inner) for key, inner in value.items()}
    return [long_form(inner) for inner in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def documents(corpus: list[Path]) -> list[dict[str, Any]]:
    """Templates in long form."""
    found = []
    for path, _ in templates([corpus[-1], Path("cloudformation")]):
        try:
            text = path.read_text("utf-8")
            document = long_form(Parser(text, str(path), path.suffix == ".json").document())
        except (TemplateError, ValueError, yaml.YAMLError):
            continue
        if isinstance(document, dict) and isinstance(document.get("Resources"), dict):
            found.append(document)
    assert len(found) >= AT_LEAST
    return found


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged") / "t.json"


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_value_of_another_shape_is_never_a_crash(
    documents: list[dict[str, Any]], scratch: Path, data: st.DataObject
) -> None:
    """Anywhere in anybody's template, whatever stands there instead."""
    # By number: what a failure shows is then not a whole template, and it names one.
    document = documents[data.draw(st.integers(0, len(documents) - 1))]
    everywhere = [
        path
        for section in ("Resources", "Parameters", "Conditions", "Mappings", "Rules", "Outputs")
        if section in document
        for path in strategies.places(document[section], (section,))
    ]
    path = everywhere[data.draw(st.integers(0, len(everywhere) - 1))]
    changed = strategies.replaced(document, path, data.draw(strategies.odd))
    scratch.write_text(json.dumps(changed))
    for policy in (DEFAULT, OURS):
        assert crashes(Judge(policy, {"Tags": TAGS}, ALL).judged(scratch, named=True)) == []


def test_benchmarks_templates_are_what_they_say() -> None:
    """40 resources each, each different, the same again, and judged without doubt about shape."""
    texts = [benchmark.template(number) for number in range(20)]
    assert texts == [benchmark.template(number) for number in range(20)]
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert len(read(text).resources) == benchmark.RESOURCES == 40


def test_benchmarks_templates_have_faults_of_each_kind(tmp_path: Path) -> None:
    """And are otherwise clean, so that a run over them is a run that people have."""
    paths = benchmark.write(tmp_path, 30)
    found = check(paths, DEFAULT, {"Tags": TAGS}, today=TODAY)
    assert found.errors == []
    assert {"TL_IAM_1", "TL_EGRESS_1", "TL_TAGS_1"} <= {one.rule for one in found.findings}
    assert found.summary["resources"] == 30 * 40
