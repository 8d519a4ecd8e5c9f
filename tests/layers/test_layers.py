"""The contracts of pyproject.toml hold, and each notices the import that it forbids."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("compliance", "e2e", "handlers", "tools")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of everything that the contracts are about."""
    folder = tmp_path_factory.mktemp("house")
    for name in SOURCES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def broken(house: Path) -> list[str]:
    """The contracts that lint-imports calls broken, by name; an empty list when all are kept."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=house, capture_output=True, text=True, timeout=100, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((".", "compliance", "handlers"))},
    )  # fmt: skip
    names = [line.removesuffix(" BROKEN") for line in done.stdout.splitlines()
             if line.endswith(" BROKEN")]  # fmt: skip
    assert done.returncode == bool(names), done.stdout + done.stderr
    return names


def test_contracts_are_kept(house: Path) -> None:
    """As the project stands."""
    assert broken(house) == []


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        (
            "compliance/tljudge/decode/nodes.py",
            "from tljudge.resolve import values",
            "the judge: a template goes up through the folders, no import comes down",
        ),
        (
            "compliance/tljudge/resolve/values.py",
            "def late():\n    from tljudge.resolve import deployment",
            "no circle of files in any folder",
        ),
        (
            "compliance/tljudge/cost/bill.py",
            "def late():\n    from tljudge.rules import ALL",
            "the judge: a template goes up through the folders, no import comes down",
        ),
        (
            "compliance/tljudge/runner/check.py",
            "import boto3",
            "the judge needs PyYAML alone",
        ),
        (
            "tools/live/tags.py",
            "from checkov.runner_filter import RunnerFilter",
            "only the adapter imports checkov",
        ),
        (
            "handlers/tinyllama/router/app.py",
            "import tljudge",
            "what the zips hold imports nothing else of this project",
        ),
        (
            "tools/deploy/stack.py",
            "import e2e.smoke",
            "what deploys lies below what smokes, and both below the commands",
        ),
        (
            "handlers/tinyllama/utils/aws/compute.py",
            "def late():\n    from tinyllama.utils.queue import errors",
            "handlers: a function uses http, http the domain, and the domain no HTTP",
        ),
        (
            "handlers/node/worker.py",
            "from tinyllama.utils.auth import verify_jwt",
            "the node's environment has no python-jose, and serves no HTTP",
        ),
    ],
    ids=[
        "up",
        "circle",
        "hidden circle",
        "boto3",
        "checkov",
        "handlers",
        "operator",
        "domain",
        "node",
    ],
)
def test_forbidden_import_is_noticed(house: Path, file: str, line: str, contract: str) -> None:
    """By its contract, also where the import stands inside a function."""
    path = house / file
    before = path.read_text("utf-8")
    try:
        path.write_text(f"{before}\n\n{line}\n", "utf-8")
        assert contract in broken(house)
    finally:
        path.write_text(before, "utf-8")
