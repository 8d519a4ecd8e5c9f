"""Parameters that no deployment could have are refused: what is ignored would pass unseen."""

import json
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.judge.commands import run
from tests.judge.factory import DEFAULT, TAGS
from tljudge.api import ParametersError, judge_files, judge_text
from tljudge.cli.errors import UsageError
from tljudge.runner.check import check

HARMLESS = "T: {Type: AWS::IAM::UserToGroupAddition, Properties: {GroupName: g}}"
TEMPLATE = f"""\
Parameters:
  Open: {{Type: String, Default: "no", AllowedValues: ["no", "yes"]}}
  Days: {{Type: Number, Default: 7, MinValue: 1, MaxValue: 30, AllowedValues: [7, 30]}}
  Size: {{Type: Number, Default: 7, MinValue: 1, MaxValue: 30}}
  Name: {{Type: String, Default: ab, AllowedPattern: "[a-z]+", MinLength: 2, MaxLength: 4}}
  Zones: {{Type: CommaDelimitedList, Default: a, AllowedValues: [a, b]}}
  Word: {{Type: String, NoEcho: true, Default: ab, AllowedPattern: "[a-z]+"}}
  Key: {{Type: "AWS::SSM::Parameter::Value<String>", Default: /k, AllowedPattern: "[a-z]+"}}
Resources: {{{HARMLESS}}}
"""
ROOT = f"""\
Parameters: {{Env: {{Type: String, Default: dev}}}}
Resources:
  {HARMLESS}
  Below:
    Type: AWS::CloudFormation::Stack
    Properties: {{TemplateURL: below.yaml, Parameters: {{Inner: !Ref Env}}}}
"""
BELOW = f"Parameters: {{Inner: {{Type: String}}}}\nResources: {{{HARMLESS}}}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a template that takes parameters."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Path("t.yaml").write_text(TEMPLATE)
    return tmp_path


def parameters(**values: object) -> str:
    """The name of a parameter file with these values."""
    Path("p.txt").write_text(json.dumps({"Parameters": values, "Tags": TAGS}))
    return "p.txt"


@pytest.mark.parametrize("command", ["check", "cost", "mutate"])
def test_misspelt_name_is_refused(command: str) -> None:
    """By each command, with the file, the name, where it looked, and what is near."""
    with pytest.raises(UsageError) as caught:
        run(command, "t.yaml", "--parameters", parameters(Opne="yes", Nothing=1))
    assert str(caught.value) == (
        f"{command}: p.txt: no template in t.yaml takes a parameter 'Opne'; did you mean Open? "
        "(1 more)"
    )


def test_cached_verdicts_refuse_it_too() -> None:
    """A second run reads no template, and must not pass."""
    words = ("check", "t.yaml", "--parameters", parameters(Opne="yes"))
    said = []
    for _ in range(2):
        with pytest.raises(UsageError) as caught:
            run(*words)
        said.append(str(caught.value))
    assert said[0] == said[1]


REFUSED = {
    ("Open", "maybe"): "'maybe', which t.yaml:2 refuses; it takes no or yes",
    ("Days", 8): "'8', which t.yaml:3 refuses; it takes 7 or 30",
    ("Size", 31): "'31', which t.yaml:4 refuses; it takes a number from 1 to 30",
    ("Size", "many"): "'many', which t.yaml:4 refuses; it takes a number",
    ("Name", "AB"): "'AB', which t.yaml:5 refuses; it takes what AllowedPattern [a-z]+ admits",
    ("Name", "a"): "'a', which t.yaml:5 refuses; it takes from 2 to 4 characters",
    ("Zones", "a, c"): "'a, c', which t.yaml:6 refuses; it takes a or b",
    ("Word", "S3CRET"): "a value that t.yaml:7 refuses; it takes what AllowedPattern [a-z]+ admits",
}


