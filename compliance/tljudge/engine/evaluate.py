"""Judge a deployment: every resource of a template and its nested templates, by every rule.

An error in a rule becomes a finding: no resource passes because its judgement failed.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tljudge.data import tagging
from tljudge.decode.errors import NotATemplate, TemplateError
from tljudge.decode.loader import decode
from tljudge.decode.nodes import Mark
from tljudge.decode.parameter_file import Given
from tljudge.decode.source import Sources, is_meant_as_template
from tljudge.engine.findings import GAVE_UP, NOT_EXPANDED, Finding, Order, Problem, order
from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict
from tljudge.resolve.assertions import forbidden
from tljudge.resolve.deployment import Deployment, Resource, Stack
from tljudge.resolve.given import refused
from tljudge.resolve.scenarios import Choices, Unreachable, following

MAX_RUNS = 10_000
"""Maximum of combinations in a deployment, beyond the first for each rule and resource."""
MAX_SECONDS = 10.0
"""CPU seconds for a deployment; the largest templates in use need a hundredth of it."""


@dataclass(slots=True)
class Judged:
    """The results of a deployment, before waivers.

    Attributes:
        findings: violations and undecidable cases.
        errors: why the file could not be judged.
        files: path of each template that was read, to its digest.
        counts: number of resources and the like, under the names of the report's summary.
        not_covered: number of resources without a rule, by type.
        unknown_types: number of resources of unknown types, by type.
        not_followed: places of nested stacks whose templates are not local files.
        declared: names of the template's parameters.
        refused: lines about given parameter values that the template refuses.
        digest: digest of the file if its content and `files` decide the results; else empty.
    """

    findings: list[Finding] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    not_covered: Counter[str] = field(default_factory=Counter)
    unknown_types: Counter[str] = field(default_factory=Counter)
    not_followed: list[str] = field(default_factory=list)
    declared: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    digest: str = ""


class Judge:
    """Judges any number of templates by the rules that apply under a policy.

    Args:
        policy: thresholds; the runner applies its waivers.
        given: `Parameters` and `Tags`, as in a parameter file.
        rules: the rules to apply.
        sources: files that the run has read already.
    """

    def __init__(
        self,
        policy: Policy,
        given: Given,
        rules: Sequence[Rule],
        sources: Sources | None = None,
    ) -> None:
        self._policy, self._given = policy, given
        self._sources = sources or Sources()
        self._all = [rule for rule in rules if rule.applies(policy)]
        self._rules: dict[str, tuple[Rule, ...]] = {}
        self._named = {kind for rule in self._all for kind in rule.types}

    def judged(self, path: Path, named: bool) -> Judged:
        """Judge a file.

        Args:
            path: a template, or any other file of a folder.
            named: whether the user named the file itself; then it must be a template.
        """
        parameters = self._given.get("Parameters", {})
        digest = ""
        try:
            source = self._sources.read(path)
            digest = source.digest
            if not named and not source.may_be_template():
                return Judged(counts=Counter(not_templates=1), digest=digest)
            template = decode(source, parameters)
            digest = ""  # the error may lie in a nested file, so do not cache by this file's digest
            declared = {k: v for k, v in parameters.items() if k in template.parameters}
            deployment = Deployment(template, declared, self._given.get("Tags"), self._sources.read)
        except TemplateError as error:
            if named or (not isinstance(error, NotATemplate) and is_meant_as_template(path)):
                problem = Problem(error.file, error.mark[0], error.message)
                return Judged(errors=[problem], digest=digest)
            return Judged(counts=Counter(not_templates=1), digest=digest)
        except Exception as error:  # noqa: BLE001 - a bad file must not stop the run
            message = (
                f"could not be read ({type(error).__name__}); judge the other files without it"
            )
            return Judged(errors=[Problem(str(path), 1, message)])
        try:
            results = _Run(self, deployment, self._policy).result()
            results.refused = refused(template, parameters)
            return results
        finally:
            deployment.close()

    def of_type(self, kind: str) -> tuple[Rule, ...]:
        """The rules that judge a resource type."""
        rules = self._rules.get(kind)
        if rules is None:
            accepted = {kind, "**", *("*" if tagging().get(kind) is not None else ())}
            rules = tuple(rule for rule in self._all if not accepted.isdisjoint(rule.types))
            self._rules[kind] = rules
        return rules

    def covers(self, kind: str) -> bool:
        """Whether a rule names this type, or judges all taggable types."""
        return kind in self._named or tagging().get(kind) is not None


class _GaveUp(Exception):
    """A bound of the deployment is reached; the text says which."""


class _Run:
    """The judgement of a deployment, with its bounds of time and combinations."""

    def __init__(self, judge: Judge, deployment: Deployment, policy: Policy) -> None:
        self._judge, self._deployment, self._policy = judge, deployment, policy
        self._findings: dict[Order, Finding] = {}
        self._runs_left = MAX_RUNS
        self._until = time.process_time() + MAX_SECONDS

    def result(self) -> Judged:
        deployment = self._deployment
        results = Judged(
            files=deployment.files,
            not_followed=deployment.not_followed,
            declared=list(deployment.root.template.parameters),
            digest=deployment.root.template.digest,
        )
        for stack in deployment.stacks:
            for logical_id, mark, reason in stack.template.hidden:
                self._not_judged(stack, mark, logical_id, f"{reason}: the result was not judged")
        try:
            for stack in deployment.stacks:
                for resource in stack.resources.values():
                    self._resource(resource, results)
        except _GaveUp as error:
            if self._runs_left > 0:  # out of time; another run may have enough, so do not cache
                results.digest = ""
            self._not_judged(resource.stack, resource.mark, resource.id, f"{error}: {GAVE_UP}")
        results.counts["unresolved_properties"] = len(deployment.unresolved)
        results.findings = list(self._findings.values())
        return results

    def _resource(self, resource: Resource, results: Judged) -> None:
        kind = resource.type
        results.counts["resources"] += 1
        if kind not in tagging() and not kind.startswith("Custom::"):
            results.unknown_types[kind] += 1
        if not self._judge.covers(kind):
            results.not_covered[kind] += 1
        if kind.startswith("AWS::Serverless::"):
            message = "SAM expands it to other resources, which were not judged"
            self._not_judged(resource.stack, resource.mark, resource.id, message)
        rules = self._judge.of_type(kind)
        exists = not rules
        for rule in rules:
            exists = self._judged(resource, rule) or exists
            if self._runs_left <= 0:
                break
        self._check_bounds()
        results.counts["never_made"] += not exists

    def _judged(self, resource: Resource, rule: Rule) -> bool:
        """Judge a resource by a rule in every scenario; return whether it exists in any."""
        deployment, runs, existing, impossible = self._deployment, 0, 0, ""
        seen: dict[Verdict, list[Choices]] = {}
        cap = min(self._policy.scenario_cap, self._runs_left + 1)
        choices: Choices | None = Choices()
        while choices is not None and runs < cap:
            runs += 1
            deployment.choices = choices
            try:
                if resource.exists():
                    verdicts = tuple(rule.check(resource, self._policy))
                    if deployment.has_rules and (why := forbidden(deployment)):
                        raise Unreachable(why)
                    for verdict in verdicts:
                        scenarios = seen.setdefault(verdict, [])
                        if not scenarios or scenarios[-1] is not choices:
                            scenarios.append(choices)
                    existing += 1
            except Unreachable as error:
                impossible = str(error)
            except Exception as error:  # noqa: BLE001 - an unexpected shape must not pass
                message = f"has a shape that the rule does not expect ({type(error).__name__})"
                self._note(rule, resource, Verdict(False, message, resource.mark), {})
                break
            if runs % 4 == 0 and self._is_late():
                break
            choices = following(choices)
        else:
            if choices is not None:
                message = f"more than {cap} combinations of conditions: {GAVE_UP}"
                self._note(rule, resource, Verdict(False, message, resource.mark), {})
        for verdict, scenarios in seen.items():
            # A verdict of every combination needs no example.
            scenario = {} if len(scenarios) == runs else scenarios[0].scenario()
            self._note(rule, resource, verdict, scenario)
        if impossible and not existing:
            message = f"no combination of parameters can be deployed: {impossible}"
            self._note(rule, resource, Verdict(False, message, resource.mark), {})
        self._runs_left -= runs - 1
        return existing > 0

    def _check_bounds(self) -> None:
        if self._is_late():
            raise _GaveUp(f"judging takes more than {MAX_SECONDS:.0f} CPU seconds")
        if self._runs_left <= 0:
            raise _GaveUp(f"more than {MAX_RUNS} combinations")

    def _is_late(self) -> bool:
        return time.process_time() > self._until

    def _note(
        self, rule: Rule, resource: Resource, verdict: Verdict, scenario: dict[str, str]
    ) -> None:
        word = "FAIL" if verdict.fails else "UNKNOWN"
        self._add(
            Finding(
                rule.id,
                word,
                resource.stack.template.file,
                *verdict.mark,
                resource.id,
                verdict.message,
                rule.fix,
                scenario,
            )
        )

    def _not_judged(self, stack: Stack, mark: Mark, logical_id: str, message: str) -> None:
        fix = "expand it, and check the expanded template"
        file = stack.template.file
        self._add(Finding(NOT_EXPANDED, "UNKNOWN", file, *mark, logical_id, message, fix))

    def _add(self, finding: Finding) -> None:
        self._findings.setdefault(order(finding), finding)
