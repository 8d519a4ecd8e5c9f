"""The run: many files, one report, an exit code that says so, and the command line."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.judge.commands import run
from tests.judge.factory import DEFAULT, TAGS, TODAY, of_type, ours, report, template
from tljudge.cli.errors import UsageError
from tljudge.decode.parameter_file import ParametersError, read_parameters
from tljudge.engine import policy as policies
from tljudge.engine.findings import Report
from tljudge.engine.policy import PolicyError, Waiver
from tljudge.formatters import json_report, text
from tljudge.rules import ALL
from tljudge.runner.check import check

ROOT = Path(__file__).resolve().parents[2]
OPEN = template({"G": of_type("AWS::EC2::SecurityGroup")})
CLEAN = template({"T": of_type("AWS::SNS::Topic")})


def test_one_bad_template_is_one_error_and_the_rest_are_judged(tmp_path: Path) -> None:
    """The others' findings are there, and the exit code says that one was not judged."""
    (tmp_path / "bad.yaml").write_text("Resources: {Q: {Type: 1}}\n# AWS::\n")
    (tmp_path / "open.json").write_text(json.dumps(OPEN))
    (tmp_path / "other.yaml").write_text("- a list\n")
    found = check([tmp_path], DEFAULT, {"Tags": TAGS}, today=TODAY)
    assert [one.message for one in found.errors] == ["Q: Type is not text; name a type"]
    assert [(one.rule, one.resource) for one in found.findings] == [("TL_EGRESS_1", "G")]
    assert (found.exit_code(), found.summary["not_templates"]) == (3, 1)


def test_summary_counts_what_nobody_looked_at(tmp_path: Path) -> None:
    """Types without a rule, unknown types, unresolved properties."""
    body = template(
        {
            "R": of_type("AWS::EC2::Route"),
            "N": of_type("AWS::Nobody::Knows"),
            "L": of_type("AWS::Logs::LogGroup", {"RetentionInDays": {"Fn::ImportValue": "x"}}),
            "Never": of_type("AWS::SNS::Topic", Condition="Never"),
        },
        Conditions={"Never": {"Fn::Equals": ["a", "b"]}},
    )
    assert report(tmp_path, body).summary == {
        "templates": 1,
        "not_templates": 0,
        "resources": 4,
        "never_made": 1,
        "unresolved_properties": 1,
        "fail": 0,
        "unknown": 1,
        "waived": 0,
        "baselined": 0,
        "errors": 0,
        "not_covered": {"AWS::EC2::Route": 1, "AWS::Nobody::Knows": 1},
        "unknown_types": {"AWS::Nobody::Knows": 1},
        "not_followed": [],
    }


def waiver(**changed: object) -> Waiver:
    known = Waiver("TL_EGRESS_1", "G", "because", date(2027, 1, 1))
    return replace(known, **changed)  # type: ignore[arg-type]


def test_waiver_is_used_unused_or_expired(tmp_path: Path) -> None:
    """A used one passes; the other two are findings themselves."""
    good = report(tmp_path, OPEN, policy=replace(DEFAULT, waivers=(waiver(),)))
    assert ([one.waived for one in good.findings], good.exit_code()) == ([True], 0)
    unused = report(tmp_path, CLEAN, policy=replace(DEFAULT, waivers=(waiver(),)))
    assert [one.message for one in unused.findings] == ["the waiver of TL_EGRESS_1 waives nothing"]
    old = waiver(expires=date(2026, 11, 22))
    expired = report(tmp_path, OPEN, policy=replace(DEFAULT, waivers=(old,)))
    assert {(one.rule, one.waived) for one in expired.findings} == {
        ("TL_WAIVER_1", False),
        ("TL_EGRESS_1", False),
    }


