"""Documents say what is there: links, paths, tables of folders, commands."""

import re
from configparser import ConfigParser

import pytest

from tests.project.documents import (
    ROOT,
    children,
    code,
    dead_links,
    documents,
    is_there,
    links,
    named_paths,
    table_paths,
    tracked,
)
from tljudge.cli import commands

FILES = tracked()
DOCUMENTS = documents()
TOP = sorted({name.split("/")[0] for name in FILES if "/" in name})
FOLDERS = [name for name in TOP if not name.startswith(".")]
# Paths that a page tells its reader to create.
CREATED = {
    "docs/write-a-rule.md": {
        "compliance/tljudge/rules/tables/__init__.py",
        "compliance/tljudge/rules/tables/tables_can_be_restored.py",
        "tests/judge/test_tables.py",
    }
}
# They name no other file: what they hold is all there is to say.
WITHOUT_LINKS = {
    "docs/adr/0004-cache-iam-authentication.md",
    "tests/fixtures/README.md",
    # A package index shows it alone.
    "compliance/tljudge/README.md",
}


def read(name: str) -> str:
    """A document's text."""
    return (ROOT / name).read_text("utf-8")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_leads_somewhere(name: str) -> None:
    """Every link leads to a file and heading; every path in code exists; there is at least one."""
    text = read(name)
    paths = named_paths(text, TOP)
    lost = [
        path for path in paths if path not in CREATED.get(name, ()) and not is_there(path, FILES)
    ]
    assert (dead_links(name, text), lost) == ([], [])
    assert bool(links(text) or paths) != (name in WITHOUT_LINKS), "no link and no path was read"


def test_dead_links_and_paths_are_noticed() -> None:
    """A file that is not there, a heading that is not, on this page or another; code is no link."""
    text = (
        "# A b\n[x](no.md) [y](rules.md#none) [z](#a-b) [w](#c) [v](rules.md#iam) [u](https://x/y)\n"
        "`[s](none.md)` `docs/none.md` `docs/rules.md` `docs/NAME.md` `none/NAME.md`\n"
        "```\n[t](none.md) `docs/none2.md`\n```\n"
    )
    assert dead_links("docs/x.md", text) == ["no.md", "rules.md#none", "#c"]
    paths = named_paths(text, TOP)
    assert paths == ["docs/none.md", "docs/rules.md", "docs/NAME.md"]
    assert [path for path in paths if not is_there(path, FILES)] == ["docs/none.md"]
    assert not is_there("handlers/NAME/none.py", FILES)


@pytest.mark.parametrize("folder", FOLDERS)
def test_folder_has_a_readme_whose_table_is_complete(folder: str) -> None:
    """Each file and folder directly below stands in it, and everything in it is there."""
    text = read(f"{folder}/README.md")
    if folder in ("docs", "changelog.d"):
        return
    named = {path.rstrip("/") for path in table_paths(text)}
    assert [path for path in sorted(named) if not is_there(f"{folder}/{path}", FILES)] == []
    assert sorted(children(folder, FILES) - named) == []


def test_map_of_the_judge_is_complete() -> None:
    """Each folder of `tljudge` stands in the README of `compliance`."""
    named = {path.rstrip("/") for path in table_paths(read("compliance/README.md"))}
    rooms = {name.split("/")[2] for name in FILES if re.match(r"compliance/tljudge/\w+/", name)}
    assert sorted(f"tljudge/{room}" for room in rooms if f"tljudge/{room}" not in named) == []


def test_table_and_children_are_read() -> None:
    """What the tests above compare: first cells alone; a lock belongs to what it locks."""
    assert table_paths("| `a` `b.py` | `c` |\n|---|\n| d | `e` |\n") == ["a", "b.py"]
    files = ["x/README.md", "x/a.in", "x/a.txt", "x/b.txt", "x/y/z.py", "xx/c"]
    assert children("x", files) == {"a.in", "b.txt", "y"}


def test_every_page_is_in_the_index() -> None:
    """A reader who begins at docs/README.md can reach every page."""
    listed = {target.partition("#")[0] for target in links(read("docs/README.md"))}
    pages = {name.removeprefix("docs/") for name in DOCUMENTS if name.startswith("docs/")}
    assert sorted(pages - listed - {"README.md"}) == []


def _unknown(text: str) -> list[str]:
    """Commands in a document's code that nothing answers to."""
    tox = ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", "utf-8")
    environments = {"py312", "py313"} | {
        name.removeprefix("testenv:") for name in tox.sections() if name.startswith("testenv:")
    }
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    operator = {path.stem for path in (ROOT / "tools" / "commands").glob("*.py")} - {"__init__"}
    known = {
        r"\btox (?:run|exec)[^\n|]*? -e ([\w,-]+)": environments,
        r"(?:^|[\s`])make ([a-z]+)": targets,
        r"(?:^|[\s$`])tl ([a-z]+)": {*commands.NAMES, *operator},
        r"-e tl -- ([a-z]+)": {*commands.NAMES, *operator},
        r"python -m tljudge ([a-z]+)": {*commands.NAMES, *operator},
    }
    return [
        f"{match[0].strip()}"
        for piece in code(text)
        for pattern, names in known.items()
        for match in re.finditer(pattern, piece, re.MULTILINE)
        if not set(match[1].split(",")) <= names
    ]


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if not name.startswith("docs/adr/")])
def test_commands_of_a_document_exist(name: str) -> None:
    """Environments of tox, targets of make, subcommands of `tl`."""
    assert _unknown(read(name)) == []


def test_unknown_commands_are_noticed() -> None:
    """One of each kind; prose is not code."""
    text = (
        "`tox run -q -e lint,none` make none `make none` `make help`\n"
        "```sh\ntl none x\ntl check\n```\n"
    )
    assert _unknown(text) == ["tl none", "tox run -q -e lint,none", "make none"]


def test_operators_table_has_each_code_that_a_job_may_fail_with() -> None:
    """The conflicts of the API, and the failures of the node's model client."""
    page = (ROOT / "docs" / "operations" / "epic-3-router.md").read_text("utf-8")
    model = (ROOT / "handlers" / "node" / "model.py").read_text("utf-8")
    errors = (ROOT / "handlers/tinyllama/utils/http/errors.py").read_text("utf-8")
    codes = re.findall(r'^    code = "(\w+)"', model, re.MULTILINE)
    assert len(codes) == 4
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    conflicts = re.findall(r'Row\(409, "(\w+)"', errors)
    assert len(conflicts) == 3
    assert [code for code in (*codes, *conflicts) if not any(f"`{code}`" in r for r in rows)] == []
