"""The Python that docs/write-a-rule.md shows obeys the linter that its reader runs next."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = re.compile(r"`([\w./-]+\.py)`:\n\n^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = dict(PYTHON.findall((ROOT / "docs" / "write-a-rule.md").read_text("utf-8")))


def complaints(file: str, text: str) -> str:
    """What ruff says of a text at this place of the project; empty if nothing."""
    done = subprocess.run(
        [Path(sys.executable).with_name("ruff"), "check", "--quiet", "--no-cache",
         "--stdin-filename", file, "-"],
        cwd=ROOT, input=text, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.parametrize("file", FILES)
def test_example_passes_the_linter(file: str) -> None:
    """Nobody who copies it has to sort its imports."""
    assert complaints(file, FILES[file]) == ""


def test_page_shows_the_rule_and_its_tests_and_a_fault_is_noticed() -> None:
    """Two imports in another order, in the longest example."""
    assert [Path(file).name for file in FILES] == [
        "__init__.py", "tables_can_be_restored.py", "test_tables.py",
    ]  # fmt: skip
    file = "compliance/tljudge/rules/tables/tables_can_be_restored.py"
    text = FILES[file]
    lines = [line for line in text.splitlines() if line.startswith("from tljudge.engine")]
    assert "I001" in complaints(file, text.replace("\n".join(lines), "\n".join(lines[::-1])))