def test_waiver_with_a_message_is_about_that_finding_only(tmp_path: Path) -> None:
    """Another one of the same rule and resource fails the run."""
    both = {"SecurityGroupEgress": [{"CidrIp": "0.0.0.0/0"}, {"CidrIp": "8.8.8.8/32"}]}
    body = template({"G": of_type("AWS::EC2::SecurityGroup", both)})
    messages = [one.message for one in report(tmp_path, body).findings]
    assert len(messages) == 2
    named = replace(DEFAULT, waivers=(waiver(message=messages[0]),))
    found = report(tmp_path, body, policy=named)
    assert [(one.message, one.waived) for one in found.findings] == [
        (messages[0], True),
        (messages[1], False),
    ]


@pytest.mark.parametrize(
    ("rule", "message", "fix"),
    [
        ("TL_EGRES_1", "waives no rule that there is", "did you mean TL_EGRESS_1?"),
        ("nothing", "waives no rule that there is", "remove it; `tl rules` lists the rules"),
        ("TL_LIVE_1", "waives nothing", "remove it"),
    ],
)
def test_waiver_of_no_rule_says_so(tmp_path: Path, rule: str, message: str, fix: str) -> None:
    """Even where it names another file: no run will ever use it."""
    file = "" if rule == "TL_LIVE_1" else "elsewhere.yaml"
    mistake = replace(DEFAULT, waivers=(waiver(rule=rule, file=file),))
    found = report(tmp_path, CLEAN, policy=mistake)
    assert [(one.rule, one.message, one.fix) for one in found.findings] == [
        ("TL_WAIVER_1", f"the waiver of {rule} {message}", fix)
    ]


WAIVER = "[[waivers]]\nrule='x'\nresource='x'\nreason='x'\n"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("[logs", "correct the TOML"),
        ("[log]\n", "unknown section 'log'"),
        ("[logs]\nretention = 3\n", "unknown key logs.retention"),
        ("[logs]\nretention_days = [31]\n", "31, which CloudWatch Logs refuses"),
        ("[logs]\nstack_vanishes = 1\n", "it takes true or false"),
        ("[scenarios]\ncap = 0\n", "a number from 1 to 4096"),
        ("[tags]\nrequired = 'x'\n", "a list of texts"),
        ('[[egress.allow]]\ncidr = "x"\nname = "n"\nreason = "r"\n', "write a CIDR"),
        ("tags = 3\n", "is not a table"),
        ("\n[[waivers]]\nrule = 'x'\n", ":2: no expires, reason, resource; a waiver needs "),
        (WAIVER + "expires='x'\n", ":1: expires is 'x'; write a date alone"),
        (
            WAIVER + "expires=2027-01-31T10:00:00\n",
            ":1: expires is 2027-01-31T10:00:00; write a date alone, without quotes or a time: ",
        ),
        (WAIVER + "expires=10:00:00\n", ":1: expires is 10:00:00; write a date alone"),
        (WAIVER + "expires=2027-01-31\nresaon='x'\n", ":1: unknown key resaon; a waiver needs "),
        (WAIVER + "expires=2027-01-31\nfile=''\n", ":1: file is empty; write a text"),
        (WAIVER + "expires=2027-01-31\nmessage=3\n", ":1: message is 3; it takes a text"),
        ("waivers = ['x']\n", ":1: waivers has 'x', which is no table; a waiver needs "),
    ],
)
def test_policy_error_says_where_and_what(tmp_path: Path, body: str, words: str) -> None:
    """A policy that says something impossible is refused before anything is judged."""
    path = tmp_path / "p.toml"
    path.write_text(body)
    with pytest.raises(PolicyError) as caught:
        policies.load(path)
    assert str(caught.value).startswith(str(path))
    assert words in str(caught.value)


