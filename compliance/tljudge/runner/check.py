"""Files and folders in, one report out: one bad template is one error, and the rest are judged."""

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tljudge.decode.errors import TemplateError
from tljudge.decode.files import templates
from tljudge.decode.parameter_file import Given
from tljudge.decode.source import Sources
from tljudge.engine.evaluate import Judge, Judged
from tljudge.engine.findings import Finding, Order, Problem, Report, order, tally, waive
from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule
from tljudge.resolve.deployment import NESTED
from tljudge.rules import ALL

if TYPE_CHECKING:
    from tljudge.runner.cache import Cache

MANY = 20
"""Files from which on a second process is worth its start."""


def check(
    paths: Sequence[Path],
    policy: Policy,
    given: Given | None = None,
    *,
    rules: Sequence[Rule] = ALL,
    today: date | None = None,
    cache: Path | None = None,
    processes: int = 1,
    sources: Sources | None = None,
) -> Report:
    """Judge every template in `paths`.

    Args:
        paths: files, and folders that are walked; a folder's files of another kind are counted.
        policy: thresholds and waivers.
        given: `Parameters` and `Tags` as a parameter file has them.
        rules: which rules; all of them unless a test chooses.
        today: decides which waivers have expired, and how old prices are.
        cache: a folder for verdicts; what has not changed is taken from there.
        processes: how many judge when there are many files; only with all rules.
        sources: files that the caller has read already.
    """
    today = today or datetime.now(UTC).date()
    policy = replace(policy, today=policy.today or today)
    run = _Run(policy, given or {}, rules, processes, sources or Sources())
    if cache is not None and rules is ALL:
        from tljudge.runner.cache import Cache

        run.cache = Cache(cache, policy, given or {}, today)
    parents: list[tuple[Path, bool]] = []
    single: list[tuple[Path, bool]] = []
    for path, named in templates(paths):
        (parents if run.look(path, named) else single).append((path, named))
    found = list(zip(parents, run.judged(parents), strict=True))
    nested = {
        Path(file).resolve() for (path, _), one in found for file in one.files if file != str(path)
    }
    judged = [
        Judged(errors=one.errors) if path.resolve() in nested else one for (path, _), one in found
    ]
    judged += run.judged([task for task in single if task[0].resolve() not in nested])
    run.close()
    return _report(judged, policy, today)


class _Run:
    """What is known about the files of one run before they are judged."""

    def __init__(
        self,
        policy: Policy,
        given: Given,
        rules: Sequence[Rule],
        processes: int,
        sources: Sources,
    ) -> None:
        self._policy, self._given, self._rules = policy, given, rules
        self._processes = processes if rules is ALL else 1
        self._known: dict[Path, Judged] = {}
        self._sources = sources
        self.cache: Cache | None = None

    def look(self, path: Path, named: bool) -> bool:
        """Look for what was found before; whether the file holds a nested stack."""
        try:
            source = self._sources.read(path)
        except TemplateError:
            return False  # the judge reports it
        if self.cache is not None:
            known = self.cache.get(source, named, self._sources)
            if known is not None:
                self._known[path] = known
        return NESTED.encode() in source.content

    def judged(self, tasks: Sequence[tuple[Path, bool]]) -> list[Judged]:
        """What is found in each."""
        unknown = [task for task in tasks if task[0] not in self._known]
        with _uncollected():
            if self._processes > 1 and len(unknown) >= MANY:
                from tljudge.runner import pool

                found = pool.judged(
                    unknown, self._policy, self._given, self._processes, self._sources
                )
            else:
                judge = Judge(self._policy, self._given, self._rules, self._sources)
                found = [judge.judged(path, named) for path, named in unknown]
        for (path, named), one in zip(unknown, found, strict=True):
            self._known[path] = one
            if self.cache is not None:
                self.cache.put(path, named, one)
        return [self._known.pop(path) for path, _ in tasks]

    def close(self) -> None:
        """Leave the cache within its bounds."""
        if self.cache is not None:
            self.cache.close()


@contextmanager
def _uncollected() -> Iterator[None]:
    """A deployment lets go of what it holds, so that looking for circles is a waste of time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _report(judged: Iterable[Judged], policy: Policy, today: date) -> Report:
    """All deployments together; a template that two of them nest is there once."""
    by_identity: dict[Order, Finding] = {}
    problems: set[Problem] = set()
    files: set[str] = set()
    not_followed: set[str] = set()
    names = ("not_templates", "resources", "never_made", "unresolved_properties")
    counts = Counter(dict.fromkeys(names, 0))
    not_covered: Counter[str] = Counter()
    unknown_types: Counter[str] = Counter()
    for one in judged:
        for finding in one.findings:
            by_identity.setdefault(order(finding), finding)
        problems.update(one.errors)
        files.update(one.files)
        not_followed.update(one.not_followed)
        counts.update(one.counts)
        not_covered.update(one.not_covered)
        unknown_types.update(one.unknown_types)
    findings = waive([by_identity[key] for key in sorted(by_identity)], policy, files, today)
    errors = sorted(problems, key=lambda one: (one.file, one.line, one.message))
    summary = {
        "templates": len(files),
        **counts,
        **tally(findings),
        "errors": len(errors),
        "not_covered": dict(sorted(not_covered.items())),
        "unknown_types": dict(sorted(unknown_types.items())),
        "not_followed": sorted(not_followed),
    }
    return Report(findings, errors, summary, frozenset(files))
