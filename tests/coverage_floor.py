"""A pytest plugin: branch coverage of a run, held at the floor that pyproject.toml names for it.

    python -m pytest tests/judge -p tests.coverage_floor --hold-coverage judge

Lines and branches count together, as coverage.py counts them. Tracing triples the processor time of
what it traces, so the test files in `untraced` run without it: they take long and reach little that
the others do not. Whoever chooses tests is told the number, and no floor is held.
"""

import os
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = ROOT / "pyproject.toml"


class Floor:
    """One run's coverage, from before the first import of what is measured to the last test."""

    def __init__(self, name: str) -> None:
        known = tomllib.loads(SETTINGS.read_text("utf-8"))["tool"]["coverage-floors"]
        if name not in known:
            has = ", ".join(known)
            raise pytest.UsageError(f"--hold-coverage {name}: pyproject.toml has {has}")
        row: dict[str, Any] = known[name]
        self._name, self._of = name, str(row["of"])
        self._floor = float(row["floor"])
        self._untraced = tuple(row.get("untraced", ()))
        self._omit = [str(ROOT / one) for one in row.get("omit", ())]
        self._folder = tempfile.TemporaryDirectory(prefix="coverage-")
        self._coverage = coverage.Coverage(
            data_file=str(Path(self._folder.name) / "data"),
            config_file=str(SETTINGS),
            source=[str(ROOT / self._of)],
        )
        self._coverage.start()
        self.lines: list[str] = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Trace the test and the processes that it starts, or neither."""
        if not item.path.name.startswith(self._untraced):
            return (yield)
        self._coverage.stop()
        # By this variable coverage starts in a process of the test.
        told = os.environ.pop("COVERAGE_PROCESS_CONFIG", None)
        try:
            return (yield)
        finally:
            if told is not None:
                os.environ["COVERAGE_PROCESS_CONFIG"] = told
            self._coverage.start()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run that passed, ran everything and reached too little."""
        self._coverage.stop()
        self._coverage.save()
        self._coverage.combine([self._folder.name])
        report = Path(self._folder.name) / "report.txt"
        with report.open("w", encoding="utf-8") as file:
            reached = self._coverage.report(
                file=file, show_missing=True, skip_covered=True, omit=self._omit or None
            )
        missing = report.read_text("utf-8")
        self._folder.cleanup()
        said = f"coverage: {reached:.2f} % of {self._of} by {self._name}"
        if session.exitstatus != 0:
            self.lines = [f"{said}; tests failed, so its floor is not held"]
        elif not is_whole(session.config):
            self.lines = [f"{said}; tests were chosen, so its floor is not held"]
        elif reached < self._floor:
            session.exitstatus = 1
            todo = "test the lines and branches above, or delete what nothing reaches"
            self.lines = [missing, f"{said}, below its floor of {self._floor:g} %; {todo}"]
        else:
            self.lines = [f"{said}; its floor is {self._floor:g} %"]

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was reached."""
        for line in self.lines:
            terminalreporter.write_line(line)


def is_whole(config: pytest.Config) -> bool:
    """Whether a run is of all its tests."""
    chosen = any(config.getoption(one, None) for one in ("keyword", "markexpr", "deselect", "lf"))
    return not chosen and all(Path(one).is_dir() for one in config.args)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option; without it the plugin does nothing."""
    parser.addoption("--hold-coverage", metavar="NAME", help="a row of tool.coverage-floors")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Start before conftest.py imports what is measured."""
    name = early_config.known_args_namespace.hold_coverage
    if name:
        early_config.pluginmanager.register(Floor(name), "coverage-floor-of-run")
