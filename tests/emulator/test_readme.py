"""The front door is true: commands, environments and folders that the README names exist."""

import re
import subprocess
import sys

from tools.deploy.environments import ROOT

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


def test_every_document_that_is_linked_exists() -> None:
    """Paths in backticks that look like files are files."""
    named = set(re.findall(r"`((?:docs|cloudformation|handlers)/[\w./-]+\.\w+)`", README))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_command_that_lives_elsewhere_says_where() -> None:
    """The peers of the bench are not installed here; a traceback would say nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "tljudge", "bench"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("run it in its own environment: .venv/bin/tox run -e bench\n")
