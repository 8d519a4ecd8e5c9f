"""The mutation run trips: without a rule its mutants survive, and what is no mutant is an error."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.judge.factory import TODAY, of_type, ours, template
from tests.judge.mutant_sets import FIXTURES, NOT_ASKED, fixtures, operator_of, our_templates
from tljudge.engine import policy as policies
from tljudge.engine.rule import Rule
from tljudge.mutation import ALL
from tljudge.mutation import report as report
from tljudge.mutation.edits import GONE, Break, Edit
from tljudge.mutation.obfuscations import KNOWN
from tljudge.mutation.operator import Operator
from tljudge.mutation.run import MutantError, run
from tljudge.mutation.score import InapplicableMutation, Mutant, scored
from tljudge.mutation.target import (
    MutationTarget,
    TemplateSet,
    broken,
    template_sets,
    text_of,
)
from tljudge.rules import ALL as RULES
from tljudge.runner.check import check

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
    assert {one.resource for one in found.of("survived")} == {
        "QueueHealthRole", "ResizeRole", "RouterRole", "StopRole", "WakerRole",
    }  # fmt: skip


GROUP = template({"G": of_type("AWS::EC2::SecurityGroup", {"GroupDescription": "x"})})


def ground_of(folder: Path, body: dict[str, Any]) -> list[TemplateSet]:
    """One template under the built-in policy."""
    (folder / "t.yaml").write_text(json.dumps(body))
    return template_sets([folder / "t.yaml"], policies.load())


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
    why = "the template has no 'Properties' where the operator looks"
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
