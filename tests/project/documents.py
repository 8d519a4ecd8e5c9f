"""The project's documents as data: their links, the paths and the commands that they name."""

import re
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from subprocess import run

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ROW = re.compile(r"^\| ((?:`[^`]+` ?)+)\|", re.MULTILINE)


def tracked() -> list[str]:
    """Every file of the project, as git lists it, those not committed yet among them."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = run(words, cwd=ROOT, check=True, capture_output=True, text=True, timeout=30)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def documents() -> list[str]:
    """Every Markdown file of the project but the changelog's fragments, which are moved into it."""
    return [name for name in tracked() if name.endswith(".md") and "/+" not in name]


def links(text: str) -> list[str]:
    """Where a document's links lead, without those to other hosts; code holds no links."""
    prose = SPAN.sub("", FENCE.sub("", text))
    return [target for target in LINK.findall(prose) if "://" not in target]


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives a document's headings."""
    titles = (heading.lower() for heading in HEADING.findall(FENCE.sub("", text)))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def dead_links(name: str, text: str) -> list[str]:
    """The links of a document at `name` that lead to no file, or to no heading of it."""
    dead = []
    for target in links(text):
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        if path and not file.exists():
            dead.append(target)
        elif anchor and file.suffix == ".md":
            body = file.read_text("utf-8") if path else text
            dead += [target] if anchor not in anchors(body) else []
    return dead


def named_paths(text: str, folders: Iterable[str]) -> list[str]:
    """Paths in code spans of the prose that begin with one of `folders`."""
    spans = SPAN.findall(FENCE.sub("", text))
    shape = re.compile(rf"(?:{'|'.join(map(re.escape, folders))})/[\w./*<>-]*")
    return [span for span in spans if shape.fullmatch(span)]


def is_there(path: str, files: Iterable[str]) -> bool:
    """Whether the project has this file or folder; NAME, `<name>` and `*` stand for any text."""
    pattern = re.sub(r"<[\w-]+>|\b[A-Z]{2,}\b", "*", path.rstrip("/"))
    return any(fnmatch(file, pattern) or fnmatch(file, f"{pattern}/*") for file in files)


def table_paths(text: str) -> list[str]:
    """The paths in the first cells of a document's tables."""
    return [path for cell in ROW.findall(text) for path in SPAN.findall(cell)]


def children(folder: str, files: Iterable[str]) -> set[str]:
    """The files and folders directly in a folder; `NAME.txt` belongs to its `NAME.in`."""
    there = {
        PurePosixPath(file).relative_to(folder).parts[0]
        for file in files
        if file.startswith(f"{folder}/")
    }
    locked = {f"{name.removesuffix('.in')}.txt" for name in there if name.endswith(".in")}
    return there - locked - {"README.md", "__init__.py"}


def code(text: str) -> list[str]:
    """Every fenced block and code span of a document."""
    fenced = [match[0] for match in FENCE.finditer(text)]
    return fenced + SPAN.findall(FENCE.sub("", text))
