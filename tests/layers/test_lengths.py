"""No file of Python is longer than 300 lines unless its docstring says why: "Long because …"."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 300


def is_too_long(text: str) -> bool:
    """Whether a source is past the limit and no line of its docstring begins with the reason."""
    if text.count("\n") <= LIMIT:
        return False
    told = ast.get_docstring(ast.parse(text)) or ""
    return not any(line.startswith("Long because ") for line in told.splitlines())


def tracked() -> list[Path]:
    """Every Python file that git knows."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


def test_no_file_is_too_long_without_a_reason() -> None:
    """Split it by subject, or write the reason into its docstring."""
    files = tracked()
    assert len(files) > 200
    long = [path for path in files if is_too_long(path.read_text("utf-8"))]
    assert [str(path.relative_to(ROOT)) for path in long] == []


@pytest.mark.parametrize(
    ("lines", "docstring", "too_long"),
    [
        (300, "One thing.", False),
        (301, "One thing.", True),
        (301, "One thing.\n\nLong because one table is one table.", False),
        (301, "One thing, long because of a table.", True),
        (301, "", True),
    ],
)
def test_long_file_is_noticed(lines: int, docstring: str, too_long: bool) -> None:
    """By its lines, and the reason counts only at the start of a line."""
    text = f'"""{docstring}"""\n'
    text += "x = 1\n" * (lines - text.count("\n"))
    assert is_too_long(text) is too_long
