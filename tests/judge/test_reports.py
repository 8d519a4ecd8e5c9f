"""The same findings in every format, whatever files, resources and messages are called."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import junitparser
import pytest
from jsonschema import Draft4Validator, FormatChecker

from tests.judge.factory import DEFAULT, TAGS, TODAY, of_type, template
from tljudge.engine.findings import Finding, Problem, Report, tally
from tljudge.engine.policy import Waiver
from tljudge.formatters import github, json_report, junit, sarif, text
from tljudge.formatters.text import printable
from tljudge.rules import ALL
from tljudge.runner import baseline
from tljudge.runner.check import check

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "tests" / "fixtures" / "sarif-schema-2.1.0.json").read_text("utf-8"))
VALID = Draft4Validator(SCHEMA, format_checker=FormatChecker())
NAMES = (
    "plain.yaml",
    "a b/with space.yaml",
    "100%,x:y=z.yaml",
    "<&>\"'.yaml",
    "line\nbreak\r.yaml",
    "\x1b[31mred\x07.yaml",
    "größe-🦙.yaml",
    "byte-\udcff.yaml",
    "::error::x.yaml",
    "[click](https:x).yaml",
)
Row = tuple[str, str, str, int, str, bool]
"""Rule, verdict, file, line, resource, waived."""


def hostile() -> dict[str, Any]:
    """Failures, doubts and names that break out of every format at hand."""
    evil = [
        "\x1b[2J",
        "]]>",
        "a\n::error file=x::y",
        "%0A",
        "{0} ${x}",
        "<!--",
        "\u2028",
        "x, y: z",
    ]
    groups = {f"G{word}": of_type("AWS::EC2::SecurityGroup") for word in evil}
    tags = [{"Key": f"aws:{word}", "Value": "v"} for word in evil]
    return template(
        {
            **groups,
            "Waived": of_type("AWS::EC2::SecurityGroup"),
            "Topic": of_type("AWS::SNS::Topic", {"Tags": tags}),
            "Doubt": of_type("AWS::Logs::LogGroup", {"RetentionInDays": {"Fn::ImportValue": "x"}}),
            "Gated": of_type("AWS::EC2::SecurityGroup", Condition="On"),
        },
        Parameters={"Use": {"Type": "String", "Default": "no", "AllowedValues": ["no", "a,b:c"]}},
        Conditions={"On": {"Fn::Equals": [{"Ref": "Use"}, "a,b:c"]}},
    )


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


def rows(findings: list[Finding]) -> list[Row]:
    """What is compared: names as a report may write them."""
    return sorted(
        (one.rule, one.verdict, one.file, one.line, one.resource, one.waived) for one in findings
    )


def shown(found: list[Row]) -> list[Row]:
    """The same, where control characters cannot stand."""
    return sorted((a, b, printable(c), d, printable(e), f) for a, b, c, d, e, f in found)


def test_corpus_has_every_kind(found: Report) -> None:
    """A comparison of empty lists would hold, too."""
    kinds = {(one.verdict, one.waived, one.baselined) for one in found.findings}
    assert kinds == {
        ("FAIL", False, False), ("FAIL", True, False), ("FAIL", False, True),
        ("UNKNOWN", False, False), ("UNKNOWN", False, True),
    }  # fmt: skip
    assert {one.file for one in found.findings} == set(NAMES)
    assert [one.file for one in found.errors] == ["broken\n.yaml"]


def test_json_has_the_findings(found: Report) -> None:
    """Every field, byte for byte."""
    document = json.loads(json_report.render(found))
    assert [Finding(**one) for one in document["findings"]] == found.findings
    assert [Problem(**one) for one in document["errors"]] == found.errors


def sarif_of(report: Report) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(sarif.render(report, Path.cwd(), "1.2.3"))
    VALID.validate(document)
    return document


def file_of(place: dict[str, Any], run: dict[str, Any]) -> str:
    """The file's name, as a consumer finds it."""
    artifact = place["physicalLocation"]["artifactLocation"]
    base = run["originalUriBaseIds"][artifact["uriBaseId"]]["uri"]
    assert base == Path.cwd().as_uri() + "/"
    return os.fsdecode(unquote_to_bytes(artifact["uri"]))


