"""The interpreters of other tox environments: the handlers', and the local AWS endpoint's."""

import os
from pathlib import Path

from tljudge.cli.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]


def handlers_python() -> Path:
    """The interpreter of the environment with the packages that go into the zips."""
    return _interpreter("TL_HANDLERS_PYTHON", "handlers", "jose")


def ministack_python() -> Path:
    """The interpreter of the local AWS endpoint's environment."""
    return _interpreter("TL_MINISTACK_PYTHON", "ministack", "ministack")


def _interpreter(variable: str, environment: str, module: str) -> Path:
    """The interpreter of a complete environment.

    Raises:
        UsageError: the environment is missing, or only half installed.
    """
    named = os.environ.get(variable, ROOT / ".tox" / environment / "bin" / "python")
    python = Path(named).absolute()
    if not python.exists():
        raise UsageError(
            f"no interpreter at {python} ({variable}); "
            f"run `make smoke`, or `.venv/bin/tox run -e {environment}` first"
        )
    if not [*python.parents[1].glob(f"lib/python3*/site-packages/{module}/__init__.py")]:
        raise UsageError(
            f"the environment of {python} is only half installed: no {module} in it; "
            f"run `.venv/bin/tox run -e {environment} --recreate`"
        )
    return python
