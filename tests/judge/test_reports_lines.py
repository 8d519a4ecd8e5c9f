"""JUnit, GitHub and text have the findings too; the command names files from the workspace."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import junitparser

from tests.judge.factory import of_type, template
from tests.judge.report_rows import ROOT, Row, finding, rows
from tljudge.engine.findings import Problem, Report, tally
from tljudge.formatters import github, junit, text
from tljudge.formatters.text import printable
from tljudge.rules import ALL


def shown(found: list[Row]) -> list[Row]:
    """The same, where control characters cannot stand."""
    return sorted((a, b, printable(c), d, printable(e), f) for a, b, c, d, e, f in found)


def test_junit_has_the_findings(found: Report) -> None:
    """Read by a library that others read it with."""
    document = junit.render(found)
    document.encode("utf-8")
    suites = junitparser.JUnitXml.fromstring(document.encode("utf-8"))
    read, errors, passed = [], [], []
    for suite in suites:
        for case in suite:
            told = {one.name: one.value for one in case.child(junitparser.Properties) or ()}
            kind = type(case.result[0]).__name__ if case.result else "passed"
            file = case._elem.get("file")
            if kind == "Error":
                errors.append((file, case.result[0].message))
            elif kind == "passed":
                passed.append(case.classname)
            else:
                assert (kind == "Failure") == (told["verdict"] == case.result[0].type)
                waived = kind == "Skipped" and case.result[0].message.startswith("waived: ")
                line = int(case._elem.get("line"))
                read.append((told["rule"], told["verdict"], file, line, told["resource"], waived))
                assert suite.name == file
    assert sorted(read) == shown(rows(found.findings))
    assert errors == [("broken\\n.yaml", "a: Type is not text; name a type")]
    assert passed == ["clean.yaml"]
    counts = tally(found.findings)
    assert (suites.tests, suites.failures, suites.errors, suites.skipped) == (
        len(found.findings) + 2,
        counts["fail"] + counts["unknown"],
        1,
        counts["waived"] + counts["baselined"],
    )


COMMAND = re.compile(
    r"::(error|warning|notice) file=([^,:]*),line=(\d+),col=(\d+),title=([^,:]*)::(.*)"
)


def unescaped(value: str) -> str:
    """As the runner reads a property: https://github.com/actions/runner ActionCommand.cs."""
    for escape, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        value = value.replace(escape, char)
    return value


def test_github_has_the_findings_and_nothing_breaks_out(found: Report) -> None:
    """One command a line; what is in the baseline is not shown beside the code again."""
    *lines, last = github.render(found, Path.cwd()).splitlines()
    assert last == text.result(found)
    read = []
    for line in lines:
        match = COMMAND.fullmatch(line)
        assert match is not None, line
        command, file, at, _, title, message = match.groups()
        if title == "not judged":
            assert (command, unescaped(file)) == ("error", "broken\n.yaml")
            continue
        rule, verdict, resource = unescaped(title).split(" ", 2)
        waived = command == "notice"
        assert command == ("notice" if waived else {"FAIL": "error"}.get(verdict, "warning"))
        assert ("; waived: because" in message) == waived
        read.append(
            (rule, verdict, printable(unescaped(file)), int(at), printable(resource), waived)
        )
    news = [one for one in found.findings if not one.baselined]
    assert sorted(read) == shown(rows(news))


def test_github_names_files_as_the_repository_does(tmp_path: Path) -> None:
    """Also when the run is in a folder below, or is given whole names."""
    report = Report([finding(file=str(tmp_path / "sub" / "t.yaml"))], [], {**SUMMARY})
    assert github.render(report, tmp_path).startswith("::error file=sub/t.yaml,line=7,col=3,")


def tl(command: str, folder: Path, **environment: str) -> tuple[str, str]:
    """Both streams of a line of shell, where `tl` is the command."""
    line = f'tl() {{ "{sys.executable}" -P -m tljudge "$@"; }}; {command}'
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=300, check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "compliance"), **environment},
    )  # fmt: skip
    return done.stdout, done.stderr


def test_output_without_unicode_has_question_marks_and_the_same_result() -> None:
    """In the plain C locale; templates are UTF-8 whatever the locale is."""
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for command in ("cost cloudformation", "check cloudformation tests/fixtures/mutants"):
        line = f"tl {command} --policy compliance/policy.toml; echo $?"
        whole, error = tl(line, ROOT, PYTHONUTF8="1")
        assert error == ""
        assert tl(line, ROOT, **plain) == (re.sub(r"[^\x00-\x7f]", "?", whole), "")


