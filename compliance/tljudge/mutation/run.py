"""The run: each mutant is judged like any template, and compared with what was said before it.

A mutant is killed by findings that were not there before and that no waiver hides: what `tl check`
would stop. A waiver that also hides what is new is a waiver that is too wide, and shows here.
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

Said = tuple[str, str, str, str, str]
"""Rule, verdict, file, resource and message of a finding; lines move when text is written anew."""


class MutantError(Exception):
    """A template that cannot be judged, or a mutant that nobody could deploy."""


def run(
    template_sets: Sequence[TemplateSet],
    operators: Sequence[Operator],
    rules: Sequence[Rule],
    *,
    today: date | None = None,
) -> Iterator[Mutant | InapplicableMutation]:
    """Every mutant of every operator, in an order that never changes.

    Raises:
        MutantError: a deployment cannot be judged, or an operator makes what is no mutant.
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
    """The mutants of one template of a template set.

    Raises:
        MutantError: as `run`.
    """
    with tempfile.TemporaryDirectory(prefix="tl-mutate-") as folder:
        bench = _Bench(Path(folder), template_set, rules, today)
        for operator in operators:
            if _is_asked(operator, template_set):
                yield from _mutants(bench, target, operator)


def _is_asked(operator: Operator, template_set: TemplateSet) -> bool:
    """Whether the policy asks what the operator breaks; where it does not, nothing is broken."""
    known = {rule.id: rule for rule in ALL}
    return any(
        name not in known or known[name].applies(template_set.policy) for name in operator.expected
    )


def _mutants(
    bench: "_Bench", target: MutationTarget, operator: Operator
) -> Iterator[Mutant | InapplicableMutation]:
    found = operator.apply(target)
    while True:
        try:
            edits = next(found, None)
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            # A template may have shapes that no operator expects; that is said, and it goes on.
            yield InapplicableMutation(
                operator.name, bench.shown(target), f"{type(error).__name__}: {error}"
            )
            return
        if edits is None:
            return
        mutant = bench.judged(target, operator, edits)
        changed = InapplicableMutation(
            operator.name, bench.shown(target), "changes nothing: it is so already"
        )
        yield changed if mutant is None else mutant


class _Bench:
    """A folder with one template set, in which one mutant after another takes a file's place."""

    def __init__(
        self, folder: Path, template_set: TemplateSet, rules: Sequence[Rule], today: date | None
    ) -> None:
        self._folder, self._template_set = folder, template_set
        self._rules, self._today = rules, today
        self._texts = {one.file: text_of(one.body) for one in template_set.targets}
        for file, text in self._texts.items():
            self._write(file, text)
        report = self._report(rules)
        for error in report.errors:
            file = self._relative(error.file)
            raise MutantError(f"{template_set.shown(file)}: not judged: {error.message}")
        self._before = Counter(said for said, _ in self._said(report))

    def shown(self, target: MutationTarget) -> str:
        """A template's file as the user named it."""
        return self._template_set.shown(target.file)

    def judged(self, target: MutationTarget, operator: Operator, edits: Break) -> Mutant | None:
        """One mutant, and what became of it; None where nothing is changed."""
        resource, place = where(edits)
        line = target.line(edits[0].path)
        shown = f"{self.shown(target)}:{line} {resource} {place}: {operator.name}"
        try:
            bodies = broken(self._template_set, target, edits)
        except LookupError as error:
            raise MutantError(f"{shown} leads nowhere: {error}") from None
        texts = {file: text_of(body) for file, body in bodies.items()}
        if all(self._texts.get(file) == text for file, text in texts.items()):
            return None
        new: list[Said] = []
        # Where a rule that should notice does, the others need not look: it saves most of the time.
        some = [rule for rule in self._rules if rule.id in operator.expected]
        for rules in (some, self._rules):
            report = self._with(texts, rules)
            for problem in report.errors:
                raise MutantError(f"{shown} is no template: {problem.message}")
            new = self._new(report)
            if any(_is_expected(said, operator) for said in new):
                break
        return Mutant(
            operator.name,
            self.shown(target),
            line,
            resource,
            place,
            _killers(new),
            any(_is_expected(said, operator) for said in new),
            "" if new else self._diff(texts, operator.name),
        )

    def _write(self, file: str, text: str) -> None:
        path = self._folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def _report(self, rules: Sequence[Rule]) -> Report:
        root = self._folder / self._template_set.root
        given = dict(self._template_set.given)
        return check([root], self._template_set.policy, given, rules=rules, today=self._today)

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

    def _said(self, report: Report) -> Iterator[tuple[Said, bool]]:
        for one in report.findings:
            if one.rule != WAIVER:
                file = self._relative(one.file)
                said = (one.rule, one.verdict, file, one.resource, one.stable_message)
                yield said, one.is_open

    def _new(self, report: Report) -> list[Said]:
        left = Counter(self._before)
        new = []
        for said, is_open in self._said(report):
            left[said] -= 1
            if left[said] < 0 and is_open:
                new.append(said)
        return new

    def _diff(self, texts: Mapping[str, str], name: str) -> str:
        lines: list[str] = []
        for file, text in texts.items():
            shown = self._template_set.shown(file)
            before = self._texts.get(file, "").splitlines()
            lines += difflib.unified_diff(
                before, text.splitlines(), shown, f"{shown} ({name})", lineterm=""
            )
        return "\n".join(lines)


def _is_expected(said: Said, operator: Operator) -> bool:
    return said[0] in operator.expected and (said[1] == "FAIL" or operator.doubtful)


def _killers(new: Sequence[Said]) -> tuple[str, ...]:
    """Each rule once; `(unknown)` behind those that could only not know."""
    verdicts: dict[str, set[str]] = {}
    for rule, verdict, *_ in new:
        verdicts.setdefault(rule, set()).add(verdict)
    return tuple(
        rule if "FAIL" in verdicts[rule] else f"{rule} (unknown)" for rule in sorted(verdicts)
    )


def where(edits: Break) -> tuple[str, str]:
    """Resource, or else section, and property of the place that a break is about."""
    path = edits[0].path
    if path[0] != "Resources":
        return str(path[0]), _dotted(path[1:])
    rest = path[2:]
    return str(path[1]), _dotted(rest[1:] if rest[:1] == ("Properties",) else rest)


def _dotted(path: tuple[str | int, ...]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")
