"""Judge CloudFormation templates, in every combination of conditions that parameters reach.

    from tljudge import judge_text

    report = judge_text(template)
    for finding in report.findings:
        print(finding.line, finding.resource, finding.rule, finding.message)

`judge_files` takes files and folders; `load_policy` reads thresholds and waivers. Only the names
in `__all__` are stable between minor versions; modules below this one may move.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tljudge.api import (
        Finding,
        ParametersError,
        Policy,
        PolicyError,
        Problem,
        Report,
        judge_files,
        judge_text,
        load_policy,
    )

__version__ = "0.1.0"
__all__ = [
    "Finding",
    "ParametersError",
    "Policy",
    "PolicyError",
    "Problem",
    "Report",
    "__version__",
    "judge_files",
    "judge_text",
    "load_policy",
]


def __getattr__(name: str) -> Any:
    """Import the judge when a caller first uses it: `tl --version` must not wait for the rules."""
    if name in __all__:
        from tljudge import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
