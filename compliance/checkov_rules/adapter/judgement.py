"""The verdicts of `tl check` on the folder or files that checkov scans."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tljudge.data import tagging
from tljudge.decode.errors import NotATemplate, TemplateError
from tljudge.decode.files import SUFFIXES
from tljudge.decode.loader import load
from tljudge.decode.parameter_file import Given, ParametersError, read_parameters
from tljudge.decode.template import Template
from tljudge.engine import policy as policies
from tljudge.engine.findings import Finding, Report
from tljudge.engine.policy import Policy
from tljudge.resolve.given import require_usable
from tljudge.rules import ALL
from tljudge.runner.check import check

_RULES = {rule.id: rule for rule in ALL}


class ConfigurationError(Exception):
    """The file in TL_POLICY or TL_PARAMETERS cannot be used."""


def configuration() -> tuple[Policy, Given]:
    """Read the files that `TL_POLICY` and `TL_PARAMETERS` name; return policy and parameters.

    Raises:
        ConfigurationError: a file cannot be read, or its content is wrong.
    """
    policy_file, parameter_file = (os.environ.get(f"TL_{n}") for n in ("POLICY", "PARAMETERS"))
    try:
        policy = policies.load(Path(policy_file) if policy_file else None)
    except policies.PolicyError as error:
        raise ConfigurationError(f"TL_POLICY: {error}") from None
    try:
        return policy, read_parameters(Path(parameter_file)) if parameter_file else {}
    except ParametersError as error:
        raise ConfigurationError(f"TL_PARAMETERS: {error}") from None


@dataclass(slots=True)
class Judgement:
    """The report on a folder, or on named files, with lookups for checkov's checks.

    Attributes:
        root: the folder; None for named files.
        report: the report of `tl check`.
        policy: thresholds and waivers.
        given: `Parameters` and `Tags`, as in a parameter file.
    """

    root: str | None
    report: Report
    policy: Policy
    given: Given
    _templates: dict[str, Template | None] = field(default_factory=dict)
    _findings: dict[tuple[str, str, str], list[Finding]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for finding in self.report.findings:
            key = (finding.rule, os.path.realpath(finding.file), finding.resource)
            self._findings.setdefault(key, []).append(finding)

    def word(self, rule_id: str, scanned_file: str, name: str, kind: str) -> str:
        """A rule's result on a resource: FAILED, SKIPPED, PASSED; UNKNOWN if it does not apply.

        Args:
            rule_id: id of the rule.
            scanned_file: the path as checkov writes it, `/relative/path`.
            name: logical id of the resource.
            kind: type of the resource.
        """
        path = os.path.realpath(Path(self.root or ".") / scanned_file[1:])
        if findings := self._findings.get((rule_id, path, name)):
            return "SKIPPED" if all(finding.waived for finding in findings) else "FAILED"
        rule = _RULES.get(rule_id)
        if rule is None or not rule.applies(self.policy) or self._template(path) is None:
            return "UNKNOWN"
        taggable = "*" in rule.types and tagging().get(kind) is not None
        return "PASSED" if kind in rule.types or "**" in rule.types or taggable else "UNKNOWN"

    def kind(self, finding: Finding) -> str:
        """The type of a finding's resource; for a finding on no resource, the rule's family."""
        path = os.path.realpath(finding.file)
        template = self._template(path) if path.endswith(SUFFIXES) else None
        body = None if template is None else template.resources.get(finding.resource)
        return str(body["Type"]) if body is not None else finding.rule.split("_")[1].title()

    def _template(self, path: str) -> Template | None:
        if path not in self._templates:
            try:
                self._templates[path] = load(Path(path), self.given.get("Parameters", {}))
            except TemplateError:
                self._templates[path] = None
        return self._templates[path]


def judge(
    root: str | None,
    read: Iterable[str],
    broken: Iterable[str],
    named: Iterable[str],
    policy: Policy,
    given: Given,
) -> Judgement:
    """Judge a folder as `tl check` does, and every other file that checkov read.

    Args:
        root: the folder; None for named files.
        read: paths of files that checkov read.
        broken: paths of the files that would crash checkov.
        named: paths on the command line.
        policy: thresholds and waivers.
        given: `Parameters` and `Tags`, as in a parameter file.

    Raises:
        ConfigurationError: no template takes a given parameter, or one refuses its value.
    """
    paths = [Path(name) for name in broken]
    if root is None:
        paths += [Path(name) for name in (*read, *named) if _may_be_template(name)]
    else:
        paths += [Path(root), *map(Path, read)]
    distinct: dict[str, Path] = {}
    for path in paths:
        distinct.setdefault(os.path.realpath(path), path)
    report = check([*distinct.values()], policy, given)
    try:
        require_usable(os.environ.get("TL_PARAMETERS"), report.parameter_faults)
    except ParametersError as error:
        raise ConfigurationError(f"TL_PARAMETERS: {error}") from None
    return Judgement(root, report, policy, given)


def _may_be_template(name: str) -> bool:
    if not name.endswith(SUFFIXES):
        return False
    try:
        load(Path(name))
    except NotATemplate:
        return False
    except TemplateError:
        pass
    return True
