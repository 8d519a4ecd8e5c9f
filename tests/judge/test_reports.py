"""Each format has the findings, however hostile the names: JSON and SARIF."""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from jsonschema import Draft4Validator, FormatChecker

from tests.judge.report_rows import NAMES, ROOT, finding, rows
from tljudge.engine.findings import Finding, Problem, Report
from tljudge.formatters import json_report, sarif
from tljudge.formatters.text import printable
from tljudge.rules import ALL

SCHEMA = json.loads((ROOT / "tests" / "fixtures" / "sarif-schema-2.1.0.json").read_text("utf-8"))
VALID = Draft4Validator(SCHEMA, format_checker=FormatChecker())


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
