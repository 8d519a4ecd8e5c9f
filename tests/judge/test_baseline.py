"""A baseline hides what was there, and nothing else; and it only shrinks."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.judge.factory import DEFAULT, TAGS, TODAY, of_type, template
from tljudge.engine.findings import Finding, Problem, Report, tally
from tljudge.engine.policy import Policy, Waiver
from tljudge.runner import baseline
from tljudge.runner import check as judge
from tljudge.runner.baseline import BaselineError, Entry, Key

ROOT = Path(__file__).resolve().parents[2]
OPEN = template({"G": of_type("AWS::EC2::SecurityGroup")})
WORLD = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
TWO = {"SecurityGroupEgress": [WORLD, WORLD]}
OPEN_MESSAGE = "no egress declared, so AWS allows all"
WORLD_MESSAGE = "reaches the internet: 0.0.0.0/0, protocol -1, ports all-all"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test in a folder of its own, where names are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


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


GOOD = {
    "file": "t.json", "resource": "G", "rule": "R", "verdict": "FAIL", "message": "m", "count": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "b.json: Expecting property name"),
        ("<<<<<<< ours\n", "correct the JSON, or run --write-baseline again"),
        ("[" * 100_000, "correct the JSON, or run --write-baseline again"),
        ([], "is not a baseline, which has schema_version and findings; run "),
        ({"schema_version": 2, "findings": []}, "schema_version is 2, and this tl reads 1"),
        ({"schema_version": True, "findings": []}, "schema_version is True"),
        ({"schema_version": 1, "findings": {}}, "findings is not a list; run"),
        ([GOOD, {**GOOD, "line": 3}], "b.json:1: an entry has file, resource, rule, verdict,"),
        ([{**GOOD, "message": None}], "must be strings; correct it"),
        ([{**GOOD, "count": 0}], "count is 0; it takes a number from 1"),
        ([{**GOOD, "count": True}], "count is True; it takes a number from 1"),
        ([{**GOOD, "verdict": "PASS"}], "verdict is 'PASS'; it is FAIL or UNKNOWN"),
        ([{**GOOD, "rule": "TL_WAIVER_1"}], "TL_WAIVER_1 cannot be in a baseline"),
        ([{**GOOD, "rule": "TL_BASELINE_1"}], "TL_BASELINE_1 cannot be in a baseline"),
        ([{**GOOD, "message": "x: the rest was not judged"}], "R cannot be in a baseline"),
        ([GOOD, GOOD], "repeats an earlier entry; keep one, and add up"),
    ],
)
def test_baseline_error_says_where_and_what(body: Any, words: str) -> None:
    """Neither read as an empty one, nor written over."""
    text = body
    if not isinstance(body, str):
        body = {"schema_version": 1, "findings": body} if body and isinstance(body, list) else body
        text = json.dumps(body)
    Path("b.json").write_text(text)
    with pytest.raises(BaselineError) as caught:
        baseline.read(Path("b.json"))
    assert str(caught.value).startswith("b.json")
    assert words in str(caught.value)
    with pytest.raises(BaselineError):
        write(Report(summary={}))
    assert Path("b.json").read_text() == text


def test_baseline_error_names_the_line_of_the_entry() -> None:
    """Counted in the file as it is written."""
    write(
        Report([Finding("R", "FAIL", "t.json", 1, 1, f"G{i}", '"file": m', "f") for i in range(3)])
    )
    text = Path("b.json").read_text().replace('"G1"', "1")
    Path("b.json").write_text(text)
    with pytest.raises(BaselineError, match=r"^b\.json:5: "):
        baseline.read(Path("b.json"))


def test_baseline_that_is_not_there() -> None:
    """It is an error to read one, and none to begin one."""
    with pytest.raises(BaselineError, match=r"^b\.json: cannot be read: No such file"):
        known(Report(summary={}))
    Path("b.json").mkdir()
    with pytest.raises(BaselineError, match="cannot be read: Is a directory"):
        write(Report(summary={}))
    with pytest.raises(BaselineError, match=r"^nowhere/b\.json: cannot be written"):
        write(Report(summary={}), at="nowhere/b.json")


def tl(*arguments: str) -> tuple[int, str, str]:
    """The command itself."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tljudge", *arguments],
        capture_output=True, text=True, timeout=60, check=False,
        env={"PYTHONPATH": str(ROOT / "compliance"), "PATH": ""},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_command_adopts_and_then_notices() -> None:
    """Write, pass, break, fail, put right, and shrink by the command that is printed."""
    Path("tags.json").write_text(json.dumps({"Tags": TAGS}))
    judged(OPEN, "my templates/t.json")
    words = ("check", "my templates", "--parameters", "tags.json")
    assert tl(*words)[0] == 1
    assert tl(*words, "--write-baseline", "b.json") == (
        0,
        "check: PASS: 0 failed, 0 unknown, 1 in the baseline; 1 template, 1 resource\n",
        "",
    )
    assert tl(*words, "--baseline", "b.json")[0] == 0
    judged(template({"T": of_type("AWS::SNS::Topic")}), "my templates/t.json")
    code, out, _ = tl(*words, "--baseline", "b.json")
    command = "tl check 'my templates' --parameters tags.json --write-baseline b.json"
    assert (code, command in " ".join(out.split())) == (1, True)
    assert tl(*words, "--write-baseline", "b.json")[0] == 0
    assert json.loads(Path("b.json").read_text())["findings"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--baseline", "b.json"), "check: b.json: cannot be read: No such file or directory"),
        (("--baseline", "b", "--write-baseline", "b"), "not allowed with argument"),
        (("--write-baseline", "nowhere/b.json"), "nowhere to write into"),
    ],
)
def test_command_refuses(arguments: tuple[str, ...], words: str) -> None:
    """Exit code 2, one line, nothing judged."""
    judged(OPEN)
    code, out, error = tl("check", "t.json", *arguments)
    assert (code, out) == (2, "")
    assert words in error
    assert "Traceback" not in error


def test_problem_counts_are_not_touched() -> None:
    """Errors are no findings."""
    report = Report([], [Problem("t.json", 1, "x")], {"errors": 1}, frozenset())
    Path("b.json").write_text('{"schema_version": 1, "findings": []}')
    assert known(report).summary == {"errors": 1, "fail": 0, "unknown": 0, "waived": 0,
                                     "baselined": 0}  # fmt: skip