def test_sarif_has_the_findings_and_is_valid(found: Report) -> None:
    """By schema; and what the schema cannot say: indices, bases, suppressions, notifications."""
    run = sarif_of(found)["runs"][0]
    read = []
    for result in run["results"]:
        rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
        assert rule["id"] == result["ruleId"]
        (place,) = result["locations"]
        verdict = {"error": "FAIL", "warning": "UNKNOWN"}[result["level"]]
        (logical,) = place["logicalLocations"]
        reasons = [one["justification"] for one in result["suppressions"]]
        waived = bool(reasons) and reasons != ["in the baseline"]
        read.append(
            (rule["id"], verdict, file_of(place, run), place["physicalLocation"]["region"]
             ["startLine"], logical["name"], waived)
        )  # fmt: skip
    expected = [(a, b, c, d, printable(e), f) for a, b, c, d, e, f in rows(found.findings)]
    assert sorted(read) == sorted(expected)
    kinds = {(len(one["suppressions"]), *(s["kind"] for s in one["suppressions"]))
             for one in run["results"]}  # fmt: skip
    assert kinds == {(0,), (1, "external")}
    justified = {s["justification"] for one in run["results"] for s in one["suppressions"]}
    assert justified == {"in the baseline", "because: 50%, \\x07<b>"}
    (invocation,) = run["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (False, 3)
    (notice,) = invocation["toolExecutionNotifications"]
    assert file_of(notice["locations"][0], run) == "broken\n.yaml"
    assert notice["message"]["text"] == "not judged: a: Type is not text; name a type"
    scenarios = [one["properties"]["scenario"] for one in run["results"]]
    assert {"Use": "a,b:c"} in scenarios


def test_sarif_describes_every_rule() -> None:
    """Those that found nothing, too; and what a run says of itself."""
    driver = sarif_of(Report(summary={}))["runs"][0]["tool"]["driver"]
    assert driver["version"] == "1.2.3"
    ids = [one["id"] for one in driver["rules"]]
    own = ["TL_TEMPLATE_1", "TL_WAIVER_1", "TL_BASELINE_1"]
    assert ids == [rule.id for rule in ALL] + own
    names = [one["name"] for one in driver["rules"]]
    assert names[:2] == ["ActionsAreNamed", "AllowSaysWhatItAllows"]
    assert len(set(names)) == len(names)
    egress = next(one for one in driver["rules"] if one["id"] == "TL_EGRESS_1")
    assert egress.keys() == {"id", "name", "shortDescription", "fullDescription", "help",
                             "helpUri", "defaultConfiguration", "properties"}  # fmt: skip
    assert egress["helpUri"].startswith("https://docs.aws.amazon.com/")


def test_sarif_schema_refuses_what_is_wrong(found: Report) -> None:
    """The validation can fail."""
    document = json.loads(sarif.render(found, Path.cwd()))
    document["runs"][0]["results"][0]["level"] = "FAIL"
    (error,) = VALID.iter_errors(document)
    assert error.validator == "enum"
    document = json.loads(sarif.render(found, Path.cwd()))
    uri = document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    uri["artifactLocation"]["uri"] = "a b.yaml"
    (error,) = VALID.iter_errors(document)
    assert error.validator == "format"


def finding(**changed: Any) -> Finding:
    known = Finding("TL_EGRESS_1", "FAIL", "t.yaml", 7, 3, "G", "no egress", "declare it")
    return replace(known, **changed)


def test_sarif_fingerprints_stay_when_lines_move(tmp_path: Path) -> None:
    """They tell findings apart, also equal ones; another place of an unknown value is no other."""

    def prints(*findings: Finding) -> list[str]:
        log = json.loads(sarif.render(Report([*findings], summary={}), tmp_path))
        return [one["partialFingerprints"]["finding/v1"] for one in log["runs"][0]["results"]]

    one = finding(message="reaches ${Fn::Select((7, 3))}, declared in line 7")
    moved = finding(line=9, column=5, message="reaches ${Fn::Select((9, 5))}, declared in line 9")
    assert prints(one, one) == prints(moved, moved)
    others = [finding(), finding(), *(finding(**{name: "UNKNOWN"})
              for name in ("rule", "verdict", "file", "resource", "message"))]  # fmt: skip
    assert len({*prints(one, *others)}) == len(others) + 1


def test_sarif_messages_read_as_they_are(tmp_path: Path) -> None:
    """Braces are doubled and nothing becomes a link: SARIF 3.11.5 and 3.11.6."""
    log = sarif.render(Report([finding(message="${A} [x](y)")], summary={}), tmp_path)
    (result,) = json.loads(log)["runs"][0]["results"]
    assert result["message"]["text"] == "G: ${{A}} [x]\u200b(y); declare it"


def test_sarif_names_files_outside_the_repository_wholly(tmp_path: Path) -> None:
    """A relative name that leads out of its base means nothing to who reads it elsewhere."""
    log = sarif.render(Report([finding(file="/else/a b.yaml")], summary={}), tmp_path)
    (result,) = json.loads(log)["runs"][0]["results"]
    artifact = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact == {"uri": "file:///else/a%20b.yaml"}


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
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "compliance"), **environment},
    )  # fmt: skip
    return done.stdout, done.stderr


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
