"""Many files, two processes and the command: the same report as one process without a cache."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.judge.cache_places import Place
from tests.judge.commands import run
from tests.judge.factory import DEFAULT, TODAY, of_type, template
from tljudge.cli.errors import UsageError
from tljudge.decode.source import Source
from tljudge.engine import evaluate as judge_module
from tljudge.runner.check import check


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Looked at once, and the entry marked."""
    found = Place(tmp_path)
    found.look()
    found.mark()
    return found


def many(folder: Path) -> list[Path]:
    """Templates with faults and without, a broken one and one of another kind."""
    for index in range(60):
        days = {"RetentionInDays": index}
        body = template({f"L{index}": of_type("AWS::Logs::LogGroup", days)})
        (folder / f"t{index:02}.json").write_text(json.dumps(body))
    (folder / "broken.json").write_text('{"Resources": {"A": {"Type": 3}}, "Note": "AWS::"}')
    (folder / "other.json").write_text("{}")
    return [folder]


def test_two_processes_say_what_one_says(tmp_path: Path) -> None:
    """The same report, in the same order, with a cache and without."""
    paths = many(tmp_path)
    one = check(paths, DEFAULT, today=TODAY)
    assert {problem.file for problem in one.errors} == {str(tmp_path / "broken.json")}
    assert len(one.findings) > 60
    assert check(paths, DEFAULT, today=TODAY, processes=2) == one
    assert check(paths, DEFAULT, today=TODAY, processes=3) == one
    for _ in range(2):
        again = check(paths, DEFAULT, today=TODAY, processes=2, cache=tmp_path / ".cache")
        assert again == one


def test_process_that_dies_is_an_error_for_what_it_had_in_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process judges the rest, and the exit code says that some were not."""
    paths = many(tmp_path)
    here, really = os.getpid(), judge_module.decode  # type: ignore[attr-defined]

    def decode(source: Source, given: Any) -> Any:
        if os.getpid() != here and source.path.name == "t03.json":
            os._exit(9)
        return really(source, given)

    monkeypatch.setattr(judge_module, "decode", decode)
    found = check(paths, DEFAULT, today=TODAY, processes=2)
    ended = {Path(one.file).name for one in found.errors if "was ended" in one.message}
    judged = {Path(one.file).name for one in found.findings}
    everything = {f"t{index:02}.json" for index in range(60)}
    assert "t03.json" in ended
    assert ended | judged | {"other.json", "broken.json"} >= everything
    assert ended.isdisjoint(judged)
    assert len(ended) < 40
    assert found.exit_code() == 3


def test_command_remembers_unless_told_not_to(
    tmp_path: Path, cache_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the user's cache; and the words of both runs are the same."""
    place, said = Place(tmp_path), []
    kept = cache_home / "tinyllama-on-demand" / "verdicts"
    for words, entries in (
        (["--no-cache"], 0), (["--jobs", "1"], 1), ([], 1), (["--no-cache", "--jobs", "2"], 1)
    ):  # fmt: skip
        assert run("check", str(place.file), *words) == 1
        said.append(capsys.readouterr().out)
        assert len(list(kept.glob("*"))) == entries
    assert len(set(said)) == 1
    for jobs in ("0", "65", "99999999"):
        with pytest.raises(UsageError, match=f"--jobs is {jobs}; it takes 1 to 64"):
            run("check", str(place.file), "--jobs", jobs)
