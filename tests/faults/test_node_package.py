"""The node as it is shipped: one zip that runs isolated, put into place by boot.sh."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.parts import HANDLERS, Node
from tests.processes import until
from tinyllama.utils.queue.answers import JobState
from tinyllama.utils.queue.job_queue import JobQueue

INSTALLED = [".lock", "boot.sh", "model.sh", "node.zip", "settings.json", "venv", "venv"]
ENTRY = "from node.__main__ import main\n\nraise SystemExit(main())\n"


def test_zip_runs_isolated_and_answers(
    tmp_path: Path, node: Callable[..., Node], jobs: JobQueue
) -> None:
    """`python -I node.zip` finds its scripts inside the zip and needs nothing from a folder."""
    package = tmp_path / "node.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("__main__.py", ENTRY)
        archive.write(HANDLERS / "tinyllama" / "__init__.py", "tinyllama/__init__.py")
        for folder in ("node", "tinyllama/utils"):
            for path in (HANDLERS / folder).rglob("*"):
                if path.suffix in (".py", ".lua"):
                    archive.write(path, path.relative_to(HANDLERS).as_posix())
    worker = node(command=[sys.executable, "-I", str(package)])
    worker.start()
    jobs.accept(job_id="j1", sub="ann", prompt="p", idle=5, now_ms=0)
    until(lambda: jobs.state("j1", "ann") == JobState("done", reply="reply to p"))


@dataclass
class Machine:
    """An EC2 instance's disk, and what AWS would answer to boot.sh."""

    root: Path

    def publish(self, content: bytes, sha256: str | None = None) -> None:
        """Make `content` the layer version that the settings name."""
        path = self.root / "layer.zip"
        path.write_bytes(content)
        named = sha256 or base64.b64encode(hashlib.sha256(content).digest()).decode()
        (self.root / "layer.txt").write_text(f"{path.as_uri()}\t{named}\n")

    def boot(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run boot.sh to its end."""
        tools = self.root / "bin"
        environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "MACHINE": str(self.root),
            "TL_SETTINGS_PARAMETER": "/test/node",
            "AWS_REGION": "eu-central-1",
            "TL_HOME": str(self.root / "opt"),
            "STATE_DIRECTORY": str(self.root / "state"),
            "TL_PYTHON": sys.executable,
        }
        return subprocess.run(
            ["bash", str(HANDLERS / "node" / "boot.sh"), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def installed(self) -> bytes | None:
        """The package in place."""
        path = self.root / "opt" / "node.zip"
        return path.read_bytes() if path.exists() else None

    def opt(self) -> list[str]:
        """What boot.sh has left, environments without their hash."""
        return sorted(path.name.partition("-")[0] for path in (self.root / "opt").iterdir())


AWS = """#!/usr/bin/env bash
set -euo pipefail
case "$1 $2" in
  "ssm get-parameter")
    [[ "$4" == /test/node ]]
    echo '{"package": "arn:layer:7"}' ;;
  "lambda get-layer-version-by-arn")
    [[ "$4" == arn:layer:7 ]]
    cat "${MACHINE}/layer.txt" ;;
  *) exit 9 ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine before its first boot."""
    return new_machine(tmp_path)


@pytest.fixture(scope="session")
def first_boot(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A machine after its first boot with package `one`: its root, and what the boot printed."""
    root = tmp_path_factory.mktemp("first-boot")
    machine = new_machine(root)
    machine.publish(package(root, "one"))
    booted = machine.boot()
    assert booted.returncode == 0, booted.stderr
    return root, booted.stdout, booted.stderr


@pytest.fixture
def booted(first_boot: tuple[Path, str, str], tmp_path: Path) -> Machine:
    """A copy of that machine, as making an environment takes seconds."""
    root = tmp_path / "booted"
    shutil.copytree(first_boot[0], root, symlinks=True)
    return Machine(root)


def new_machine(root: Path) -> Machine:
    """A machine whose `aws` answers from files."""
    tools = root / "bin"
    tools.mkdir()
    (tools / "aws").write_text(AWS)
    (tools / "aws").chmod(0o755)
    return Machine(root)


def package(tmp_path: Path, says: str, requirements: str = "# nothing\n") -> bytes:
    """A package whose worker prints what it is and how it was started."""
    path = tmp_path / "made.zip"
    entry = f"import json, sys\nprint(json.dumps([{says!r}, sys.flags.isolated, *sys.argv[1:]]))\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__main__.py", entry)
        archive.writestr("node/boot.sh", f"# boot of {says}\n")
        archive.writestr("node/model.sh", f"# model of {says}\n")
        archive.writestr("requirements.txt", requirements)
    return path.read_bytes()