@pytest.mark.parametrize("command", ["check", "cost", "mutate"])
@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_value_that_cloudformation_refuses_is_refused(
    command: str, name: str, value: object
) -> None:
    """By the template's own declaration; a secret is not shown."""
    with pytest.raises(UsageError) as caught:
        run(command, "t.yaml", "--parameters", parameters(**{name: value}))
    said = REFUSED[name, value]
    assert str(caught.value) == f"{command}: p.txt: parameter {name} is {said}"


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("(a+)+b", "a" * 60),
        ("(a|a){1,99}b", "a" * 60),
        ("(a*)*b", "a" * 4000),
        ("a*a*a*a*a*a*a*a*b", "a" * 200),
        ("(a?){60}b", "a" * 30),
    ],
)
def test_pattern_that_takes_for_ever_refuses_nothing(pattern: str, value: str) -> None:
    """A template may come from anybody, and its parameter file with it."""
    Path("t.yaml").write_text(
        TEMPLATE.replace('"[a-z]+", MinLength: 2, MaxLength: 4', f'"{pattern}"')
    )
    began = time.process_time()
    assert run("check", "t.yaml", "--parameters", parameters(Name=value)) == 0
    assert time.process_time() - began < 5
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_pattern_is_decided_for_short_values_in_another_thread() -> None:
    """A thread cannot be told to end; 16 characters are over soon, or the value is let pass."""
    said = []

    def judge(name: str) -> None:
        try:
            judge_text(TEMPLATE, parameters={"Parameters": {"Word": name}})
            said.append("")
        except ParametersError as error:
            said.append(str(error).partition(";")[0])

    for name in ("A" * 16, "A" * 17):
        thread = threading.Thread(target=judge, args=(name,))
        thread.start()
        thread.join()
    assert said == ["parameters: parameter Word is a value that template.yaml:7 refuses", ""]


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("[^@ ]+@[^@ ]+[.][^@ ]+", "somebody.with.a.name@mail.example.org", "somebody at home"),
        ("([0-9]{1,3}[.]){3}[0-9]{1,3}/[0-9]{1,2}", "10.0.255.255/24", "10.0.255.255"),
        ("arn:aws:sns:[a-z0-9-]+:[0-9]{12}:.+", "arn:aws:sns:eu-central-1:111122223333:x", "arn:x"),
    ],
)
def test_pattern_in_use_is_decided(pattern: str, good: str, bad: str) -> None:
    """An address of mail, a range of addresses, an ARN."""
    Path("t.yaml").write_text(
        TEMPLATE.replace('"[a-z]+", MinLength: 2, MaxLength: 4', f'"{pattern}"')
    )
    assert run("check", "t.yaml", "--parameters", parameters(Name=good)) == 0
    with pytest.raises(UsageError, match="admits"):
        run("check", "t.yaml", "--parameters", parameters(Name=bad))


def test_values_that_a_deployment_may_have_pass() -> None:
    """At the bounds, as text or number; what SSM stores is not known here."""
    good = parameters(
        Open="yes", Days="7", Size=30, Name="abcd", Zones="b,a", Word="ab", Key="/any/Key"
    )
    assert run("check", "t.yaml", "--parameters", good) == 0


def test_file_may_be_shared_by_several_templates() -> None:
    """A name is refused only where no template of the run declares it."""
    Path("other.yaml").write_text(BELOW.replace("Inner", "Env"))
    shared = parameters(Env="prod", Open="no")
    assert run("check", "t.yaml", "other.yaml", "--parameters", shared) == 0
    with pytest.raises(UsageError, match=r"no template in other\.yaml takes a parameter 'Open'"):
        run("check", "other.yaml", "--parameters", shared)


@pytest.mark.parametrize("command", ["check", "cost"])
def test_nested_template_takes_its_parameters_from_its_parent(command: str, here: Path) -> None:
    """So its declaration is none of the deployment's."""
    Path("t.yaml").write_text(ROOT)
    Path("below.yaml").write_text(BELOW)
    assert run(command, ".", "--parameters", parameters(Env="prod")) == 0
    with pytest.raises(UsageError, match="takes a parameter 'Inner'"):
        run(command, ".", "--parameters", parameters(Inner="prod"))


def test_template_that_cannot_be_judged_may_declare_any_name() -> None:
    """The run ends with 3 for that template, and blames no parameter."""
    Path("broken.yaml").write_text("AWSTemplateFormatVersion: '2010-09-09'\nResources: [\n")
    assert run("check", ".", "--parameters", parameters(Opne="yes")) == 3


def test_interface_raises() -> None:
    """`judge_files` and `judge_text` refuse what the command refuses."""
    given = {"Parameters": {"Opne": "yes"}}
    said = r"^parameters: no template in t\.yaml takes a parameter 'Opne'; did you mean Open\?$"
    with pytest.raises(ParametersError, match=said):
        judge_files(["t.yaml"], parameters=given)
    with pytest.raises(ParametersError, match=said):
        judge_text(TEMPLATE, file="t.yaml", parameters=given)


def test_given_value_does_not_narrow_what_a_condition_compares() -> None:
    """As docs/limits.md says: `{"Open": "no"}` is judged first, and `yes` as well."""
    Path("t.yaml").write_text(
        "Parameters:\n  Open: {Type: String, Default: 'no', AllowedValues: ['no', 'yes', soon]}\n"
        "Conditions: {IsOpen: !Equals [!Ref Open, 'yes']}\n"
        "Resources:\n  G:\n    Type: AWS::EC2::SecurityGroup\n    Properties:\n"
        "      SecurityGroupEgress: !If [IsOpen, [{CidrIp: 0.0.0.0/0}], [{CidrIp: 10.0.0.0/8}]]\n"
    )
    report = check([Path("t.yaml")], DEFAULT, {"Parameters": {"Open": "no"}})
    scenarios = [f.scenario for f in report.findings if f.rule.startswith("TL_EGRESS")]
    assert {"Open": "yes"} in scenarios
