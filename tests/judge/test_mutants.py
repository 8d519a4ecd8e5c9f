"""Mutants: every break is caught, by the rule that should; and what says so would say if not."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.judge import commands
from tests.judge.factory import TODAY, of_type, ours, template
from tljudge.cli.clone import Clone
from tljudge.cli.errors import UsageError
from tljudge.decode.loader import load
from tljudge.decode.parameter_file import read_parameters
from tljudge.engine import policy as policies
from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule
from tljudge.mutation import ALL
from tljudge.mutation import report as report
from tljudge.mutation.edits import GONE, Break, Edit
from tljudge.mutation.equivalents import EQUIVALENT, Equivalent
from tljudge.mutation.obfuscations import KNOWN
from tljudge.mutation.operator import Operator
from tljudge.mutation.parallel_run import parallel_run
from tljudge.mutation.run import MutantError, run
from tljudge.mutation.score import InapplicableMutation, Mutant, Score, scored
from tljudge.mutation.target import (
    MutationTarget,
    TemplateSet,
    broken,
    long_form,
    template_sets,
    text_of,
)
from tljudge.rules import ALL as RULES
from tljudge.runner.check import check

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests/fixtures/mutants"
OUR_TEMPLATES = ROOT / "cloudformation"
# Our policies let nothing survive, so the rule for those who do is not asked.
NOT_ASKED = {"TL_COST_4"}


def fixtures() -> list[TemplateSet]:
    """The fixtures under their own policy."""
    return template_sets([FIXTURES], policies.load(FIXTURES / "policy.toml"))


def our_templates(policy: Policy | None = None) -> list[TemplateSet]:
    """Ours, as the development environment deploys them."""
    given = read_parameters(OUR_TEMPLATES / "parameters/dev.json")
    return template_sets([OUR_TEMPLATES], policy or ours(), given)


@pytest.fixture(scope="module")
def score() -> Score:
    """The whole run: every operator, everywhere it fits."""
    return scored(parallel_run([*our_templates(), *fixtures()], ALL), ALL, EQUIVALENT)


# ---- the run ----


@pytest.mark.timeout(600)
def test_every_mutant_is_killed_by_a_rule_that_should_notice(score: Score) -> None:
    """And knows what can be known; no argument is left over, every operator made sense."""
    assert [f"{one.where}: {one.operator}" for one in score.of("survived")] == []
    assert [(one.where, one.operator, one.killed_by) for one in score.unexpected] == []
    assert (score.inapplicable, score.stale, score.exit_code()) == ((), (), 0)


@pytest.mark.timeout(600)
def test_there_are_enough_mutants_and_each_operator_makes_some(score: Score) -> None:
    """At least 300 that break something, at least 25 faults, in all our templates."""
    names = [one.name for one in ALL]
    assert sorted(names) == sorted(set(names))
    assert set(names) == {one.operator for one in score.mutants}
    assert len({one.fault for one in ALL}) >= 25
    assert score.total >= 300
    files = {Path(one.file) for one in score.mutants}
    assert files == {*OUR_TEMPLATES.glob("*.yaml"), *FIXTURES.rglob("*.yaml")}


@pytest.mark.timeout(600)
def test_every_rule_is_what_some_operator_is_about_and_kills(score: Score) -> None:
    """A rule that no mutant needs is not shown to work."""
    ids = {rule.id for rule in RULES}
    assert {rule for one in ALL for rule in one.expected} == ids | {"TL_TEMPLATE_1"}
    killers = {rule for one in score.mutants for rule in one.killed_by if "(" not in rule}
    assert ids - killers == NOT_ASKED


def changes() -> Iterator[tuple[str, str, str]]:
    """Operator, file and content of each mutant, without judging it."""
    for template_set in (*our_templates(), *fixtures()):
        for target in template_set.targets:
            for operator in ALL:
                for edits in operator.apply(target):
                    bodies = broken(template_set, target, edits)
                    yield operator.name, template_set.display(target.file), json.dumps(bodies)


def test_no_two_mutants_are_the_same() -> None:
    """The same break under two names would count twice."""
    named: dict[tuple[str, str], list[str]] = {}
    for operator, file, content in changes():
        named.setdefault((file, content), []).append(operator)
    assert [names for names in named.values() if len(names) > 1] == []


def test_mutants_are_the_same_in_the_same_order_each_time() -> None:
    """Whatever the order of sets is in a process."""
    program = (
        "import hashlib\nfrom tests.judge.test_mutants import changes\n"
        "print(hashlib.sha256(repr(list(changes())).encode()).hexdigest())"
    )
    paths = f"{ROOT}{os.pathsep}{ROOT / 'compliance'}"
    said = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed, "PYTHONPATH": paths},
            capture_output=True, text=True, cwd=ROOT, timeout=100, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(said) == 1


def test_ground_has_no_finding_and_is_the_same_in_long_form(tmp_path: Path) -> None:
    """What a mutant is compared with is what `tl check` says of the file as it was written."""
    policy = policies.load(FIXTURES / "policy.toml")
    assert check([FIXTURES], policy, today=TODAY).findings == []
    for path in (*FIXTURES.rglob("*.yaml"), *OUR_TEMPLATES.glob("*.yaml")):
        again = tmp_path / path.name
        template_of = load(path)
        again.write_text(text_of({"Resources": long_form(template_of.resources)} | {
            name: long_form(getattr(template_of, name.lower()))
            for name in ("Parameters", "Mappings", "Conditions")
        } | {"Transform": list(template_of.transforms)}))  # fmt: skip
        assert long_form(load(again).resources) == long_form(template_of.resources)


# ---- the guard trips ----


def without(rule: str) -> list[Rule]:
    """Every rule but one."""
    return [one for one in RULES if one.id != rule]


def first_of(rule: str) -> Operator:
    """The first operator that only this rule should notice."""
    return next(one for one in ALL if one.expected == (rule,))


@pytest.mark.parametrize("rule", [one.id for one in RULES if one.id not in NOT_ASKED])
def test_without_a_rule_its_mutants_survive(rule: str) -> None:
    """The score falls: mutants survive, or another rule notices that should not have to."""
    operator = first_of(rule)
    found = scored(run(fixtures(), [operator], without(rule), today=TODAY), [operator], ())
    assert found.mutants
    assert {*found.of("survived"), *found.unexpected} == set(found.mutants)
    whole = scored(run(fixtures(), [operator], RULES, today=TODAY), [operator], ())
    assert (whole.of("survived"), whole.unexpected) == ([], [])


def test_rule_that_our_policies_do_not_ask_kills_under_one_that_does() -> None:
    """A database whose last snapshot nobody asked for, where a stack may leave things behind."""
    operator = next(one for one in ALL if one.name == "database-added")
    policy = policies.load(FIXTURES / "policy.toml")
    loose = replace(policy, cost=replace(policy.cost, nothing_survives=False))
    kept = [one for one in RULES if one.id in operator.expected]
    found = run(template_sets([FIXTURES / "bills.yaml"], loose), [operator], kept, today=TODAY)
    assert [one.killed_by for one in found if isinstance(one, Mutant)] == [("TL_COST_4",)]


def test_waiver_of_a_whole_rule_hides_what_is_new() -> None:
    """So a waiver names the message it is about; without, mutants survive in its resource."""
    operators = [one for one in ALL if one.fault == "resource-all" and not one.obfuscation]
    wide = replace(ours(), waivers=tuple(replace(one, message="") for one in ours().waivers))
    found = scored(run(our_templates(wide), operators, RULES, today=TODAY), operators, ())
    assert {one.resource for one in found.of("survived")} == {"RouterRole", "QueueHealthRole"}


GROUP = template({"G": of_type("AWS::EC2::SecurityGroup", {"GroupDescription": "x"})})


def ground_of(folder: Path, body: dict[str, Any]) -> list[TemplateSet]:
    """One template under the built-in policy."""
    (folder / "t.yaml").write_text(json.dumps(body))
    return template_sets([folder / "t.yaml"], policies.load())


def operator_of(*edits: Edit, expected: str = "TL_EGRESS_1") -> Operator:
    """An operator that always makes the same break."""

    def apply(target: MutationTarget) -> Iterator[Break]:
        yield edits

    return Operator("mine", "breaks one thing", (expected,), apply)


def judged(folder: Path, body: dict[str, Any], *edits: Edit) -> list[Mutant | InapplicableMutation]:
    """The mutants of one operator."""
    return list(run(ground_of(folder, body), [operator_of(*edits)], RULES, today=TODAY))


OTHER = Edit(("Resources", "G", "Properties", "GroupDescription"), "y")


def test_finding_that_was_there_before_kills_nothing(tmp_path: Path) -> None:
    """The group was open already; the survivor is shown with its diff."""
    (one,) = judged(tmp_path, GROUP, OTHER)
    path = tmp_path / "t.yaml"
    assert one == Mutant(
        operator="mine",
        file=str(path),
        line=1,
        resource="G",
        place="GroupDescription",
        expected=False,
        diff=f"""\