def test_command_names_files_from_the_workspace(tmp_path: Path) -> None:
    """GitHub's own, where the run is inside it; else the folder it runs in."""
    below = tmp_path / "sub"
    below.mkdir()
    (below / "t.json").write_text(json.dumps(template({"G": of_type("AWS::EC2::SecurityGroup")})))
    for workspace, shown_as in ((tmp_path, "sub/t.json"), (tmp_path / "else", "t.json")):
        out, error = tl("tl check . --format github", below, GITHUB_WORKSPACE=str(workspace))
        assert error == ""
        assert {line.split(",")[0] for line in out.splitlines()[:-1]} == {
            f"::error file={shown_as}"
        }


def test_command_ends_quietly_when_nobody_reads_on(tmp_path: Path) -> None:
    """`tl rules | head` is no failure to report."""
    first = f"{ALL[0].id:<12} {ALL[0].title}\n"
    assert tl("tl rules | head -n 1", tmp_path) == (first, "")
    assert tl("tl rules --format json | true", tmp_path) == ("", "")


SUMMARY = {
    "templates": 1, "resources": 1, "fail": 1, "unknown": 0, "waived": 0, "baselined": 0,
    "errors": 0, "not_covered": {}, "unknown_types": {}, "not_followed": [],
    "unresolved_properties": 0, "never_made": 0, "not_templates": 0,
}  # fmt: skip

HEAD = re.compile(r"(?s)(.*?):(\d+) (.*): (TL_[A-Z]+_\d+) (waived: )?(UNKNOWN: )?.*")


def test_text_has_the_findings(found: Report) -> None:
    """Each begins a line; what is in the baseline is counted."""
    shown_text = text.render(found)
    shown_text.encode("utf-8")
    assert "\x1b" not in shown_text
    joined = re.sub(r"\n {4}", " ", shown_text)
    read = []
    for line in joined.splitlines():
        match = HEAD.fullmatch(line)
        if match is not None:
            file, at, resource, rule, waived, unknown = match.groups()
            verdict = "UNKNOWN" if unknown else "FAIL"
            read.append((rule, verdict, file, int(at), resource, bool(waived)))
    news = [one for one in found.findings if not one.baselined]
    assert sorted(read) == shown(rows(news))
    assert "in the baseline, and UNKNOWN: 1\n" in shown_text


def test_text_tells_what_to_do_once_a_file_and_rule() -> None:
    """Grouped by file, at most 80 columns where words allow; waived ones say why."""
    told = finding(message="reaches everything in the whole wide world, for ever and ever")
    report = Report(
        [
            told,
            finding(line=9, resource="H", scenario={"UseGpu": "true"}),
            finding(line=11, verdict="UNKNOWN", waived=True, reason="it is known"),
            finding(file="u.yaml"),
        ],
        [Problem("v.yaml", 3, "has no Resources; declare at least one")],
        {**SUMMARY, "templates": 2, "fail": 3, "waived": 1, "errors": 1,
         "not_covered": {"AWS::A::B": 2}, "unresolved_properties": 4},
    )  # fmt: skip
    assert text.render(report) == (
        "t.yaml:7 G: TL_EGRESS_1 reaches everything in the whole wide world, for ever and\n"
        "    ever\n"
        "  fix: declare it\n"
        "t.yaml:9 H: TL_EGRESS_1 no egress\n"
        "  when UseGpu=true\n"
        "t.yaml:11 G: TL_EGRESS_1 waived: UNKNOWN: no egress\n"
        "  because it is known\n"
        "\n"
        "u.yaml:7 G: TL_EGRESS_1 no egress\n"
        "  fix: declare it\n"
        "\n"
        "v.yaml:3: not judged: has no Resources; declare at least one\n"
        "\n"
        "no rule covers: AWS::A::B (2)\n"
        "unresolved properties: 4\n"
        "check: COULD NOT FINISH: 3 failed, 0 unknown, 1 waived, 1 not judged; 2 templates, "
        "1 resource\n"
    )
    coloured = text.render(report, colour=True)
    assert coloured.startswith("\x1b[31mt.yaml:7 G: ")
    assert "\x1b[2mt.yaml:11 G: TL_EGRESS_1 waived" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == text.render(report)
