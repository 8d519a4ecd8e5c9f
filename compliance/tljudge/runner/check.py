"""Judge files and folders into a report; a template that cannot be judged stops no other."""

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from os.path import realpath  # Path.resolve raises for a link that leads to itself
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
from tljudge.resolve.given import undeclared
from tljudge.rules import ALL

if TYPE_CHECKING:
    from tljudge.runner.cache import Cache

MANY = 20
"""Number of files from which a second process saves more time than its start costs."""


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
        paths: files and folders; in folders, files that are not templates are only counted.
        policy: thresholds and waivers.
        given: `Parameters` and `Tags`, as in a parameter file.
        rules: the rules to judge by.
        today: the date that decides which waivers have expired and how old prices are.
        cache: folder of cached verdicts; used with all rules only.
        processes: number of processes for `MANY` files or more; used with all rules only.
        sources: files that the caller has read already.
    """
    today = today or datetime.now(UTC).date()
    policy = replace(policy, today=policy.today or today)
    run = _Run(policy, given or {}, rules, processes, sources or Sources())
    if cache is not None and rules is ALL:
        from tljudge.runner.cache import Cache

        run.cache = Cache(cache, policy, given or {}, today)
    parents: list[tuple[Path, bool]] = []
    others: list[tuple[Path, bool]] = []
    for path, named in templates(paths):
        (parents if run.look(path, named) else others).append((path, named))
    judged_parents = list(zip(parents, run.judged(parents), strict=True))
    nested = {
        realpath(file)
        for (path, _), result in judged_parents
        for file in result.files
        if file != str(path)
    }
    # A nested template is judged as part of its parent: its own run adds its errors only.
    judged = [
        Judged(errors=result.errors) if realpath(path) in nested else result
        for (path, _), result in judged_parents
    ]
    judged += run.judged([task for task in others if realpath(task[0]) not in nested])
    run.close()
    report = _report(judged, policy, today)
    report.parameter_faults = _parameter_faults(judged, report, paths, given or {})
    return report


def _parameter_faults(
    judged: Sequence[Judged], report: Report, paths: Sequence[Path], given: Given
) -> list[str]:
    """Lines about given parameters; a template that could not be judged may declare any name."""
    faults = sorted({line for result in judged for line in result.refused})
    if report.files and not report.errors:
        declared = {name for result in judged for name in result.declared}
        faults += undeclared(given.get("Parameters", {}), declared, paths)
    return faults


class _Run:
    """The state of a run: its settings, its sources, and the verdicts from the cache."""

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
        """Fetch the cached verdicts on a file; return whether the file mentions a nested stack."""
        try:
            source = self._sources.read(path)
        except TemplateError:
            return False  # the judge reports it
        if self.cache is not None:
            cached = self.cache.get(source, named, self._sources)
            if cached is not None:
                self._known[path] = cached
        return NESTED.encode() in source.content

    def judged(self, tasks: Sequence[tuple[Path, bool]]) -> list[Judged]:
        """Judge these files, or take their cached verdicts; results in the order of `tasks`."""
        uncached = [task for task in tasks if task[0] not in self._known]
        with _without_cyclic_collector():
            if self._processes > 1 and len(uncached) >= MANY:
                from tljudge.runner import pool

                results = pool.judged(
                    uncached, self._policy, self._given, self._processes, self._sources
                )
            else:
                judge = Judge(self._policy, self._given, self._rules, self._sources)
                results = [judge.judged(path, named) for path, named in uncached]
        for (path, named), result in zip(uncached, results, strict=True):
            self._known[path] = result
            if self.cache is not None:
                self.cache.put(path, named, result)
        return [self._known.pop(path) for path, _ in tasks]

    def close(self) -> None:
        """Reduce the cache to its bounds."""
        if self.cache is not None:
            self.cache.close()


@contextmanager
def _without_cyclic_collector() -> Iterator[None]:
    """Disable the cyclic garbage collector: `Deployment.close` breaks the cycles itself."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _report(judged: Iterable[Judged], policy: Policy, today: date) -> Report:
    """Merge the results of all deployments; a template that two of them nest counts once."""
    by_identity: dict[Order, Finding] = {}
    problems: set[Problem] = set()
    files: set[str] = set()
    not_followed: set[str] = set()
    names = ("not_templates", "resources", "never_made", "unresolved_properties")
    counts = Counter(dict.fromkeys(names, 0))
    not_covered: Counter[str] = Counter()
    unknown_types: Counter[str] = Counter()
    for result in judged:
        for finding in result.findings:
            by_identity.setdefault(order(finding), finding)
        problems.update(result.errors)
        files.update(result.files)
        not_followed.update(result.not_followed)
        counts.update(result.counts)
        not_covered.update(result.not_covered)
        unknown_types.update(result.unknown_types)
    rules = [rule.id for rule in ALL]
    findings = [by_identity[key] for key in sorted(by_identity)]
    findings = waive(findings, policy, files, today, rules)
    errors = sorted(problems, key=lambda problem: (problem.file, problem.line, problem.message))
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
