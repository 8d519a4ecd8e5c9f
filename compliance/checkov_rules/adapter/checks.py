"""A check for each rule, and a way into the report for what checkov gives to no check."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from checkov.cloudformation.checks.resource.base_resource_check import BaseResourceCheck
from checkov.cloudformation.runner import Runner
from checkov.common.bridgecrew.platform_integration import bc_integration
from checkov.common.models.enums import CheckCategories, CheckResult
from checkov.common.output.report import Report
from checkov.common.runners.base_runner import filter_ignored_paths
from checkov.runner_filter import RunnerFilter

from checkov_rules.adapter.judgement import Judgement, configuration, judge
from checkov_rules.adapter.records import TITLES, UNJUDGED, records
from tljudge.rules import ALL

_CATEGORIES = {
    "IAM": CheckCategories.IAM,
    "EGRESS": CheckCategories.NETWORKING,
    "EDGE": CheckCategories.NETWORKING,
    "LOGS": CheckCategories.LOGGING,
}
_checks: dict[str, "RuleCheck"] = {}
_judged: Judgement | None = None


class RuleCheck(BaseResourceCheck):  # type: ignore[misc,unused-ignore]
    """One rule; its verdicts are looked up, because one resource alone does not have them."""

    def __init__(self, rule_id: str, title: str, source: str, types: Iterable[str]) -> None:
        category = _CATEGORIES.get(rule_id.split("_")[1], CheckCategories.CONVENTION)
        super().__init__(title, rule_id, [category], list(types), source)

    def run(
        self,
        scanned_file: str,
        entity_configuration: dict[str, Any],
        entity_name: str,
        entity_type: str,
        skip_info: Any,
    ) -> Any:
        """What was found; a skip in the template changes nothing."""
        word = "FAILED"  # another runner than CloudFormation's came by it: nobody judged the file
        if _judged is not None:
            word = _judged.word(self.id, scanned_file, entity_name, entity_type)
        return {"result": CheckResult[word], "evaluated_keys": []}

    def scan_resource_conf(self, conf: dict[str, Any]) -> Any:
        """Not asked, because `run` answers."""
        return CheckResult.FAILED


def install(failed: Callable[[str], Any]) -> None:
    """Register the checks, and see to it that every finding gets into the report.

    Args:
        failed: makes the record of a fault.

    Raises:
        ConfigurationError: TL_POLICY or TL_PARAMETERS names what cannot be used.
        AttributeError: this is another checkov than the adapter was made for.
    """
    policy, given = configuration()
    for rule in ALL:
        _checks[rule.id] = RuleCheck(rule.id, rule.title, rule.source, rule.types)
    for rule_id, title in TITLES.items():
        _checks[rule_id] = RuleCheck(rule_id, title, "", ())
    original: Callable[..., None] = Runner.check_definitions
    if getattr(original, "judges", False):
        return  # checkov loads the folder once for each runner

    def check_definitions(
        runner: Any, root_folder: str | None, runner_filter: RunnerFilter, report: Report
    ) -> None:
        global _judged
        _judged = None
        everything = runner.definitions
        # One resource whose Type is no text would end the run for all files.
        whole = {path: body for path, body in everything.items() if _has_types(body)}
        try:
            _judged = judge(
                root_folder,
                [*everything, *report.parsing_errors],
                everything.keys() - whole.keys(),
                bc_integration.scan_file,
                policy,
                given,
            )
        except Exception as error:  # noqa: BLE001 - a fault of ours must not look like a pass
            report.add_record(failed(f"the judge failed: {type(error).__name__}: {error}"))
        runner.definitions = whole
        original(runner, root_folder, runner_filter, report)
        runner.definitions = everything
        if _judged is not None:
            _complete(_judged, runner_filter, report)

    check_definitions.judges = True  # type: ignore[attr-defined]
    Runner.check_definitions = check_definitions  # type: ignore[method-assign,unused-ignore]


def _has_types(template: Any) -> bool:
    resources = template.get("Resources") if isinstance(template, dict) else None
    return isinstance(resources, dict) and all(
        isinstance(one, dict) and isinstance(one.get("Type"), str) for one in resources.values()
    )


def _complete(judged: Judgement, runner_filter: RunnerFilter, report: Report) -> None:
    """Put one record for each finding in the place of one for each resource and rule."""
    report.failed_checks = [one for one in report.failed_checks if one.check_id not in _checks]
    report.skipped_checks = [one for one in report.skipped_checks if one.check_id not in _checks]
    if not any(_runs(rule.id, runner_filter) for rule in ALL):
        return
    unread = {os.path.realpath(path) for path in report.parsing_errors}
    for record in records(judged):
        path = record.file_abs_path
        if not _runs(record.check_id, runner_filter) or _skips(path, judged.root, runner_filter):
            continue
        report.add_record(record)
        if record.check_id == UNJUDGED and path not in unread:
            report.add_parsing_error(path)
        elif record.check_id not in TITLES:
            report.add_resource(f"{path}:{record.resource}")


def _runs(rule_id: str, runner_filter: RunnerFilter) -> bool:
    """Whether the command line asks for it; what is no rule can only be skipped."""
    if rule_id in _checks and rule_id not in TITLES:
        return bool(runner_filter.should_run_check(_checks[rule_id], report_type="cloudformation"))
    return not RunnerFilter.check_matches(rule_id, None, runner_filter.skip_checks)


def _skips(path: str, root: str | None, runner_filter: RunnerFilter) -> bool:
    """Whether `--skip-path` names the file or a folder above it."""
    if root is None or not runner_filter.excluded_paths:
        return False
    folder = Path(root)
    for part in Path(os.path.relpath(path, os.path.realpath(root))).parts:
        names = [part]
        filter_ignored_paths(str(folder), names, runner_filter.excluded_paths, [part])
        if not names:
            return True
        folder /= part
    return False
