"""The README is true: its commands run, and the folders and places that it names exist."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.deploy.environments import ROOT

README = (ROOT / "README.md").read_text()


def _tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return listed.stdout.splitlines()


def test_every_folder_is_in_the_map_and_every_entry_of_the_map_is_there() -> None:
    """A folder that is moved or added is moved or added in the README."""
    in_map = set(re.findall(r"^\| `([a-z0-9.]+/)` \|", README, re.MULTILINE))
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


PLACES = {
    "a rule, and what its finding says": ("compliance/tljudge/rules/", "RULE = Rule("),
    "a price": ("compliance/tljudge/data/prices.toml", "usd = "),
    "a handler": ("handlers/tinyllama/", "def handler("),
    "an error that the API returns: code and status": (
        "handlers/tinyllama/utils/http/errors.py",
        "TABLE: ",
    ),
    "a stage of the smoke": ("e2e/stages/", "def run(run: Run) -> str:"),
    "a gap of the local target": ("e2e/gaps/", "GAP = Gap("),
    "an error that `tl` shows, and exit codes": ("compliance/tljudge/cli/", "exit codes:"),
}


def test_readme_leads_to_each_thing_a_reader_looks_for() -> None:
    """In the place that a row names first, there is what the row says."""
    rows = re.findall(r"^\| (an? [^|]+) \| `([^`]+)`", README, re.MULTILINE)
    assert dict(rows) == {thing: place for thing, (place, _) in PLACES.items()}
    for place, text in PLACES.values():
        path = ROOT / place
        files = [path] if path.is_file() else sorted(path.rglob("*.py"))
        assert any(text in file.read_text() for file in files), f"{place} holds no {text!r}"


# They need an account; here they show that they understand their options.
ELSEWHERE = {
    "audit --stack STACK",
    "check --deployed STACK",
    "smoke --target aws --stack NAME",
}
# `tl mutate` takes a minute, and has tests of its own, so here it only shows its help.
RUN = {"check": ["cloudformation", "--policy", "compliance/policy.toml", "--parameters",
                 "cloudformation/parameters/dev.json"],
       "rules": [], "cost": [], "mutate": ["--help"]}  # fmt: skip
COMMANDS = set(re.findall(r"(?:`tl|-e tl --) ([a-z][^`]*)`", README))


def test_every_command_of_the_readme_is_run_somewhere() -> None:
    """A command that is added to the README is added to the ones below."""
    assert ELSEWHERE | RUN.keys() == COMMANDS


@pytest.mark.parametrize("name", RUN)
def test_command_of_the_readme_runs(name: str) -> None:
    """`tl NAME` succeeds in a clone as it is, and prints what it found."""
    words = [sys.executable, "-m", "tljudge", name, *RUN[name]]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, bool(done.stdout)) == (0, True), done.stdout + done.stderr


@pytest.mark.parametrize("command", sorted(ELSEWHERE))
def test_command_that_needs_an_account_is_understood(command: str) -> None:
    """Without credentials it ends with one line; an unknown option would end it before that."""
    environment = {"PATH": "", "PYTHONPATH": "compliance", "AWS_EC2_METADATA_DISABLED": "true",
                   "AWS_CONFIG_FILE": "/dev/null", "AWS_REGION": "eu-central-1"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "tljudge", *command.split()],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode in (2, 3)
    assert "usage:" not in done.stderr
    assert "credentials" in done.stderr


def test_command_that_lives_elsewhere_says_where() -> None:
    """The peers of the bench are not installed here; a traceback would say nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "tljudge", "bench"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("run it in its own environment: .venv/bin/tox run -e bench\n")
