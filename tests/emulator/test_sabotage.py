"""Every sabotage still fits the tree, and one that does not is an error."""

import shutil
import sys
from pathlib import Path

import pytest

from e2e import sabotage
from e2e.smoke import STAGES
from tljudge.cli import main
from tools.deploy.environments import ROOT


@pytest.mark.parametrize("one", sabotage.ALL, ids=lambda s: s.name)
def test_sabotage_fits_the_tree(one: sabotage.Sabotage, tmp_path: Path) -> None:
    """Found out here in a moment, not after twenty smokes."""
    sabotage.apply(one, ROOT, tmp_path)
    changed = (tmp_path / one.file).read_text()
    assert changed != (ROOT / one.file).read_text()


def test_sabotages_name_stages_that_exist() -> None:
    """And between them nearly every stage has one that it must notice."""
    named = {one.stage for one in sabotage.ALL}
    stages = [stage.name for stage in STAGES if not (stage.guest or stage.records)]
    assert [name for name in stages if name not in named] == [
        "boot", "sign in", "ping", "stop", "destroy",
    ]  # fmt: skip
    assert named <= set(stages)


def test_sabotage_that_no_longer_fits_is_an_error(tmp_path: Path) -> None:
    """It would otherwise pass for one that was noticed, or for one that was missed."""
    gone = sabotage.Sabotage("gone", "ping", "cloudformation/edge.yaml", "no such text", "")
    with pytest.raises(sabotage.InapplicableSabotage, match="holds its text 0 times, not once"):
        sabotage.apply(gone, ROOT, tmp_path)


def test_sabotage_without_a_result_is_missed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A process that ends before it has written one has noticed nothing."""
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    assert main.main(["sabotage", "--jobs", "3"]) == 1
    assert capsys.readouterr().out.endswith(
        f"sabotage: 0 of {len(sabotage.ALL)} noticed at the stage that should\n"
    )


@pytest.mark.parametrize("jobs", ["0", "65"])
def test_sabotage_needs_a_job(jobs: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and exit code 2."""
    assert main.main(["sabotage", "--jobs", jobs]) == 2
    assert capsys.readouterr().err == f"sabotage: --jobs is {jobs}; it takes 1 to 64\n"


def test_only_may_be_given_several_times(capsys: pytest.CaptureFixture[str]) -> None:
    """Each in its turn, once; a name that is none is refused, also beside one that is."""
    names = ["two resizes win", "wrong table of errors", "two resizes win"]
    only = [word for name in names for word in ("--only", name)]
    assert main.main(["sabotage", "--list", *only]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "resize         two resizes win",
        "cache loss     wrong table of errors",
    ]
    assert main.main(["sabotage", "--list", *only, "--only", "two"]) == 2
    assert "no sabotage is called 'two'" in capsys.readouterr().err