def started(stdout: str) -> list[object]:
    """What the stand-in worker says of its start."""
    said: list[object] = json.loads(stdout)
    return said


def test_boot_installs_and_runs(first_boot: tuple[Path, str, str], booted: Machine) -> None:
    """The first start puts all into place and becomes the worker."""
    root, said, log = first_boot
    arguments = ["run", "--settings-parameter", "/test/node", "--state-dir", str(root / "state")]
    assert started(said) == ["one", 1, *arguments]
    assert log.startswith("boot: installing arn:layer:7\nboot: making ")
    assert booted.opt() == INSTALLED
    assert (root / "state").is_dir()
    settings = json.loads((booted.root / "opt" / "settings.json").read_text())
    assert settings == {"package": "arn:layer:7"}
    assert (booted.root / "opt" / "model.sh").read_text() == "# model of one\n"


def test_boot_install_only_installs(booted: Machine) -> None:
    """What the worker's unit then runs is there: the environment by its link, and the package."""
    installed = booted.boot("install")
    assert (installed.returncode, installed.stdout, installed.stderr) == (0, "", "")
    opt = booted.root / "opt"
    command = [str(opt / "venv" / "bin" / "python"), "-I", str(opt / "node.zip"), "run"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert started(said) == ["one", 1, "run"]


def test_boot_keeps_one_environment_before_the_newest(booted: Machine, tmp_path: Path) -> None:
    """The link goes to the new one; the watchdog may still read the last; older ones go."""
    opt = booted.root / "opt"
    before = (opt / "venv").resolve().name
    (opt / "venv-older").mkdir()
    booted.publish(package(tmp_path, "two", "# another list\n"))
    assert booted.boot("install").returncode == 0
    now = (opt / "venv").resolve().name
    assert now != before
    assert sorted(path.name for path in opt.glob("venv-*")) == sorted([before, now])


def test_boot_again_changes_nothing(booted: Machine) -> None:
    """All is in place: nothing is downloaded, nothing is made, the worker runs."""
    (booted.root / "layer.zip").unlink()
    again = booted.boot()
    assert (again.returncode, again.stderr) == (0, "")
    assert started(again.stdout)[0] == "one"


def test_boot_takes_a_new_version(booted: Machine, tmp_path: Path) -> None:
    """Another layer version is installed, its boot.sh too; the same list needs no environment."""
    booted.publish(package(tmp_path, "two"))
    updated = booted.boot()
    assert (updated.returncode, updated.stderr) == (0, "boot: installing arn:layer:7\n")
    assert started(updated.stdout)[0] == "two"
    assert (booted.root / "opt" / "boot.sh").read_text() == "# boot of two\n"


def test_boot_refuses_requirements_without_a_hash(booted: Machine, tmp_path: Path) -> None:
    """Another list is another environment; what has no hash is not installed, nothing is run."""
    booted.publish(package(tmp_path, "two", "boto3\n"))
    refused = booted.boot()
    assert refused.returncode != 0
    assert "hash" in refused.stderr
    assert refused.stdout == ""
    [complete] = booted.root.glob("opt/venv-*/complete")
    assert complete.parent == (booted.root / "opt" / "venv").resolve()


def test_boot_refuses_a_package_with_another_hash(booted: Machine, tmp_path: Path) -> None:
    """The old package stays as it is, nothing is run, and no half of a download is left."""
    before = booted.installed()
    booted.publish(package(tmp_path, "evil"), sha256="A" * 43 + "=")
    refused = booted.boot()
    assert refused.returncode == 1
    assert "does not have the hash" in refused.stderr
    assert refused.stdout == ""
    assert booted.installed() == before
    assert booted.opt() == INSTALLED


@pytest.mark.parametrize("broken", ["ssm", "lambda", "download"])
def test_boot_fails_when_aws_does(machine: Machine, tmp_path: Path, broken: str) -> None:
    """A call that fails ends the start, so that systemd tries again; nothing is installed."""
    machine.publish(package(tmp_path, "one"))
    if broken == "download":
        (tmp_path / "layer.zip").unlink()
    else:
        tool = tmp_path / "bin" / "aws"
        tool.write_text(AWS.replace(f'"{broken} get', f'"no {broken} get'))
    failed = machine.boot()
    assert failed.returncode != 0
    assert failed.stdout == ""
    assert machine.installed() is None
