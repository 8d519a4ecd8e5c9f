"""The public interface is what its pages say: every example runs, every name is described."""

import dataclasses
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tljudge
from tests.judge.test_docs import FENCE, FILE, ROOT, run, tl_in, transcript

PAGES = {"api": ROOT / "docs" / "api.md", "readme": ROOT / "compliance" / "tljudge" / "README.md"}


def examples(page: Path) -> list[tuple[str, str, str]]:
    """(language, text, file) of each fenced block of a page."""
    text = page.read_text("utf-8")
    rows = []
    for match in FENCE.finditer(text):
        named = FILE.search(text[: match.start()])
        rows.append((match[1], match[2], named[1] if named else ""))
    return rows


def run_page(page: Path, tmp_path: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """What a page says that its commands and scripts print, and what they print."""
    bin_folder, folder = tl_in(tmp_path / "bin"), tmp_path / "folder"
    folder.mkdir()
    said, seen, printed = [], [], ""
    for language, text, file in examples(page):
        if file:
            (folder / file).write_text(text)
        elif language == "console":
            said += transcript(text)
            seen += [(command, run(command, folder, bin_folder)) for command, _ in transcript(text)]
        elif language == "python":
            done = subprocess.run(
                [sys.executable, "-c", text], cwd=folder, check=False, text=True, timeout=60,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env={"PYTHONPATH": str(ROOT / "compliance")},
            )  # fmt: skip
            printed = done.stdout
        elif language == "text":
            said.append(("script", text))
            seen.append(("script", printed))
    return said, seen


@pytest.mark.parametrize("name", PAGES)
def test_examples_print_what_the_page_says(tmp_path: Path, name: str) -> None:
    """Files, commands and scripts in the order of the page; each script's output follows it."""
    said, seen = run_page(PAGES[name], tmp_path)
    assert seen == said
    assert said


def test_another_output_would_be_noticed(tmp_path: Path) -> None:
    """The comparison can fail."""
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1)\n```\n\n```text\n2\n```\n")
    assert run_page(page, tmp_path) == ([("script", "2\n")], [("script", "1\n")])


def test_page_names_every_public_name_and_field() -> None:
    """The table of stable attributes has all of `__all__`, and the fields the classes have."""
    rows = re.findall(r"^\| (`.+?) \| (.+) \|$", PAGES["api"].read_text("utf-8"), re.MULTILINE)
    table = {
        name: attributes for names, attributes in rows for name in names.strip("`").split("`, `")
    }
    assert sorted(table) == sorted(tljudge.__all__)
    for name in ("Finding", "Problem", "Report"):
        listed = re.findall(r"`(\w+)(?:\(\))?`", table[name])
        fields = [one.name for one in dataclasses.fields(getattr(tljudge, name))]
        assert [one for one in fields if one not in listed] == []
        assert [one for one in listed if not hasattr(getattr(tljudge, name), one)] == []


def test_parameters_keep_their_names() -> None:
    """A caller passes them by name."""
    assert {
        name: list(inspect.signature(getattr(tljudge, name)).parameters)
        for name in ("judge_files", "judge_text", "load_policy")
    } == {
        "judge_files": ["paths", "policy", "parameters"],
        "judge_text": ["text", "file", "policy", "parameters"],
        "load_policy": ["path"],
    }


def test_everything_public_has_a_docstring() -> None:
    """`help(tljudge)` answers."""
    assert [
        name for name in tljudge.__all__ if name != "__version__"
        and not (getattr(tljudge, name).__doc__ or "").strip()
    ] == []  # fmt: skip


def test_judge_text_equals_judge_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same template, read from disk or handed over."""
    monkeypatch.chdir(tmp_path)
    text = "Resources: {L: {Type: AWS::Logs::LogGroup}}\n"
    Path("t.yaml").write_text(text)
    from_file, from_text = tljudge.judge_files(["t.yaml"]), tljudge.judge_text(text, file="t.yaml")
    assert from_text == from_file
    assert [one.rule for one in from_file.findings] == ["TL_LOGS_1", "TL_TAGS_1"]


def test_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name is not imported lazily."""
    with pytest.raises(AttributeError, match="module 'tljudge' has no attribute 'judge'"):
        tljudge.judge  # noqa: B018
