"""Write docs/faults.md from the tests that inject each fault: `python -m tools.fault_table`.

A test carries `@pytest.mark.fault(fault=…, place=…, user_sees=…, lost=…, recovers=…)`. Other tests
of the same fault at the same place name these two alone. So every row has a test behind it.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "faults.md"
FOLDERS = ("tests/unit", "tests/faults", "tests/emulator")
KEYS, TEXTS = ("fault", "place"), ("user_sees", "lost", "recovers")
HEAD = """\
# What breaks, and what comes of it

`python -m tools.fault_table` writes this page from the tests that inject each fault; a test of the
project fails when it is stale. A job lives for 300 s from its acceptance. All of it ran on a local
machine, with real processes, a real Redis and a local EC2; nothing of it ran on AWS yet.

| fault | where | the user sees | lost | how it recovers | shown by |
|---|---|---|---|---|---|
"""


class WrongMark(Exception):
    """A mark that makes no row; the message says where it is and what to do."""


@dataclass(slots=True)
class Row:
    """A fault at a place, in the words of the first test, with the tests that inject it."""

    fault: str
    place: str
    texts: dict[str, str] = field(default_factory=dict)
    tests: list[tuple[str, str]] = field(default_factory=list)


def rows(sources: Iterable[tuple[str, str]]) -> list[Row]:
    """The rows of test files, given as (path, text), in the order of the alphabet.

    Raises:
        WrongMark
    """
    found: dict[tuple[str, str], Row] = {}
    for path, text in sources:
        for test, line, words in _marks(path, text):
            where = f"{path}:{line}"
            if not set(KEYS) <= words.keys() or words.keys() - set(KEYS) not in (set(), set(TEXTS)):
                wanted = ", ".join((*KEYS, *TEXTS))
                raise WrongMark(f"{where}: a fault has {wanted}, or only {' and '.join(KEYS)}")
            row = found.setdefault(
                (words["fault"], words["place"]), Row(words["fault"], words["place"])
            )
            row.tests.append((path, test))
            texts = {name: words[name] for name in TEXTS if name in words}
            if texts and row.texts:
                raise WrongMark(f"{where}: another test describes this fault; name only {KEYS}")
            row.texts = row.texts or texts
    for row in found.values():
        if not row.texts:
            path, test = row.tests[0]
            raise WrongMark(f"{path}: {test}: nothing describes '{row.fault}' at '{row.place}'")
    return [found[key] for key in sorted(found)]


def page(rows: Iterable[Row]) -> str:
    """The document of these rows."""
    lines = []
    for row in rows:
        links = [f"[{test}](../{path})" for path, test in sorted(row.tests)]
        cells = [row.fault, row.place, *(row.texts[name] for name in TEXTS), ", ".join(links)]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return HEAD + "".join(lines)


def sources() -> Iterator[tuple[str, str]]:
    """Path and text of every test file that may inject a fault."""
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).glob("test_*.py")):
            yield str(file.relative_to(ROOT)), file.read_text("utf-8")


def _marks(path: str, text: str) -> Iterator[tuple[str, int, dict[str, str]]]:
    """Name of the test, line and words of each mark."""
    for function in ast.parse(text).body:
        if not isinstance(function, ast.FunctionDef):
            continue
        for mark in function.decorator_list:
            if not (isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault"):
                continue
            words = {}
            for keyword in mark.keywords:
                value = keyword.value
                if not (isinstance(value, ast.Constant) and isinstance(value.value, str)):
                    raise WrongMark(f"{path}:{mark.lineno}: {keyword.arg} is no text")
                words[str(keyword.arg)] = value.value
            if not function.name.startswith("test_") or mark.args:
                raise WrongMark(f"{path}:{mark.lineno}: name each word, on a test")
            yield function.name, mark.lineno, words


def main() -> int:
    """Write the page; returns the exit code."""
    try:
        PAGE.write_text(page(rows(sources())), "utf-8")
    except WrongMark as error:
        print(f"fault_table: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
