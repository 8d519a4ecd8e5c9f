"""Fragments of the changelog: towncrier can sort each, and each says something to its reader."""

import re
import sys
from pathlib import Path
from subprocess import run

import pytest

from tests.project.documents import ROOT

FOLDER = ROOT / "changelog.d"
TYPES = ("breaking", "security", "added", "changed", "fixed")
NAME = re.compile(rf"\+[a-z0-9-]+\.({'|'.join(TYPES)})\.md")
MOST_CHARACTERS = 500


def faults(name: str, text: str) -> list[str]:
    """What is wrong with a fragment, each with what to do."""
    words = text.strip()
    return [
        fault
        for fault, is_there in {
            f"name it +SLUG.TYPE.md, with a type of {', '.join(TYPES)}": not NAME.fullmatch(name),
            "write at least one sentence": not words,
            "begin with a capital or with code": bool(words) and not re.match(r"[A-Z`]", words),
            "end with a full stop": bool(words) and not words.endswith("."),
            "keep to one paragraph without a list or heading": bool(
                re.search(r"\n\s*\n|^[-*#]", words)
            ),
            f"shorten it to {MOST_CHARACTERS} characters": len(words) > MOST_CHARACTERS,
        }.items()
        if is_there
    ]


def test_fragments_are_well_formed() -> None:
    """As changelog.d/README.md says; the release reads them as they stand."""
    wrong = {
        path.name: found
        for path in sorted(FOLDER.iterdir())
        if path.name != "README.md" and (found := faults(path.name, path.read_text("utf-8")))
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("+a.added.md", "`tl` says more.\n", []),
        ("a.added.md", "A.", ["name it"]),
        ("+a.feature.md", "A.", ["name it"]),
        ("+a.added.txt", "A.", ["name it"]),
        ("+a.added.md", "\n", ["write at least"]),
        ("+a.added.md", "a", ["begin with", "end with"]),
        ("+a.added.md", "A.\n\nB.", ["keep to one"]),
        ("+a.added.md", "- A.", ["begin with", "keep to one"]),
        ("+a.added.md", "A" * 501 + ".", ["shorten it"]),
    ],
)
def test_malformed_fragment_is_noticed(name: str, text: str, told: list[str]) -> None:
    """One of each kind."""
    assert [
        fault.startswith(begin) for fault, begin in zip(faults(name, text), told, strict=True)
    ] == [True] * len(told)


def test_readme_of_the_folder_names_every_type() -> None:
    """The convention, the test and towncrier's settings know the same types."""
    listed = re.findall(r"^\| `(\w+)` \|", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)
    settings = re.findall(r'\{ directory = "(\w+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    assert (tuple(listed), tuple(settings)) == (TYPES, TYPES)


def towncrier(folder: Path) -> tuple[int, str]:
    """Exit code of a draft and what it prints, with the project's settings."""
    program = Path(sys.executable).with_name("towncrier")
    done = run([program, "build", "--draft", "--version", "9.9.9", "--dir", str(folder)],
               capture_output=True, text=True, check=False, timeout=60)  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_towncrier_collects_every_fragment() -> None:
    """What stands in the folder is what the next version's section says."""
    code, page = towncrier(ROOT)
    assert code == 0, page
    flat = " ".join(page.split())
    lost = [path.name for path in FOLDER.glob("+*.md")
            if " ".join(path.read_text("utf-8").split()) not in flat]  # fmt: skip
    assert lost == []


def test_towncrier_refuses_another_file(tmp_path: Path) -> None:
    """A fragment of an unknown type would be left out of the release without a word."""
    (tmp_path / "changelog.d").mkdir()
    (tmp_path / "changelog.d" / "+a.feature.md").write_text("A.")
    (tmp_path / "CHANGELOG.md").write_text("x\n")
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text("utf-8"))
    code, page = towncrier(tmp_path)
    assert code == 1
    assert "Invalid news fragment name: +a.feature.md" in page
