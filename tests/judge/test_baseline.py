"""A baseline knows old findings, and reports what is new, stale or not judged."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.judge.baseline_reports import OPEN, judged, known, write
from tests.judge.factory import DEFAULT, TAGS, TODAY, of_type, template
from tljudge.engine.findings import Finding, Report, tally
from tljudge.engine.policy import Waiver
from tljudge.runner import baseline
from tljudge.runner import check as judge
from tljudge.runner.baseline import Entry, Key

WORLD = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
TWO = {"SecurityGroupEgress": [WORLD, WORLD]}
OPEN_MESSAGE = "no egress declared, so AWS allows all"
WORLD_MESSAGE = "reaches the internet: 0.0.0.0/0, protocol -1, ports all-all"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test in a folder of its own, where names are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def open_ones(report: Report) -> list[tuple[str, str]]:
    return [(one.rule, one.message) for one in report.findings if one.is_open]


def test_baseline_is_a_stable_file(folder: Path) -> None:
    """Sorted, one line an entry, the same bytes again: a diff shows what changed."""
    write(judged(template({"H": of_type("AWS::EC2::SecurityGroup", TWO), **OPEN["Resources"]})))
    text = Path("b.json").read_text()
    assert text == (
        '{\n  "schema_version": 1,\n  "findings": [\n'
        '    {"file": "t.json", "resource": "G", "rule": "TL_EGRESS_1", "verdict": "FAIL", '
        f'"message": "{OPEN_MESSAGE}", "count": 1}},\n'
        '    {"file": "t.json", "resource": "H", "rule": "TL_EGRESS_1", "verdict": "FAIL", '
        f'"message": "{WORLD_MESSAGE}", "count": 2}}\n'
        "  ]\n}\n"
    )
    again = judged(template({**OPEN["Resources"], "H": of_type("AWS::EC2::SecurityGroup", TWO)}))
    write(again)
    assert Path("b.json").read_text() == text
    assert baseline.read(Path("b.json")) == [
        Entry(Key("t.json", "G", "TL_EGRESS_1", "FAIL", OPEN_MESSAGE), 1, 4),
        Entry(Key("t.json", "H", "TL_EGRESS_1", "FAIL", WORLD_MESSAGE), 2, 5),
    ]


def test_baseline_knows_a_finding_wherever_its_line_moves() -> None:
    """It is there, marked, and does not fail the run."""
    write(judged(OPEN))
    moved = judged("\n\n\n" + json.dumps(OPEN, indent=3))
    assert (moved.findings[0].line, moved.exit_code()) == (6, 1)
    found = known(moved)
    assert [(one.baselined, one.waived) for one in found.findings] == [(True, False)]
    assert (found.exit_code(), found.summary["fail"], found.summary["baselined"]) == (0, 0, 1)


def test_baseline_knows_unknown_values_by_what_they_are() -> None:
    """Their names in messages hold a line and a column."""
    one = Finding("R", "FAIL", "t.json", 3, 1, "G", "reaches ${Fn::Cidr((3, 7))}", "fix")
    write(Report([one], summary={}, files=frozenset({"t.json"})))
    moved = replace(one, line=5, message="reaches ${Fn::Cidr((5, 7))}")
    assert open_ones(known(Report([moved], summary={}, files=frozenset({"t.json"})))) == []


@pytest.mark.parametrize(
    ("body", "new"),
    [
        (template({"H": of_type("AWS::EC2::SecurityGroup"), **OPEN["Resources"]}), OPEN_MESSAGE),
        (
            template({"G": of_type("AWS::EC2::SecurityGroup", TWO)}),
            WORLD_MESSAGE,
        ),
        (
            template({**OPEN["Resources"], "L": of_type("AWS::Logs::LogGroup")}),
            "never expires: it has no RetentionInDays",
        ),
    ],
    ids=["another resource", "another message", "another rule"],
)
def test_baseline_reports_what_is_new(body: dict[str, Any], new: str) -> None:
    """Also of the same rule, and on the same resource."""
    write(judged(OPEN))
    found = known(judged(body))
    assert new in [message for rule, message in open_ones(found) if rule != "TL_BASELINE_1"]
    assert found.exit_code() == 1


def test_baseline_reports_one_more_of_the_same() -> None:
    """Three where two were: one is new."""
    write(judged(template({"G": of_type("AWS::EC2::SecurityGroup", TWO)})))
    more = {"SecurityGroupEgress": [WORLD] * 3}
    found = known(judged(template({"G": of_type("AWS::EC2::SecurityGroup", more)})))
    assert tally(found.findings) == {"fail": 1, "unknown": 0, "waived": 0, "baselined": 2}


def test_baseline_reports_a_doubt_that_became_a_fault() -> None:
    """UNKNOWN and FAIL are not the same finding."""
    one = Finding("R", "UNKNOWN", "t.json", 3, 1, "G", "says so", "fix")
    write(Report([one], summary={}, files=frozenset({"t.json"})))
    worse = Report([replace(one, verdict="FAIL")], summary={}, files=frozenset({"t.json"}))
    assert ("R", "says so") in open_ones(known(worse))


def test_baseline_entry_that_matches_nothing_fails() -> None:
    """With its line, and the command that shrinks the file; then it passes."""
    group, once = "AWS::EC2::SecurityGroup", {"SecurityGroupEgress": [WORLD]}
    write(judged(template({"G": of_type(group, TWO), "H": of_type(group)})))
    fixed = template({"G": of_type(group, once)})
    found = known(judged(fixed))
    stale = [one for one in found.findings if one.rule == "TL_BASELINE_1"]
    fix = "shrink the baseline: tl check t.json"
    assert stale == [
        Finding(
            "TL_BASELINE_1", "FAIL", "b.json", 4, 1, "G",
            f"t.json has 1 of the 2 TL_EGRESS_1 it had: {WORLD_MESSAGE}", fix,
        ),
        Finding(
            "TL_BASELINE_1", "FAIL", "b.json", 5, 1, "H",
            f"t.json has no TL_EGRESS_1 now: {OPEN_MESSAGE}", fix,
        ),
    ]  # fmt: skip
    assert found.exit_code() == 1
    write(judged(fixed))
    assert known(judged(fixed)).exit_code() == 0


def test_baseline_of_other_files_is_left_alone() -> None:
    """A run over some templates says nothing of the others, unless they are gone."""
    judged(OPEN, "a/one.json")
    judged(OPEN, "b/two.json")
    both = judge.check([Path("a"), Path("b")], DEFAULT, {"Tags": TAGS}, today=TODAY)
    write(both, paths=("a", "b"))
    text = Path("b.json").read_text()
    one = judge.check([Path("a")], DEFAULT, {"Tags": TAGS}, today=TODAY)
    assert known(one, paths=("a",)).exit_code() == 0
    write(one, paths=("a",))
    assert Path("b.json").read_text() == text
    Path("b/two.json").unlink()
    assert [rule for rule, _ in open_ones(known(one, paths=("a",)))] == ["TL_BASELINE_1"]


def test_baseline_notices_a_file_that_is_no_template_any_more() -> None:
    """It was asked for and had nothing to judge."""
    write(judged(OPEN))
    emptied = judge.check([Path(judged_text("- a list"))], DEFAULT, today=TODAY)
    assert emptied.errors != []
    Path("t.json").write_text("[]")
    folder = judge.check([Path()], DEFAULT, today=TODAY)
    assert [rule for rule, _ in open_ones(known(folder, paths=(".",)))] == ["TL_BASELINE_1"]


def judged_text(text: str) -> str:
    Path("t.json").write_text(text)
    return "t.json"


def test_baseline_holds_wherever_the_run_starts(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """Files are named from the baseline's folder: as `.`, whole, or from a folder below."""
    write(judged(OPEN, "sub/t.json"), at="etc.json", paths=("sub",))
    monkeypatch.chdir("sub")
    for path in (Path("t.json"), folder / "sub" / "t.json", Path("../sub/./t.json")):
        found = judge.check([path], DEFAULT, {"Tags": TAGS}, today=TODAY)
        assert known(found, at="../etc.json", paths=(str(path),)).exit_code() == 0


