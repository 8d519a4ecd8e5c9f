"""Locks the requirements, and lists what is outdated: `tox run -e lock`, `tox run -e outdated`.

`requirements/NAME.in` names packages; `requirements/NAME.txt` pins them and all that they need,
with hashes. A `.in` file may constrain itself to another's pins (`-c handlers.txt`) or include
another (`-r e2e.in`), so those are locked first. The pins stand until `--upgrade` is given.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "requirements"
COMPILE = ("pip", "compile", "--quiet", "--generate-hashes", "--no-emit-index-url", "--no-header",
           "--no-annotate")  # fmt: skip
# One file for every interpreter from the oldest on, and for every platform.
ANYWHERE = ("--universal", "--python-version", "3.11")
OPTIONS: Mapping[str, Sequence[str]] = {
    # Only the files inside these distributions are used, so what they depend on is left out.
    "corpus": (*ANYWHERE, "--no-deps"),
    # LocalStack's last free version resolves for this interpreter and platform only. Its packages
    # stay those of its release: it bounds few of them, and gets no fixes for later ones.
    "localstack": (
        "--python-version", "3.13", "--python-platform", "linux", "--exclude-newer", "2026-03-01",
    ),
}  # fmt: skip
REFERENCE = re.compile(r"^-[cr]\s+([\w-]+)\.(?:in|txt)\s*$", re.MULTILINE)
PIN = re.compile(r"^([a-z0-9][\w.-]*(?:\[[\w,-]+\])?)==([^\s;\\]+)", re.MULTILINE | re.IGNORECASE)


class PinsError(Exception):
    """The requirements cannot be locked; the message says where and what to do."""


def order(folder: Path) -> list[str]:
    """Return the name of each `.in` file, after those that it refers to.

    Raises:
        PinsError: a file refers to one that is not there, or files refer to each other in a circle.
    """
    before = {
        path.stem: set(REFERENCE.findall(path.read_text("utf-8")))
        for path in sorted(folder.glob("*.in"))
    }
    for name, needed in before.items():
        for missing in sorted(needed - before.keys()):
            raise PinsError(f"{name}.in: refers to {missing}, but there is no {missing}.in")
    try:
        return list(TopologicalSorter(before).static_order())
    except CycleError as error:
        circle = " -> ".join(f"{name}.in" for name in error.args[1])
        raise PinsError(f"{circle}: constrain each other in a circle; remove a -c line") from None


def lock(folder: Path, extra: Sequence[str] = ()) -> None:
    """Write the `.txt` file of each `.in` file, with `extra` options of `uv pip compile`.

    Raises:
        PinsError: uv finds no versions that fit; the files before stay as they are now locked.
    """
    for name in order(folder):
        source, target = f"{folder.name}/{name}.in", f"{folder.name}/{name}.txt"
        print(f"lock: {source}", file=sys.stderr)
        done = subprocess.run(
            [sys.executable, "-m", "uv", *COMPILE, *OPTIONS.get(name, ANYWHERE), *extra,
             source, "-o", target],
            cwd=folder.parent, stdout=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        if done.returncode:
            raise PinsError(f"{source}: not locked; uv says why above")


def pins(folder: Path) -> dict[tuple[str, str], str]:
    """Return (package, file) -> versions, joined where a file pins several for several Pythons."""
    versions: dict[tuple[str, str], list[str]] = {}
    for path in sorted(folder.glob("*.txt")):
        for package, version in PIN.findall(path.read_text("utf-8")):
            versions.setdefault((package.lower(), path.stem), []).append(version)
    return {key: ", ".join(sorted(values)) for key, values in versions.items()}


def outdated(old: Mapping[tuple[str, str], str], new: Mapping[tuple[str, str], str]) -> list[str]:
    """Return the lines of a table: each package whose pin an upgrade would change, and where.

    A package that an upgrade would add or drop is shown with `-` as its other version.
    """
    files: dict[tuple[str, str, str], list[str]] = {}
    for package, file in sorted(old.keys() | new.keys()):
        was, will = old.get((package, file), "-"), new.get((package, file), "-")
        if was != will:
            files.setdefault((package, was, will), []).append(file)
    rows = [("package", "pinned", "newest compatible", "files")]
    rows += [(*change, " ".join(names)) for change, names in files.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [
        "  ".join((*map(str.ljust, row[:3], widths), row[3])) for row in (rows if files else ())
    ]


def main(words: Sequence[str]) -> int:
    """Run `lock [OPTION…]` or `outdated`; return the exit code."""
    parser = argparse.ArgumentParser(prog="tools.pins", description=__doc__)
    parser.add_argument("command", choices=["lock", "outdated"])
    arguments, extra = parser.parse_known_args(words)
    if extra and arguments.command == "outdated":
        parser.error(f"outdated takes no options: {' '.join(extra)}")
    try:
        if arguments.command == "lock":
            lock(FOLDER, extra)
        else:
            with tempfile.TemporaryDirectory() as temporary:
                copy = Path(shutil.copytree(FOLDER, Path(temporary) / FOLDER.name))
                lock(copy, ["--upgrade"])
                lines = outdated(pins(FOLDER), pins(copy))
            print("\n".join(lines or ["every pin is the newest that fits"]))
    except PinsError as error:
        print(f"pins: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