def test_our_policy_narrows_the_default() -> None:
    """Only what it names differs."""
    assert (ours().retention_days, ours().stack_vanishes) == ((30,), True)
    assert ours().deputies == DEFAULT.deputies


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("[]", 'write {"Parameters": {...}, "Tags": {...}}'),
        ("{", "correct the JSON"),
        ('{"Parameter": {}}', 'write {"Parameters": {...}, "Tags": {...}}'),
        ('{"Tags": {"a": []}}', "Tags maps names to texts or numbers"),
    ],
)
def test_parameter_file_of_another_shape_is_refused(tmp_path: Path, body: str, words: str) -> None:
    """It is never taken for an empty one."""
    (tmp_path / "p.json").write_text(body)
    with pytest.raises(ParametersError) as caught:
        read_parameters(tmp_path / "p.json")
    assert str(caught.value).startswith(str(tmp_path / "p.json"))
    assert words in str(caught.value)


def test_text_is_readable_at_80_columns_and_safe(tmp_path: Path) -> None:
    """One line a finding in the form of the style, whatever the file is called."""
    found = report(tmp_path, OPEN, name="\x1b[31m\n\udcff.yaml")
    (tmp_path / "\x1b[31m\n\udcff.yaml").unlink()
    shown = text.render(replace_file(found))
    assert shown == (
        "t.yaml:2 G: TL_EGRESS_1 no egress declared, so AWS allows all\n"
        "  fix: declare SecurityGroupEgress with private ranges, groups or prefix lists\n"
        "    only\n\n"
        "check: FAIL: 1 failed, 0 unknown; 1 template, 1 resource\n"
    )
    raw = text.render(found)
    assert "\x1b" not in raw
    raw.encode()
    json.loads(json_report.render(found))
    assert "\x1b[31m" in text.render(found, colour=True)


def replace_file(found: Report) -> Report:
    return replace(found, findings=[replace(one, file="t.yaml") for one in found.findings])


def test_command_writes_the_contracts_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """To standard output, or to a file with one line for the person."""
    path = tmp_path / "t.json"
    path.write_text(json.dumps(OPEN))
    assert run("check", str(path), "--format", "json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["schema_version"] == 1
    assert {"rule", "verdict", "file", "line", "resource", "message", "fix", "scenario",
            "waived"} <= document["findings"][0].keys()  # fmt: skip
    out = tmp_path / "out.json"
    assert run("check", str(path), "--format", "json", "--output", str(out)) == 1
    assert json.loads(out.read_text()) == document
    assert capsys.readouterr().out.startswith("check: FAIL: ")


@pytest.mark.parametrize(
    "arguments",
    [("nowhere.yaml",), ("t.json", "--policy", "nowhere"), ("t.json", "--parameters", "nowhere"),
     ("t.json", "--output", "nowhere/x")],
)  # fmt: skip
def test_usage_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """What the user named is not there."""
    monkeypatch.chdir(tmp_path)
    Path("t.json").write_text(json.dumps(CLEAN))
    with pytest.raises(UsageError, match="nowhere"):
        run("check", *arguments)


def test_rules_are_listed_once_and_each_file_begins_with_its_id(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """So that both `find` and `grep` reach a rule."""
    assert run("rules", "--format", "json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["id"] for one in listed] == [rule.id for rule in ALL]
    assert len({rule.id for rule in ALL}) == len(ALL)
    assert all(rule.source.startswith("https://") for rule in ALL)
    for rule in ALL:
        module = sys.modules[rule.check.__module__]
        assert (module.__doc__ or "").startswith(f"{rule.id}: ")


def test_fast_path_imports_nothing_heavy(tmp_path: Path) -> None:
    """Start-up is most of the time of one template."""
    (tmp_path / "t.json").write_text(json.dumps(CLEAN))
    program = (
        "import sys\nfrom pathlib import Path\nfrom tljudge.engine import policy\n"
        "from tljudge.runner.check import check\ncheck([Path(sys.argv[1])], policy.load())\n"
        "print(sorted({'rich', 'cfnlint', 'jsonschema', 'boto3', 'botocore', 'checkov', 'e2e',"
        " 'tools', 'tests'} & {name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "t.json")],
        capture_output=True, text=True, cwd=ROOT, timeout=300, check=True,
    )  # fmt: skip
    assert done.stdout == "[]\n"
