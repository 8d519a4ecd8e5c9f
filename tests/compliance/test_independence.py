"""The laws of this folder share no code with the judge, so that a fault of the judge hides nothing.

Only the two files whose subject is checkov's adapter import it. README.md has the reasons.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ABOUT_THE_ADAPTER = {"corpus.py", "test_checkov_rules.py"}
JUDGE = ("tljudge", "checkov_rules", "tests.judge")


def imports_of_the_judge(text: str) -> list[str]:
    """Modules of the judge, its adapter and its tests that a source imports, wherever it does."""
    found: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{one.name}" for one in node.names]
    return [one for one in found if f"{one}.".startswith(tuple(f"{name}." for name in JUDGE))]


def test_laws_import_nothing_of_the_judge() -> None:
    """File by file; what is about the adapter does."""
    importing = {p.name for p in HERE.glob("*.py") if imports_of_the_judge(p.read_text("utf-8"))}
    assert importing == ABOUT_THE_ADAPTER


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("import tljudge.decode.loader", "tljudge.decode.loader"),
        ("from tljudge import api", "tljudge.api"),
        ("def late():\n    from checkov_rules.load import x", "checkov_rules.load.x"),
        ("from tests import judge", "tests.judge"),
    ],
)
def test_import_of_the_judge_is_noticed(line: str, module: str) -> None:
    """Also inside a function; a name that only begins so is another's."""
    assert imports_of_the_judge(f"import tljudged\n{line}\n") == [module]


def test_templates_are_read_where_the_judge_cannot_be_imported() -> None:
    """The parser of these laws works in a process that has no `tljudge` at all."""
    program = (
        f"import sys; sys.path.append({str(ROOT)!r}); sys.modules['tljudge'] = None\n"
        "from tests.compliance.templates import ours\n"
        "print(len(ours()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    count = len(list((ROOT / "cloudformation").glob("*.yaml")))
    assert (done.stdout, done.stderr) == (f"{count}\n", "")
