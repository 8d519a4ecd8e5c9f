"""The floor of the branch coverage trips, in one clear line, for a run of all its tests."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = """
[tool.coverage.run]
branch = true
parallel = true
[tool.coverage-floors.judge]
of = "product"
floor = {floor}
omit = ["product/left_out.py"]
untraced = ["test_slow"]
"""
# Four lines and two branches; without the slow test a line and a branch are left out: 4 of 6.
CODE = """
def sign(number):
    if number < 0:
        return -1
    return 1
"""
TEST = "from product.signs import sign\n\ndef test_{name}():\n    assert sign({number}) == {sign}\n"


def run(folder: Path, floor: float, *more: str) -> tuple[int, list[str]]:
    """Exit code and what the plugin says, of a project with one test of half a function."""
    (folder / "tests").mkdir()
    (folder / "product").mkdir()
    shutil.copy(ROOT / "tests" / "coverage_floor.py", folder / "tests")
    (folder / "pyproject.toml").write_text(SETTINGS.format(floor=floor))
    (folder / "product" / "__init__.py").write_text("")
    (folder / "product" / "signs.py").write_text(CODE)
    (folder / "product" / "left_out.py").write_text("x = 1\n" * 50)
    for name, number, sign in (("fast", 3, 1), ("slow", -3, -1)):
        text = TEST.format(name=name, number=number, sign=sign)
        (folder / "tests" / f"test_{name}.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
         "-p", "tests.coverage_floor", "--hold-coverage", "judge", *(more or ["tests"])],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    said = [line for line in done.stdout.splitlines() if line.startswith(("coverage:", "product/"))]
    return done.returncode, said


def test_coverage_above_its_floor_passes(tmp_path: Path) -> None:
    """The slow test is not traced, so its branch is not counted; nor is what is left out."""
    assert run(tmp_path, 60) == (0, ["coverage: 66.67 % of product by judge; its floor is 60 %"])


def test_coverage_below_its_floor_fails_and_says_what_is_missing(tmp_path: Path) -> None:
    """Although every test passed."""
    code, said = run(tmp_path, 67)
    assert code == 1
    assert said[0].split()[0] == "product/signs.py"
    assert said[0].split()[-1] == "4"
    assert said[1] == (
        "coverage: 66.67 % of product by judge, below its floor of 67 %; "
        "test the lines and branches above, or delete what nothing reaches"
    )


@pytest.mark.parametrize("chosen", [["tests", "-k", "fast"], ["tests/test_fast.py"]])
def test_floor_is_not_held_when_tests_were_chosen(tmp_path: Path, chosen: list[str]) -> None:
    """A part reaches less, and that is no fault."""
    said = "coverage: 66.67 % of product by judge; tests were chosen, so its floor is not held"
    assert run(tmp_path, 99, *chosen) == (0, [said])


def test_every_floor_is_of_something_and_held_somewhere() -> None:
    """The environments name the rows, and each row has a number."""
    rows = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage-floors"]
    tox = (ROOT / "tox.ini").read_text()
    assert [name for name in rows if f"--hold-coverage {name} " not in tox] == []
    assert [name for name, row in rows.items() if row["floor"] < 50] == []
    assert [name for name, row in rows.items() if not (ROOT / row["of"]).is_dir()] == []
