"""One deployment judged: a template and those it nests, every resource, by every rule.

Whatever happens while a rule looks at a resource ends in a finding; nothing is passed over.
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
from tljudge.engine.findings import GAVE_UP, SIGHT, Finding, Order, Problem, order
from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict
from tljudge.resolve.assertions import forbidden
from tljudge.resolve.deployment import Deployment, Resource, Stack
from tljudge.resolve.scenarios import Choices, Unreachable, following

MAX_RUNS = 10_000
"""Combinations looked at in one deployment, beyond the first of each rule and resource."""
MAX_SECONDS = 10.0
"""Of this process for one deployment; a hundred times what the largest need that people write."""


@dataclass(slots=True)
class Judged:
    """What was found in one deployment, before waivers.

    Attributes:
        files: the templates that were read, and the digest of what was read.
        counts: of `resources` and the like, as the summary names them.
        not_covered: resources without a rule, by type.
        unknown_types: resources of types nobody knows.
        not_followed: nested stacks whose templates are elsewhere.
        digest: of the file's content, where that and `files` alone decide what was found.
    """

    findings: list[Finding] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    not_covered: Counter[str] = field(default_factory=Counter)
    unknown_types: Counter[str] = field(default_factory=Counter)
    not_followed: list[str] = field(default_factory=list)
    digest: str = ""


class Judge:
    """The rules under one policy, for any number of templates.

    Args:
        policy: thresholds; the judge leaves its waivers to the runner.
        given: `Parameters` and `Tags` as a parameter file has them.
        rules: which rules.
        sources: the files of the run; what the runner read already is not read again.
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
        """Judge one file.

        Args:
            path: of a template, or of anything else that a folder holds.
            named: whether the user named it, so that it is an error when it is no template.
        """
        parameters = self._given.get("Parameters", {})
        digest = ""
        try:
            source = self._sources.read(path)
            digest = source.digest
            if not named and not source.may_be_template():
                return Judged(counts=Counter(not_templates=1), digest=digest)
            template = decode(source, parameters)
            digest = ""  # the error may lie in a nested file, so this file alone is no key to it
            known = {k: v for k, v in parameters.items() if k in template.parameters}
            deployment = Deployment(template, known, self._given.get("Tags"), self._sources.read)
        except TemplateError as error:
            if named or (not isinstance(error, NotATemplate) and is_meant_as_template(path)):
                problem = Problem(error.file, error.mark[0], error.message)
                return Judged(errors=[problem], digest=digest)
            return Judged(counts=Counter(not_templates=1), digest=digest)
        except Exception as error:  # noqa: BLE001 - one bad file is one error, whatever is wrong
            message = f"could not be read ({type(error).__name__}); judge the others without it"
            return Judged(errors=[Problem(str(path), 1, message)])
        try:
            return _Run(self, deployment, self._policy).result()
        finally:
            deployment.close()

    def of_type(self, kind: str) -> tuple[Rule, ...]:
        """The rules for a type of resource."""
        found = self._rules.get(kind)
        if found is None:
            wanted = {kind, "**", *("*" if tagging().get(kind) is not None else ())}
            found = tuple(rule for rule in self._all if not wanted.isdisjoint(rule.types))
            self._rules[kind] = found
        return found

    def covers(self, kind: str) -> bool:
        """Whether a rule is about this type, and not about all."""
        return kind in self._named or tagging().get(kind) is not None


class _GaveUp(Exception):
    """The bounds of one deployment are reached; says which."""


class _Run:
    """One deployment in progress."""

    def __init__(self, judge: Judge, deployment: Deployment, policy: Policy) -> None:
        self._judge, self._deployment, self._policy = judge, deployment, policy
        self._findings: dict[Order, Finding] = {}
        self._runs_left = MAX_RUNS
        self._until = time.process_time() + MAX_SECONDS

    def result(self) -> Judged:
        deployment = self._deployment
        found = Judged(
            files=deployment.files,
            not_followed=deployment.not_followed,
            digest=deployment.root.template.digest,
        )
        for stack in deployment.stacks:
            for logical_id, mark, what in stack.template.hidden:
                self._unseen(stack, mark, logical_id, f"{what}: nobody saw the result")
        try:
            for stack in deployment.stacks:
                for resource in stack.resources.values():
                    self._resource(resource, found)
        except _GaveUp as error:
            if self._runs_left > 0:  # time ran out, which it may not another day
                found.digest = ""
            self._unseen(resource.stack, resource.mark, resource.id, f"{error}: {GAVE_UP}")
        found.counts["unresolved_properties"] = len(deployment.unresolved)
        found.findings = list(self._findings.values())
        return found

    def _resource(self, resource: Resource, found: Judged) -> None:
        kind = resource.type
        found.counts["resources"] += 1
        if kind not in tagging() and not kind.startswith("Custom::"):
            found.unknown_types[kind] += 1
        if not self._judge.covers(kind):
            found.not_covered[kind] += 1
        if kind.startswith("AWS::Serverless::"):
            message = "SAM makes other resources of it: nobody saw them"
            self._unseen(resource.stack, resource.mark, resource.id, message)
        rules = self._judge.of_type(kind)
        made = not rules
        for rule in rules:
            made = self._judged(resource, rule) or made
            if self._runs_left <= 0:
                break
        self._check_bounds()
        found.counts["never_made"] += not made

    def _judged(self, resource: Resource, rule: Rule) -> bool:
        """Whether the resource exists in a combination."""
        deployment, runs, made, impossible = self._deployment, 0, 0, ""
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
                        where = seen.setdefault(verdict, [])
                        if not where or where[-1] is not choices:
                            where.append(choices)
                    made += 1
            except Unreachable as error:
                impossible = str(error)
            except Exception as error:  # noqa: BLE001 - a shape no rule expects is never a pass
                message = f"it has a shape that could not be judged ({type(error).__name__})"
                self._note(rule, resource, Verdict(False, message, resource.mark), {})
                break
            if runs % 4 == 0 and self._is_late():
                break
            choices = following(choices)
        else:
            if choices is not None:
                message = f"more than {cap} combinations of conditions: {GAVE_UP}"
                self._note(rule, resource, Verdict(False, message, resource.mark), {})
        for verdict, where in seen.items():
            # What holds in every combination needs no example.
            scenario = {} if len(where) == runs else where[0].scenario()
            self._note(rule, resource, verdict, scenario)
        if impossible and not made:
            message = f"no combination can be deployed: {impossible}"
            self._note(rule, resource, Verdict(False, message, resource.mark), {})
        self._runs_left -= runs - 1
        return made > 0

    def _check_bounds(self) -> None:
        if self._is_late():
            raise _GaveUp(f"more than {MAX_SECONDS:.0f} seconds of work")
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

    def _unseen(self, stack: Stack, mark: Mark, logical_id: str, message: str) -> None:
        fix = "expand it first, and check the result"
        file = stack.template.file
        self._add(Finding(SIGHT, "UNKNOWN", file, *mark, logical_id, message, fix))

    def _add(self, finding: Finding) -> None:
        self._findings.setdefault(order(finding), finding)
