"""The front door is true: commands, environments and folders that the README names exist."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tools.environments import ROOT

README = (ROOT / "README.md").read_text()


def _tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return listed.stdout.splitlines()


def test_every_folder_is_in_the_map_and_every_entry_of_the_map_is_there() -> None:
    """A folder that is moved or added is moved or added in the README."""
    in_map = set(re.findall(r"^\| `([a-z0-9]+/)` \|", README, re.MULTILINE))
    there = {f"{path.split('/')[0]}/" for path in _tracked() if "/" in path}
    assert in_map == {folder for folder in there if not folder.startswith(".")}


def test_every_make_command_is_a_target() -> None:
    """`make help` lists exactly what the README says can be made."""
    shown = subprocess.run(
        ["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    targets = set(re.findall(r"^  make (\w+)", shown, re.MULTILINE))
    assert set(re.findall(r"make (\w+)", README)) == targets


def test_ci_calls_the_readmes_two_commands() -> None:
    """What a stranger runs first is what is checked on every change."""
    commands = re.findall(r"^make .*$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert commands == ["make test", "make smoke"]


def test_ci_has_temporary_files_in_a_folder_of_another_length_each_time(tmp_path: Path) -> None:
    """And leaves nothing of it, whether the commands pass or not."""
    make = tmp_path / "make"
    make.write_text(
        '#!/bin/sh\ntest -d "$TMPDIR" && echo "$1 ${#TMPDIR}" && test "$1" != "$FAIL"\n', "utf-8"
    )
    make.chmod(0o755)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    lengths = set()
    for fails, wanted in ((), ["test", "smoke"]), (("test",), ["test"]):
        for _ in range(4):
            done = subprocess.run(
                ["bash", str(ROOT / ".ci" / "run")],
                env={
                    "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
                    "HOME": str(tmp_path),
                    "TMPDIR": str(scratch),
                    "FAIL": "".join(fails),
                },
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
            calls = [line.split() for line in done.stdout.splitlines()[1:]]
            assert (done.returncode, [call[0] for call in calls]) == (len(fails), wanted)
            assert list(scratch.iterdir()) == []
            lengths |= {call[1] for call in calls}
    assert len(lengths) > 1


def test_every_document_that_is_linked_exists() -> None:
    """Paths in backticks that look like files are files."""
    named = set(re.findall(r"`((?:docs|cloudformation|handlers)/[\w./-]+\.\w+)`", README))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_command_that_lives_elsewhere_says_where() -> None:
    """The peers of the bench are not installed here; a traceback would say nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "tools", "bench"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("run it in its own environment: .venv/bin/tox run -e bench\n")
