"""What `tl check` says of everything that checkov came by."""

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
from tljudge.rules import ALL
from tljudge.runner.check import check

_RULES = {rule.id: rule for rule in ALL}


class ConfigurationError(Exception):
    """What the environment names cannot be used."""


def configuration() -> tuple[Policy, Given]:
    """The policy and the parameters that `TL_POLICY` and `TL_PARAMETERS` name.

    Raises:
        ConfigurationError: one of them cannot be used.
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
    """One run over one folder, or over named files."""

    root: str | None
    report: Report
    policy: Policy
    given: Given
    _templates: dict[str, Template | None] = field(default_factory=dict)
    _found: dict[tuple[str, str, str], list[Finding]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in self.report.findings:
            key = (one.rule, os.path.realpath(one.file), one.resource)
            self._found.setdefault(key, []).append(one)

    def word(self, rule_id: str, scanned_file: str, name: str, kind: str) -> str:
        """FAILED, SKIPPED, PASSED, or UNKNOWN where the rule has nothing to say.

        Args:
            rule_id: which rule.
            scanned_file: as checkov writes it: `/relative/path`.
            name: the resource's logical id.
            kind: its type.
        """
        path = os.path.realpath(Path(self.root or ".") / scanned_file[1:])
        if found := self._found.get((rule_id, path, name)):
            return "SKIPPED" if all(one.waived for one in found) else "FAILED"
        rule = _RULES.get(rule_id)
        if rule is None or not rule.applies(self.policy) or self._template(path) is None:
            return "UNKNOWN"
        taggable = "*" in rule.types and tagging().get(kind) is not None
        return "PASSED" if kind in rule.types or "**" in rule.types or taggable else "UNKNOWN"

    def kind(self, finding: Finding) -> str:
        """The type of a finding's resource; for what is none, what the finding is about."""
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
    found: Iterable[str],
    broken: Iterable[str],
    named: Iterable[str],
    policy: Policy,
    given: Given,
) -> Judgement:
    """Judge a folder as `tl check` does, and whatever else checkov came by.

    Args:
        root: the folder; None when files were named.
        found: files that checkov read.
        broken: those of them that would end its run.
        named: files named on the command line.
        policy: thresholds and waivers.
        given: parameters and tags.
    """
    paths = [Path(name) for name in broken]
    if root is None:
        paths += [Path(name) for name in (*found, *named) if _is_meant(name)]
    else:
        paths += [Path(root), *map(Path, found)]
    distinct: dict[str, Path] = {}
    for path in paths:
        distinct.setdefault(os.path.realpath(path), path)
    return Judgement(root, check([*distinct.values()], policy, given), policy, given)


def _is_meant(name: str) -> bool:
    if not name.endswith(SUFFIXES):
        return False
    try:
        load(Path(name))
    except NotATemplate:
        return False
    except TemplateError:
        pass
    return True
