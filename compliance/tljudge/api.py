"""The public Python interface: judge a text, judge files, read a policy."""

from collections.abc import Sequence
from pathlib import Path

from tljudge.decode.parameter_file import Given, ParametersError, checked_parameters
from tljudge.decode.source import Source, Sources
from tljudge.engine.findings import Finding, Problem, Report
from tljudge.engine.policy import Policy, PolicyError, load
from tljudge.resolve.given import require_usable
from tljudge.runner.check import check

__all__ = [
    "Finding",
    "ParametersError",
    "Policy",
    "PolicyError",
    "Problem",
    "Report",
    "judge_files",
    "judge_text",
    "load_policy",
]


def load_policy(path: Path | str | None = None) -> Policy:
    """Read a policy; what it leaves out comes from the built-in one.

    Args:
        path: a TOML file; the built-in policy by default.

    Raises:
        PolicyError: it cannot be read, or says something impossible.
    """
    return load(None if path is None else Path(path))


def judge_files(
    paths: Sequence[Path | str],
    *,
    policy: Policy | None = None,
    parameters: Given | None = None,
) -> Report:
    """Judge templates; folders are searched for YAML and JSON files.

    Args:
        paths: files and folders.
        policy: thresholds and waivers; the built-in policy by default.
        parameters: `{"Parameters": {...}, "Tags": {...}}`, as in a parameter file.

    Returns:
        Findings, templates that could not be judged (`errors`), and counts (`summary`).

    Raises:
        ParametersError: `parameters` has another form, names a parameter that no template takes, or
            a value that a template refuses.
    """
    given = checked_parameters("parameters", dict(parameters or {}))
    report = check([Path(path) for path in paths], policy or load_policy(), given)
    require_usable("parameters", report.parameter_faults)
    return report


def judge_text(
    text: str,
    *,
    file: str = "template.yaml",
    policy: Policy | None = None,
    parameters: Given | None = None,
) -> Report:
    """Judge the text of a template.

    Args:
        text: YAML or JSON.
        file: its path in findings; nested templates are read relative to it.
        policy: thresholds and waivers; the built-in policy by default.
        parameters: `{"Parameters": {...}, "Tags": {...}}`, as in a parameter file.

    Returns:
        As `judge_files`; if the text is not a template, the report has an error.

    Raises:
        ParametersError: as for `judge_files`.
    """
    given = checked_parameters("parameters", dict(parameters or {}))
    source = Source.of(Path(file), text.encode("utf-8", "surrogatepass"))
    report = check(
        [source.path],
        policy or load_policy(),
        given,
        sources=Sources([source]),
    )
    require_usable("parameters", report.parameter_faults)
    return report
