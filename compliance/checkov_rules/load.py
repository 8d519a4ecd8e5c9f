"""The entry point for checkov: puts the judge beside it on the path and installs the adapter.

checkov imports every file beside an `__init__.py`; `adapter/` has none, so checkov ignores it.
checkov only logs an exception of such a file, so a fault here ends the run with exit code 2. Where
checkov runs its frameworks in separate processes it ignores their exit codes, so there the fault
becomes a failed record.
"""

import multiprocessing
import os
import sys


def load() -> None:
    """Install the adapter beside this file.

    Raises:
        SystemExit: with code 2, if the adapter cannot be installed.
    """
    folder = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120 - also on an old Python
    compliance = os.path.dirname(folder)  # noqa: PTH120
    try:
        sys.path.insert(0, compliance)
        try:
            from checkov_rules.adapter import checks
        finally:
            sys.path.remove(compliance)
        for name in ("checkov_rules.adapter.checks", "tljudge"):
            file = str(sys.modules[name].__file__)
            if not os.path.realpath(file).startswith(compliance + os.sep):
                raise ImportError(f"{name} came from {file}, not from {compliance}")
        checks.install(failed)
    except Exception as error:  # noqa: BLE001 - checkov would log it and exit with 0
        version = ".".join(str(part) for part in sys.version_info[:3])
        kind = "" if type(error).__name__ == "ConfigurationError" else f" (Python {version})"
        message = f"compliance/checkov_rules: {error}{kind}; nothing was judged"
        if multiprocessing.parent_process() is None:
            sys.stderr.write(f"{message}\n")
            raise SystemExit(2) from None
        _report(message)


def failed(message: str) -> object:
    """A failed record TL_CHECKOV_1 whose name is the reason why the rules did not run."""
    from checkov.common.models.enums import CheckResult
    from checkov.common.output.record import Record

    path = os.path.realpath(__file__)
    return Record(
        check_id="TL_CHECKOV_1",
        check_name=message,
        check_result={"result": CheckResult.FAILED, "evaluated_keys": []},
        code_block=[(1, "\n")],
        file_path=path,
        file_line_range=[1, 1],
        resource="Checkov.load.py",
        evaluations={},
        check_class=__name__,
        file_abs_path=path,
    )


def _report(message: str) -> None:
    """Make checkov's CloudFormation runner add the failed record to its report."""
    from checkov.cloudformation.runner import Runner

    original = Runner.check_definitions

    def check_definitions(runner, root_folder, runner_filter, report):  # type: ignore[no-untyped-def]
        original(runner, root_folder, runner_filter, report)
        report.add_record(failed(message))

    Runner.check_definitions = check_definitions


load()
