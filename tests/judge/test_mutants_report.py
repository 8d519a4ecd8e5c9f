"""What the mutation run says: arguments for survivors, the report and the command."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.judge import commands
from tests.judge.factory import of_type, template
from tests.judge.mutant_sets import ROOT, operator_of
from tljudge.cli.clone import Clone
from tljudge.cli.errors import UsageError
from tljudge.mutation import ALL
from tljudge.mutation import report as report
from tljudge.mutation.equivalents import Equivalent
from tljudge.mutation.score import Mutant, Score, scored

# ---- arguments for survivors ----


def survivor(**changed: Any) -> Mutant:
    return replace(Mutant("mine", "a/t.yaml", 3, "G", "P", (), False, "-x\n+y"), **changed)


ARGUMENT = Equivalent("mine", "t.yaml", "G", "P", "it is a name")


def test_argued_survivor_breaks_nothing() -> None:
    """It is counted apart, and the run passes."""
    found = scored([survivor()], [operator_of()], [ARGUMENT])
    assert (found.mutants, found.stale) == ((survivor(reason="it is a name"),), ())
    assert (found.of("equivalent"), found.total, found.exit_code()) == ([found.mutants[0]], 0, 0)


@pytest.mark.parametrize(
    "changed",
    [{"killed_by": ("TL_X",)}, {"resource": "H"}, {"place": "Q"}],
)
def test_argument_for_what_is_no_survivor_fails(changed: dict[str, Any]) -> None:
    """It was killed since, or it is not there any more."""
    found = scored([survivor(**changed)], [operator_of()], [ARGUMENT])
    assert (found.stale, found.exit_code()) == ((ARGUMENT,), 1)


def test_argument_for_what_was_not_run_is_left_alone() -> None:
    """Another operator, another file."""
    others = [replace(ARGUMENT, operator="other"), replace(ARGUMENT, file="u.yaml")]
    found = scored([survivor(killed_by=("TL_X",))], [operator_of()], others)
    assert (found.stale, found.exit_code()) == ((), 0)


# ---- the report and the command ----


def test_report_has_a_line_a_fault_and_the_diff_of_each_survivor() -> None:
    """The last line is the result."""
    killed = survivor(killed_by=("TL_EGRESS_1", "TL_IAM_1 (unknown)"), expected=True)
    odd = survivor(killed_by=("TL_IAM_1",), place="Q")
    found = scored([survivor(), killed, odd], [operator_of()], ())
    assert (
        report.render(found)
        == """\
operator                         mutants  killed  by
mine                                   3       2  TL_EGRESS_1, TL_IAM_1
                                                  (unknown), TL_IAM_1

survived: a/t.yaml:3 G P: mine
-x
+y

killed by an unexpected rule, or only by UNKNOWN:
a/t.yaml:3 G Q: mine: TL_IAM_1

mutate: FAIL: 2 of 3 mutants killed (1 operators, 0 equivalent)
"""
    )


@pytest.mark.timeout(1800)
def test_report_is_readable_at_80_columns(score: Score) -> None:
    """All of it, with the names there are."""
    lines = report.render(score).splitlines()
    assert [line for line in lines if len(line) > 80] == []
    total, count = score.total, len(ALL)
    expected = f"mutate: PASS: {total} of {total} mutants killed ({count} operators, 0 equivalent)"
    assert lines[-1] == expected


def test_json_has_every_mutant_and_the_score() -> None:
    """The contract other programs read."""
    found = scored([survivor(), survivor(killed_by=("TL_X",))], [operator_of()], ())
    document = json.loads(report.as_json(found))
    assert document["score"] == {
        "mutants": 2, "killed": 1, "survived": 1, "equivalent": 0, "percent": 50.0, "operators": 1,
    }  # fmt: skip
    assert document["mutants"][1] == {
        "operator": "mine", "file": "a/t.yaml", "line": 3, "resource": "G", "place": "P",
        "killed_by": ["TL_X"], "expected": False, "diff": "-x\n+y", "reason": "", "state": "killed",
    }  # fmt: skip


def command(*arguments: str) -> int:
    """`tl mutate` in a clone."""
    return commands.run("mutate", *arguments, clone=Clone(root=ROOT))


def test_command_breaks_anybodys_template(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a waiver hides survives; JSON to standard output or a file."""
    rule = {"IpProtocol": "-1", "CidrIp": "10.0.0.0/8"}
    body = template({"G": of_type("AWS::EC2::SecurityGroup", {"SecurityGroupEgress": [rule]})})
    path, policy, out = tmp_path / "t.json", tmp_path / "p.toml", tmp_path / "out.json"
    path.write_text(json.dumps(body))
    named = [str(path), "--operator", "egress-omitted", "--jobs", "1"]
    assert command(*named) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1] == (
        "mutate: PASS: 2 of 2 mutants killed (2 operators, 0 equivalent)"
    )
    assert shown.err == f"mutate: {path}: 2 mutants, 0 survived\n"
    policy.write_text(
        '[[waivers]]\nrule = "TL_EGRESS_1"\nresource = "G"\nreason = "r"\nexpires = 2999-01-01\n'
        '[tags]\nrequired = []\n'
    )  # fmt: skip
    assert command(*named, "--policy", str(policy), "--json", str(out)) == 1
    # Where the name is long, what follows stands in the next line.
    said = " ".join(capsys.readouterr().out.split())
    assert f"survived: {path}:1 G SecurityGroupEgress: egress-omitted" in said
    assert command(*named, "--policy", str(policy), "--json") == 1
    assert json.loads(capsys.readouterr().out) == json.loads(out.read_text())


def test_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name nobody knows, a path that is not there, nothing to break, no template."""
    empty, broken_one = tmp_path / "t.yaml", tmp_path / "b.yaml"
    empty.write_text("Resources: {T: {Type: 'AWS::CloudFormation::WaitConditionHandle'}}\n")
    broken_one.write_text("Resources: {T: {Type: 3}}\n")
    for arguments, words in (
        (["--operator", "egress-omited"], "near are egress-omitted"),
        ([str(tmp_path / "nowhere")], "no file or folder"),
        ([str(empty), "--operator", "tag-empty"], "no operator applies to these templates"),
        ([str(empty), "--policy", "nowhere"], "nowhere"),
        ([str(empty), "--json", "nowhere/x"], "no folder"),
        ([str(empty), "--jobs", "-1"], "it takes 0 to 64"),
    ):
        with pytest.raises(UsageError, match=words):
            command(*arguments)
    said = f"mutate: {broken_one}:1: T: Type is not text"
    assert command(str(broken_one)) == 3
    assert capsys.readouterr().out.startswith(said)
    # Where a program reads standard output as JSON, a person reads the line beside it.
    assert command(str(broken_one), "--json") == 3
    shown = capsys.readouterr()
    assert (shown.out, shown.err.startswith(said)) == ("", True)
