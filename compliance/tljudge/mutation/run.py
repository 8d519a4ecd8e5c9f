"""The mutation run: judge each mutant as `tl check` does, and compare it with the original.

New findings that no waiver hides kill a mutant: `tl check` would fail on them. A waiver that is too
wide also hides new findings, so its mutants survive.
"""

import difflib
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

from tljudge.engine.findings import WAIVER, Report
from tljudge.engine.rule import Rule
from tljudge.mutation.edits import Break
from tljudge.mutation.operator import Operator
from tljudge.mutation.score import InapplicableMutation, Mutant
from tljudge.mutation.target import MutationTarget, TemplateSet, broken, text_of
from tljudge.rules import ALL
from tljudge.runner.check import check

FindingKey = tuple[str, str, str, str, str]
"""Rule, verdict, file, resource and message of a finding; not its line, which YAML output moves."""


class MutantError(Exception):
    """A template that cannot be judged, or a mutant that CloudFormation would reject."""


def run(
    template_sets: Sequence[TemplateSet],
    operators: Sequence[Operator],
    rules: Sequence[Rule],
    *,
    today: date | None = None,
) -> Iterator[Mutant | InapplicableMutation]:
    """Yield every mutant of every operator, always in the same order.

    Raises:
        MutantError: an original or a mutant cannot be judged, or an edit's path does not exist.
    """
    for template_set in template_sets:
        for target in template_set.targets:
            yield from broken_in(template_set, target, operators, rules, today)


def broken_in(
    template_set: TemplateSet,
    target: MutationTarget,
    operators: Sequence[Operator],
    rules: Sequence[Rule],
    today: date | None = None,
) -> Iterator[Mutant | InapplicableMutation]:
    """Yield the mutants of one template of a template set.

    Raises:
        MutantError: as `run`.
    """
    with tempfile.TemporaryDirectory(prefix="tl-mutate-") as folder:
        workspace = _Workspace(Path(folder), template_set, rules, today)
        for operator in operators:
            if _is_enforced(operator, template_set):
                yield from _mutants(workspace, target, operator)


def _is_enforced(operator: Operator, template_set: TemplateSet) -> bool:
    """Whether the policy enforces a rule that the operator breaks; otherwise nothing is broken."""
    rules_by_id = {rule.id: rule for rule in ALL}
    return any(
        name not in rules_by_id or rules_by_id[name].applies(template_set.policy)
        for name in operator.expected
    )


def _mutants(
    workspace: "_Workspace", target: MutationTarget, operator: Operator
) -> Iterator[Mutant | InapplicableMutation]:
    breaks = operator.apply(target)
    while True:
        try:
            edits = next(breaks, None)
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            # The template has a shape that the operator does not expect: report it, and go on.
            yield InapplicableMutation(operator.name, workspace.display(target), _unexpected(error))
            return
        if edits is None:
            return
        mutant = workspace.judged(target, operator, edits)
        unchanged = InapplicableMutation(
            operator.name,
            workspace.display(target),
            "changes nothing: the template has this value already",
        )
        yield unchanged if mutant is None else mutant


def _unexpected(error: Exception) -> str:
    """What the template has not, or has in another shape."""
    if isinstance(error, KeyError):
        return f"the template has no {error} where the operator looks"
    return f"the template has another shape than the operator expects: {error}"


