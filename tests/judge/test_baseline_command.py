"""A baseline's file and the command: what is wrong is said, and nothing is overwritten."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.judge.baseline_reports import OPEN, judged, known, write
from tests.judge.factory import TAGS, of_type, template
from tljudge.engine.findings import Finding, Problem, Report
from tljudge.runner import baseline
from tljudge.runner.baseline import BaselineError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test in a folder of its own, where names are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


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
        capture_output=True, text=True, timeout=300, check=False,
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