def test_baseline_never_hides_what_was_not_judged() -> None:
    """A template that does not parse; the rest of one with too many combinations."""
    report = judged("Resources: {G: {Type: 1}}\n# AWS::\n")
    write(report)
    assert (known(report).exit_code(), known(report).errors) == (3, report.errors)
    names = [f"C{i}" for i in range(8)]
    ranges = [{"Fn::If": [n, {"CidrIp": "10.0.0.0/8"}, {"CidrIp": "10.0.0.0/9"}]} for n in names]
    body = template(
        {"G": of_type("AWS::EC2::SecurityGroup", {"SecurityGroupEgress": ranges})},
        Parameters={f"P{n}": {"Type": "String", "AllowedValues": ["a", "b"]} for n in names},
        Conditions={n: {"Fn::Equals": [{"Ref": f"P{n}"}, "a"]} for n in names},
    )
    capped = judged(body, policy=replace(DEFAULT, scenario_cap=3))
    write(capped)
    found = known(capped)
    assert open_ones(found) == [
        ("TL_EGRESS_1", "more than 3 combinations of conditions: the rest was not judged")
    ]
    assert found.exit_code() == 1


def test_baseline_keeps_entries_of_a_template_that_fails_to_parse() -> None:
    """Neither stale nor dropped while nobody can know."""
    judged(OPEN, "u.json")
    judged(OPEN)
    both = [Path("t.json"), Path("u.json")]
    write(judge.check(both, DEFAULT, {"Tags": TAGS}, today=TODAY), paths=("t.json", "u.json"))
    text = Path("b.json").read_text()
    Path("u.json").write_text("{")
    broken = judge.check(both, DEFAULT, {"Tags": TAGS}, today=TODAY)
    assert open_ones(known(broken, paths=("t.json", "u.json"))) == []
    write(broken, paths=("t.json", "u.json"))
    assert Path("b.json").read_text() == text


def test_baseline_never_hides_a_waiver_that_is_no_good() -> None:
    """An expired one, an unused one; and what is waived is no entry."""
    good = Waiver("TL_EGRESS_1", "G", "because", date(2027, 1, 1))
    old = replace(good, expires=date(2026, 1, 1))
    unused = replace(good, resource="Other")
    report = judged(OPEN, policy=replace(DEFAULT, waivers=(old, unused)))
    write(report)
    assert sorted(open_ones(known(report))) == [
        ("TL_WAIVER_1", "the waiver of TL_EGRESS_1 expired on 2026-01-01"),
        ("TL_WAIVER_1", "the waiver of TL_EGRESS_1 waives nothing"),
    ]
    waived = judged(OPEN, policy=replace(DEFAULT, waivers=(good,)))
    assert [rule for rule, _ in open_ones(known(waived))] == ["TL_BASELINE_1"]
    write(waived)
    assert baseline.read(Path("b.json")) == []
    assert known(waived).exit_code() == 0
