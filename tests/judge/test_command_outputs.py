"""What a command writes: no input is lost, and an earlier report is replaced."""

from pathlib import Path

import pytest

from tests.judge.commands import run
from tljudge.cli.errors import UsageError

TEMPLATE = "Resources:\n  L:\n    Type: AWS::Logs::LogGroup\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with templates, one of them broken, and the files of the options."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Path("none").mkdir()
    Path("t.yaml").write_text(TEMPLATE)
    Path("broken.yml").write_text("AWSTemplateFormatVersion: x\nResources: [\n")
    Path("broken.txt").write_text("no template\n")
    Path("good.toml").write_text("[tags]\nrequired = []\n")
    Path("good.json").write_text('{"Tags": {}}')
    Path("link.yaml").symlink_to("good.toml")


OVERWRITES = {
    "check broken.txt --output broken.txt": "broken.txt is judged",
    "check . --output t.yaml": "t.yaml is a template, and would be lost",
    "check none --output broken.yml": "broken.yml is a template, and would be lost",
    "check . --policy good.toml --output good.toml": "good.toml is read as --policy",
    "check . --policy good.toml --output link.yaml": "link.yaml is read as --policy",
    "check . --parameters good.json --output ./good.json": "good.json is read as --parameters",
    "check . --baseline good.json --output good.json": "good.json is read as --baseline",
    "check . --write-baseline t.yaml": "t.yaml is a template, and would be lost",
    "check . --write-baseline new --output new": "new is written as --write-baseline",
    "cost . --chart t.yaml": "t.yaml is a template, and would be lost",
    "cost . --policy good.toml --chart good.toml": "good.toml is read as --policy",
    "mutate --json t.yaml .": "t.yaml is a template, and would be lost",
    "mutate . --policy good.toml --json good.toml": "good.toml is read as --policy",
}


@pytest.mark.parametrize("words", OVERWRITES)
def test_output_does_not_overwrite_an_input(words: str, tmp_path: Path) -> None:
    """Before any work: an option that swallows the next word must not cost a template."""
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(UsageError) as caught:
        run(*words.split())
    said = f"{words.split()[0]}: {OVERWRITES[words]}; name another file to write"
    assert str(caught.value) == said
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("style", ["text", "json", "sarif", "junit", "github"])
@pytest.mark.parametrize("name", ["report", "report.json"])
def test_output_replaces_the_report_of_an_earlier_run(style: str, name: str) -> None:
    """A report quotes templates, and is none."""
    words = ("check", "t.yaml", "--format", style, "--output", name)
    assert [run(*words), run(*words)] == [1, 1]


def test_baseline_and_chart_and_mutants_are_replaced() -> None:
    """The second run writes over what the first one wrote."""
    Path("r.json").write_text("t.yaml:1 AWS::Logs::LogGroup, of a run with --format text")
    for words in (
        ("check", "t.yaml", "--output", "r.json"),
        ("check", "t.yaml", "--write-baseline", "b.json"),
        ("cost", "t.yaml", "--chart", "c.svg"),
        ("mutate", "t.yaml", "--jobs", "1", "--json", "m.json"),
    ):
        assert run(*words) == run(*words) < 2


def test_region_that_is_empty_is_refused() -> None:
    """An unset shell variable must not mean the policy's region."""
    with pytest.raises(UsageError, match=r"^cost: no prices for region '' in "):
        run("cost", "t.yaml", "--region", "")


def test_stack_policy_of_a_pipeline_is_ignored() -> None:
    """CodePipeline's file may hold one, and it changes no value."""
    Path("good.json").write_text('{"Tags": {}, "StackPolicy": {"Statement": []}}')
    assert run("check", "t.yaml", "--parameters", "good.json") == 1
