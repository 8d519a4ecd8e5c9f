"""A checkov check for each rule, and the hook that puts every finding into checkov's report."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from checkov.cloudformation.checks.resource.base_resource_check import BaseResourceCheck
from checkov.cloudformation.runner import Runner
from checkov.common.bridgecrew.platform_integration import bc_integration
from checkov.common.models.enums import CheckCategories, CheckResult
from checkov.common.output.record import Record
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
    """The check of a rule: it looks up verdicts, because a rule judges whole templates."""

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
        """Look up the verdict; ignore skip comments in the template."""
        word = "FAILED"  # the file of another checkov runner, which `tl check` did not judge
        if _judged is not None:
            word = _judged.word(self.id, scanned_file, entity_name, entity_type)
        return {"result": CheckResult[word], "evaluated_keys": []}

    def scan_resource_conf(self, conf: dict[str, Any]) -> Any:
        """Required by checkov, but never called, because `run` replaces it."""
        return CheckResult.FAILED


def install(failed: Callable[[str], Any]) -> None:
    """Register the checks, and replace `Runner.check_definitions` so that it reports every finding.

    Args:
        failed: makes a failed record from a message.

    Raises:
        ConfigurationError: the file in TL_POLICY or TL_PARAMETERS cannot be used.
        AttributeError: this version of checkov lacks a name that the adapter needs.
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
        definitions = runner.definitions
        # A resource whose Type is not a string would crash checkov for all files.
        typed = {path: body for path, body in definitions.items() if _has_types(body)}
        try:
            _judged = judge(
                root_folder,
                [*definitions, *report.parsing_errors],
                definitions.keys() - typed.keys(),
                bc_integration.scan_file,
                policy,
                given,
            )
        except Exception as error:  # noqa: BLE001 - a fault in the judge must not look like a pass
            report.add_record(failed(f"the judge failed: {type(error).__name__}: {error}"))
        runner.definitions = typed
        original(runner, root_folder, runner_filter, report)
        runner.definitions = definitions
        if _judged is not None:
            _complete(_judged, runner_filter, report)

    check_definitions.judges = True  # type: ignore[attr-defined]
    Runner.check_definitions = check_definitions  # type: ignore[method-assign,unused-ignore]


def _has_types(template: Any) -> bool:
    resources = template.get("Resources") if isinstance(template, dict) else None
    return isinstance(resources, dict) and all(
        isinstance(resource, dict) and isinstance(resource.get("Type"), str)
        for resource in resources.values()
    )


def _complete(judged: Judgement, runner_filter: RunnerFilter, report: Report) -> None:
    """Replace checkov's records for each resource and rule by a record for each finding."""
    report.failed_checks = _without_ours(report.failed_checks)
    report.skipped_checks = _without_ours(report.skipped_checks)
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


def _without_ours(records_of_checkov: Iterable[Record]) -> list[Record]:
    return [record for record in records_of_checkov if record.check_id not in _checks]


def _runs(rule_id: str, runner_filter: RunnerFilter) -> bool:
    """Whether the command line selects a check.

    Records that are not rules, such as TL_CHECKOV_1, can be skipped, but never selected.
    """
    if rule_id in _checks and rule_id not in TITLES:
        return bool(runner_filter.should_run_check(_checks[rule_id], report_type="cloudformation"))
    return not RunnerFilter.check_matches(rule_id, None, runner_filter.skip_checks)


def _skips(path: str, root: str | None, runner_filter: RunnerFilter) -> bool:
    """Whether `--skip-path` excludes the file or a folder above it."""
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
