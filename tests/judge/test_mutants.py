"""The mutation run over our templates: every mutant is killed by a rule that should notice."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.judge.factory import TODAY
from tests.judge.mutant_sets import (
    FIXTURES,
    NOT_ASKED,
    OUR_TEMPLATES,
    ROOT,
    fixtures,
    our_templates,
)
from tljudge.decode.loader import load
from tljudge.engine import policy as policies
from tljudge.mutation import ALL
from tljudge.mutation import report as report
from tljudge.mutation.score import Score
from tljudge.mutation.target import (
    broken,
    long_form,
    text_of,
)
from tljudge.rules import ALL as RULES
from tljudge.runner.check import check

# ---- the run ----


@pytest.mark.timeout(1800)
def test_every_mutant_is_killed_by_a_rule_that_should_notice(score: Score) -> None:
    """And knows what can be known; no argument is left over, every operator made sense."""
    assert [f"{one.where}: {one.operator}" for one in score.of("survived")] == []
    assert [(one.where, one.operator, one.killed_by) for one in score.unexpected] == []
    assert (score.inapplicable, score.stale, score.exit_code()) == ((), (), 0)


@pytest.mark.timeout(1800)
def test_there_are_enough_mutants_and_each_operator_makes_some(score: Score) -> None:
    """At least 300 that break something, at least 25 faults, in all our templates."""
    names = [one.name for one in ALL]
    assert sorted(names) == sorted(set(names))
    assert set(names) == {one.operator for one in score.mutants}
    assert len({one.fault for one in ALL}) >= 25
    assert score.total >= 300
    files = {Path(one.file) for one in score.mutants}
    assert files == {*OUR_TEMPLATES.glob("*.yaml"), *FIXTURES.rglob("*.yaml")}


@pytest.mark.timeout(1800)
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
            capture_output=True, text=True, cwd=ROOT, timeout=300, check=True,
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
