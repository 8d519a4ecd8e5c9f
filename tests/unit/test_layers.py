"""Imports between the folders of `tinyllama.utils` point one way, and only http knows HTTP."""

import ast
from pathlib import Path

import pytest

HANDLERS = Path(__file__).parents[2] / "handlers"
UTILS = "tinyllama.utils"
MAY_IMPORT: dict[str, set[str]] = {
    "http": {"auth", "aws", "queue", "observability", "decoding", "settings"},
    "auth": {"aws", "decoding", "settings"},
    "queue": {"aws", "settings"},
    "aws": {"decoding"},
    "observability": set(),
    "decoding": set(),
    "settings": set(),
}
NODE_MAY_IMPORT = {"queue", "aws", "observability", "settings"}
"""The node's environment has no python-jose, and it serves no HTTP."""
HTTP_WORDS = {"ApiError", "STATUS", "statusCode", "Response"}


def modules(folder: str) -> dict[str, str]:
    """Dotted name and source of every module below a folder of `handlers`."""
    sources: dict[str, str] = {}
    for path in sorted((HANDLERS / folder).rglob("*.py")):
        parts = path.relative_to(HANDLERS).with_suffix("").parts
        sources[".".join(parts).removesuffix(".__init__")] = path.read_text()
    return sources


SHARED = modules("tinyllama/utils")
NODE = modules("node")


def imported(source: str) -> set[str]:
    """The dotted names that a module imports, inside functions and for types too."""
    names: set[str] = set()
    for statement in ast.walk(ast.parse(source)):
        if isinstance(statement, ast.Import):
            names |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, "imports are absolute"
            module = statement.module or ""
            names |= {f"{module}.{alias.name}" for alias in statement.names}
    return names


def room(name: str) -> str | None:
    """The folder of `tinyllama.utils` that a dotted name lies in."""
    return name.split(".")[2] if name.startswith(f"{UTILS}.") else None


def against_the_arrows(name: str, source: str) -> set[str]:
    """The imports of a module of `tinyllama.utils` that its folder may not have."""
    own = room(name)
    if own is None:
        return {other for other in imported(source) if room(other)}
    allowed = MAY_IMPORT[own] | {own}
    ours = {other for other in imported(source) if other.split(".")[0] in ("tinyllama", "node")}
    return {other for other in ours if room(other) not in allowed}


def http_words(source: str) -> set[str]:
    """The names and keys of HTTP that a module uses."""
    used = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    texts = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    return HTTP_WORDS & (used | {text for text in texts if isinstance(text, str)})


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """The nodes that lie on a circle, or behind it; empty if the graph has none."""
    left = dict(graph)
    while free := [name for name, others in left.items() if not others & left.keys()]:
        for name in free:
            del left[name]
    return sorted(left)


@pytest.mark.parametrize("name", SHARED)
def test_folder_imports_only_what_it_may(name: str) -> None:
    """Each arrow between two folders is declared, and none leads back to handlers or node."""
    assert against_the_arrows(name, SHARED[name]) == set()


def test_every_module_is_seen() -> None:
    """The test above has the modules of every folder."""
    assert {room(name) for name in SHARED} == {None, *MAY_IMPORT}


@pytest.mark.parametrize(
    ("name", "source", "wrong"),
    [
        (f"{UTILS}.auth.keys", f"from {UTILS}.http import errors", {f"{UTILS}.http.errors"}),
        (f"{UTILS}.aws.compute", f"import {UTILS}.queue.errors", {f"{UTILS}.queue.errors"}),
        (
            f"{UTILS}.queue.client",
            f"def f():\n    from {UTILS}.auth import keys",
            {f"{UTILS}.auth.keys"},
        ),
        (f"{UTILS}.settings", "from tinyllama.router import app", {"tinyllama.router.app"}),
    ],
)
def test_import_against_an_arrow_is_reported(name: str, source: str, wrong: set[str]) -> None:
    """At the top of a module, in a function, and towards a handler."""
    assert against_the_arrows(name, source) == wrong


def test_folders_have_no_circle() -> None:
    """The declared arrows can be put in order; adding the reverse of an arrow breaks that."""
    assert cycle(MAY_IMPORT) == []
    assert cycle(MAY_IMPORT | {"aws": {"auth", "decoding"}}) == ["auth", "aws", "http", "queue"]


def test_files_have_no_circle() -> None:
    """No module imports itself through others."""
    sources = modules("tinyllama")
    graph = {
        name: {
            other
            for used in imported(source)
            for other in (used, used.rpartition(".")[0])
            if other in sources and other != name
        }
        for name, source in sources.items()
    }
    assert cycle(graph) == []


@pytest.mark.parametrize("name", [name for name in SHARED if room(name) != "http"])
def test_only_http_knows_http(name: str) -> None:
    """Below the handlers no other folder names a response, a status or an HTTP error."""
    assert http_words(SHARED[name]) == set()


def test_http_in_another_folder_is_reported() -> None:
    """A raised HTTP error and a response in the making are both recognised."""
    assert http_words('raise ApiError("x")') == {"ApiError"}
    assert http_words('return {"statusCode": 503}') == {"statusCode"}


@pytest.mark.parametrize("name", NODE)
def test_node_imports_only_what_its_package_can_load(name: str) -> None:
    """The node's zip holds all of `tinyllama.utils`, but not what auth and http depend on."""
    used = {room(other) for other in imported(NODE[name]) if room(other)}
    assert used <= NODE_MAY_IMPORT