--- {path}
+++ {path} (mine)
@@ -2,4 +2,4 @@
   G:
     Type: AWS::EC2::SecurityGroup
     Properties:
-      GroupDescription: x
+      GroupDescription: y""",
    )


def test_what_is_no_mutant_is_an_error(tmp_path: Path) -> None:
    """One that leads nowhere, or that nobody could deploy."""
    top = ("Resources", "G", "Properties")
    for edit, words in (
        (Edit((*top, "VpcId"), GONE), "mine edits a place that does not exist"),
        (Edit((*top, "VpcId"), {"Ref": "Nobody"}), "mine makes an invalid template"),
    ):
        with pytest.raises(MutantError, match=words):
            judged(tmp_path, GROUP, edit)


def test_break_that_changes_nothing_is_no_mutant(tmp_path: Path) -> None:
    """It is said, and counts for nothing."""
    same = Edit(OTHER.path, "x")
    why = "changes nothing: the template has this value already"
    assert judged(tmp_path, GROUP, same) == [
        InapplicableMutation("mine", str(tmp_path / "t.yaml"), why)
    ]


def test_operator_is_used_where_the_policy_asks_what_it_breaks(tmp_path: Path) -> None:
    """The built-in policy asks nothing about what stays after a stack."""
    asked = operator_of(OTHER, expected="TL_COST_3")
    assert list(run(ground_of(tmp_path, GROUP), [asked], RULES, today=TODAY)) == []
    assert len(judged(tmp_path, GROUP, OTHER)) == 1


def test_operator_that_makes_no_sense_of_a_template_is_said(tmp_path: Path) -> None:
    """And the others go on."""

    def apply(target: MutationTarget) -> Iterator[Break]:
        yield (OTHER,)
        raise KeyError("Properties")

    operator = Operator("mine", "breaks one thing", ("TL_EGRESS_1",), apply)
    found = scored(run(ground_of(tmp_path, GROUP), [operator], RULES), [operator], ())
    why = "KeyError: 'Properties'"
    assert found.inapplicable == (InapplicableMutation("mine", str(tmp_path / "t.yaml"), why),)
    assert len(found.mutants) == 1


def test_known_fault_that_a_rule_only_does_not_know_is_not_as_expected(tmp_path: Path) -> None:
    """UNKNOWN kills, and is enough only where nobody can know."""
    closed = {"IpProtocol": "tcp", "CidrIp": "10.0.0.0/8", "FromPort": 1, "ToPort": 1}
    body = template({"G": of_type("AWS::EC2::SecurityGroup", {"SecurityGroupEgress": [closed]})})
    place = ("Resources", "G", "Properties", "SecurityGroupEgress", 0, "CidrIp")
    operator = operator_of(Edit(place, {"Fn::ImportValue": "x"}))
    (sure,) = run(ground_of(tmp_path, body), [operator], RULES, today=TODAY)
    (doubted,) = run(
        ground_of(tmp_path, body), [replace(operator, doubtful=True)], RULES, today=TODAY
    )
    assert isinstance(sure, Mutant)
    assert isinstance(doubted, Mutant)
    assert (sure.killed_by, sure.expected) == (("TL_EGRESS_1 (unknown)",), False)
    assert (doubted.killed_by, doubted.expected) == (("TL_EGRESS_1 (unknown)",), True)


def test_fault_that_is_off_by_default_is_found_with_the_value_that_turns_it_on(
    tmp_path: Path,
) -> None:
    """Two stacks down, through the parameters that are passed."""
    (one,) = [one for one in fixtures() if one.root == "parent.yaml"]
    (child,) = [target for target in one.targets if target.above]
    (operator,) = [one for one in ALL if one.name == "egress-world-if"]
    (edits,) = operator.apply(child)
    bodies = {target.file: target.body for target in one.targets} | broken(one, child, edits)
    for file, body in bodies.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text_of(body))
    (found,) = check([tmp_path / "parent.yaml"], one.policy, today=TODAY).findings
    assert (found.rule, found.resource) == ("TL_EGRESS_1", "Group")
    assert found.scenario == {"MutantSwitch": "true", "Range": "10.20.3.240/28"}


def test_every_disguise_is_used_and_by_more_than_one_fault() -> None:
    """A way to hide that only one family knows is a family's own."""
    used = Counter(one.obfuscation for one in ALL)
    assert [one.name for one in KNOWN if used[one.name] < 2] == []


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


@pytest.mark.timeout(600)
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
    assert "\nsurvived:" in capsys.readouterr().out
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
        ([str(empty), "--jobs", "-1"], "write 0 or more"),
    ):
        with pytest.raises(UsageError, match=words):
            command(*arguments)
    assert command(str(broken_one)) == 3
    assert capsys.readouterr().err.startswith(f"mutate: {broken_one}:1: T: Type is not text")