class _Workspace:
    """A temporary folder with a template set, in which each mutant replaces its files in turn."""

    def __init__(
        self, folder: Path, template_set: TemplateSet, rules: Sequence[Rule], today: date | None
    ) -> None:
        self._folder, self._template_set = folder, template_set
        self._rules, self._today = rules, today
        self._texts = {target.file: text_of(target.body) for target in template_set.targets}
        for file, text in self._texts.items():
            self._write(file, text)
        report = self._report(rules)
        for error in report.errors:
            file = self._relative(error.file)
            raise MutantError(f"{template_set.display(file)}: not judged: {error.message}")
        self._before = Counter(key for key, _ in self._keys(report))

    def display(self, target: MutationTarget) -> str:
        """The path of a target, as the user named it."""
        return self._template_set.display(target.file)

    def judged(self, target: MutationTarget, operator: Operator, edits: Break) -> Mutant | None:
        """Judge the mutant that these edits make; None where they change nothing."""
        resource, place = where(edits)
        line = target.line(edits[0].path)
        label = f"{self.display(target)}:{line} {resource} {place}: {operator.name}"
        try:
            bodies = broken(self._template_set, target, edits)
        except LookupError as error:
            raise MutantError(
                f"{label} edits a place that does not exist: {error}; correct the operator"
            ) from None
        texts = {file: text_of(body) for file, body in bodies.items()}
        if all(self._texts.get(file) == text for file, text in texts.items()):
            return None
        new: list[FindingKey] = []
        # An expected rule kills most mutants: judging by those rules first saves most of the time.
        expected_rules = [rule for rule in self._rules if rule.id in operator.expected]
        for rules in (expected_rules, self._rules):
            report = self._with(texts, rules)
            for problem in report.errors:
                raise MutantError(
                    f"{label} makes an invalid template: {problem.message}; correct the operator"
                )
            new = self._new(report)
            if any(_is_expected(key, operator) for key in new):
                break
        return Mutant(
            operator.name,
            self.display(target),
            line,
            resource,
            place,
            _killed_by(new),
            any(_is_expected(key, operator) for key in new),
            "" if new else self._diff(texts, operator.name),
        )

    def _write(self, file: str, text: str) -> None:
        path = self._folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def _report(self, rules: Sequence[Rule]) -> Report:
        root = self._folder / self._template_set.root
        parameters = dict(self._template_set.given)
        return check([root], self._template_set.policy, parameters, rules=rules, today=self._today)

    def _with(self, texts: Mapping[str, str], rules: Sequence[Rule]) -> Report:
        for file, text in texts.items():
            self._write(file, text)
        try:
            return self._report(rules)
        finally:
            for file in texts:
                if file in self._texts:
                    self._write(file, self._texts[file])
                else:
                    (self._folder / file).unlink()

    def _relative(self, file: str) -> str:
        return file.removeprefix(f"{self._folder}/")

    def _keys(self, report: Report) -> Iterator[tuple[FindingKey, bool]]:
        for finding in report.findings:
            if finding.rule != WAIVER:
                file = self._relative(finding.file)
                message = finding.stable_message
                yield (
                    (finding.rule, finding.verdict, file, finding.resource, message),
                    finding.is_open,
                )

    def _new(self, report: Report) -> list[FindingKey]:
        remaining = Counter(self._before)
        new = []
        for key, is_open in self._keys(report):
            remaining[key] -= 1
            if remaining[key] < 0 and is_open:
                new.append(key)
        return new

    def _diff(self, texts: Mapping[str, str], operator: str) -> str:
        lines: list[str] = []
        for file, text in texts.items():
            path = self._template_set.display(file)
            before = self._texts.get(file, "").splitlines()
            lines += difflib.unified_diff(
                before, text.splitlines(), path, f"{path} ({operator})", lineterm=""
            )
        return "\n".join(lines)


def _is_expected(key: FindingKey, operator: Operator) -> bool:
    return key[0] in operator.expected and (key[1] == "FAIL" or operator.doubtful)


def _killed_by(new: Sequence[FindingKey]) -> tuple[str, ...]:
    """Each rule once, sorted; `(unknown)` follows a rule that only answered UNKNOWN."""
    verdicts: dict[str, set[str]] = {}
    for rule, verdict, *_ in new:
        verdicts.setdefault(rule, set()).add(verdict)
    return tuple(
        rule if "FAIL" in verdicts[rule] else f"{rule} (unknown)" for rule in sorted(verdicts)
    )


def where(edits: Break) -> tuple[str, str]:
    """Logical id and property of the first edit; outside Resources, section and key."""
    path = edits[0].path
    if path[0] != "Resources":
        return str(path[0]), _dotted(path[1:])
    rest = path[2:]
    return str(path[1]), _dotted(rest[1:] if rest[:1] == ("Properties",) else rest)


def _dotted(path: tuple[str | int, ...]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")
