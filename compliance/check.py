"""Files and folders in, one report out: one bad template is one error, and the rest are judged."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from compliance.data import tagging
from compliance.document import NotATemplate, TemplateError
from compliance.findings import Finding, Problem, Report, order, waive
from compliance.policy import Policy
from compliance.resolve import NESTED, Resource, World
from compliance.rule import Rule, Verdict
from compliance.rules import ALL
from compliance.scenarios import Choices, TooMany, Unreachable, explore
from compliance.template import load

SUFFIXES = (".yaml", ".yml", ".json", ".template")
SKIPPED_FOLDERS = ("node_modules", "__pycache__", "venv")
MAX_RUNS = 10_000
"""Combinations looked at in one deployment, beyond the first of each rule and resource."""
SIGHT = "TL_TEMPLATE_1"


class ParametersError(Exception):
    """A parameter file that cannot be used: where, what was found, what to do."""


def check(
    paths: Sequence[Path],
    policy: Policy,
    given: dict[str, Any] | None = None,
    *,
    rules: Sequence[Rule] = ALL,
    today: date | None = None,
) -> Report:
    """Judge every template in `paths`.

    Args:
        paths: files, and folders that are walked; a folder's files of another kind are counted.
        policy: thresholds and waivers.
        given: `Parameters` and `Tags` as a parameter file has them.
        rules: which rules; all of them unless a test chooses.
        today: decides which waivers have expired.
    """
    run = _Run(policy, given or {}, rules)
    single: list[tuple[Path, bool]] = []
    parents: list[World] = []
    for path, named in _templates(paths):
        if not run.may_nest(path):
            single.append((path, named))
        elif (world := run.world(path, named)) is not None:
            parents.append(world)
    nested = {
        Path(file).resolve()
        for world in parents
        for file in world.files - {world.root.template.file}
    }
    for world in parents:
        if Path(world.root.template.file).resolve() not in nested:
            run.judge(world)
    for path, named in single:
        if path.resolve() not in nested:
            one = run.world(path, named)
            if one is not None:
                run.judge(one)
    return run.report(today or datetime.now(UTC).date())


def read_parameters(path: Path) -> dict[str, Any]:
    """`{"Parameters": {...}, "Tags": {...}}`, both optional.

    Raises:
        ParametersError: it is something else.
    """
    try:
        body = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ParametersError(f"{path}: cannot be read: {error.strerror}; name a file") from None
    except ValueError as error:
        raise ParametersError(f"{path}: {error}; correct the JSON") from None
    if not isinstance(body, dict) or not body.keys() <= {"Parameters", "Tags"}:
        raise ParametersError(f'{path}: write {{"Parameters": {{...}}, "Tags": {{...}}}}')
    for section, values in body.items():
        if not isinstance(values, dict) or not all(
            isinstance(value, str | int | float) for value in values.values()
        ):
            raise ParametersError(f"{path}: {section} maps names to texts or numbers")
    return body


def _templates(paths: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
    """Each file once, and whether it was named itself."""
    seen: set[Path] = set()
    for path in paths:
        for one in _walk(path) if path.is_dir() else [path]:
            if one not in seen:
                seen.add(one)
                yield one, not path.is_dir()


def _walk(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if name[0] != "." and name not in SKIPPED_FOLDERS
        )
        for name in sorted(files):
            if name.endswith(SUFFIXES):
                yield Path(here) / name


class _Run:
    def __init__(self, policy: Policy, given: dict[str, Any], rules: Sequence[Rule]) -> None:
        self._policy, self._given = policy, given
        self._findings: dict[tuple[Any, ...], Finding] = {}
        self._errors: set[Problem] = set()
        self._by_type: dict[str, list[Rule]] = {}
        self._any_type = [rule for rule in rules if "*" in rule.types]
        for rule in rules:
            for kind in rule.types:
                self._by_type.setdefault(kind, []).append(rule)
        self._files: set[str] = set()
        self._not_covered: Counter[str] = Counter()
        self._unknown_types: Counter[str] = Counter()
        self._not_followed: set[str] = set()
        self._counts: Counter[str] = Counter(
            dict.fromkeys(("not_templates", "resources", "never_made", "unresolved_properties"), 0)
        )

    def may_nest(self, path: Path) -> bool:
        """Whether a file holds a nested stack, without parsing it."""
        try:
            return path.is_file() and NESTED.encode() in path.read_bytes()[: 1 << 22]
        except OSError:
            return False

    def world(self, path: Path, named: bool) -> World | None:
        """One deployment; an error is noted."""
        try:
            template = load(path)
            parameters = self._given.get("Parameters", {})
            known = {k: v for k, v in parameters.items() if k in template.parameters}
            return World(template, known, self._given.get("Tags"))
        except NotATemplate as error:
            if named:
                self._error(error)
            else:
                self._counts["not_templates"] += 1
        except TemplateError as error:
            if named or _looks_like_one(path):
                self._error(error)
            else:
                self._counts["not_templates"] += 1
        return None

    def _error(self, error: TemplateError) -> None:
        self._errors.add(Problem(error.file, error.mark[0], error.message))

    def judge(self, world: World) -> None:
        """Every resource of every stack of one deployment."""
        self._files |= world.files
        self._not_followed.update(world.not_followed)
        runs_left = MAX_RUNS
        types = tagging()
        for stack in world.stacks:
            for logical_id, mark, what in stack.template.hidden:
                self._unseen(
                    stack.template.file, mark, logical_id, f"{what}: nobody saw the result"
                )
            for resource in stack.resources.values():
                self._counts["resources"] += 1
                rules = self._by_type.get(resource.type, [])
                if resource.type not in types and not resource.type.startswith("Custom::"):
                    self._unknown_types[resource.type] += 1
                if types.get(resource.type) is not None:
                    rules = [*rules, *self._any_type]
                elif not rules:
                    self._not_covered[resource.type] += 1
                if resource.type.startswith("AWS::Serverless::"):
                    message = "SAM makes other resources of it: nobody saw them"
                    self._unseen(stack.template.file, resource.mark, resource.id, message)
                made = not rules
                for rule in rules:
                    used, exists = self._judged(world, resource, rule, runs_left)
                    runs_left -= used - 1
                    made = made or exists
                    if runs_left <= 0:
                        message = f"more than {MAX_RUNS} combinations: the rest was not judged"
                        self._unseen(stack.template.file, resource.mark, resource.id, message)
                        return
                self._counts["never_made"] += not made
        self._counts["unresolved_properties"] += len(world.unresolved)

    def _judged(
        self, world: World, resource: Resource, rule: Rule, runs_left: int
    ) -> tuple[int, bool]:
        """How many combinations were looked at, and whether the resource exists in one."""
        used, made, impossible = 0, 0, ""
        seen: dict[Verdict, list[Choices]] = {}
        cap = min(self._policy.scenario_cap, runs_left + 1)
        try:
            for choices in explore(cap):
                used += 1
                world.choices = choices
                try:
                    if resource.exists():
                        for verdict in dict.fromkeys(rule.check(resource, self._policy)):
                            seen.setdefault(verdict, []).append(choices)
                        made += 1
                except Unreachable as error:
                    impossible = str(error)
        except TooMany:
            message = f"more than {cap} combinations of conditions: the rest was not looked at"
            self._note(rule, resource, Verdict(False, message, resource.mark), {})
        except Exception as error:  # noqa: BLE001 - a shape no rule expects is never a pass
            message = f"it has a shape that could not be judged ({type(error).__name__})"
            self._note(rule, resource, Verdict(False, message, resource.mark), {})
        for verdict, where in seen.items():
            # What holds in every combination needs no example.
            scenario = {} if len(where) == used else where[0].scenario()
            self._note(rule, resource, verdict, scenario)
        if impossible and not made:
            message = f"no combination can be deployed: {impossible}"
            self._note(rule, resource, Verdict(False, message, resource.mark), {})
        return used, made > 0

    def _note(
        self, rule: Rule, resource: Resource, verdict: Verdict, scenario: dict[str, str]
    ) -> None:
        file = resource.stack.template.file
        word = "FAIL" if verdict.fails else "UNKNOWN"
        key = (rule.id, word, file, verdict.mark, resource.id, verdict.message)
        if key not in self._findings:
            line, column = verdict.mark
            self._findings[key] = Finding(
                rule.id, word, file, line, column, resource.id, verdict.message, rule.fix, scenario
            )

    def _unseen(self, file: str, mark: tuple[int, int], logical_id: str, message: str) -> None:
        fix = "expand it first, and check the result"
        finding = Finding(SIGHT, "UNKNOWN", file, *mark, logical_id, message, fix)
        self._findings[(SIGHT, file, mark, message)] = finding

    def report(self, today: date) -> Report:
        findings = sorted(self._findings.values(), key=order)
        findings = waive(findings, self._policy, self._files, today)
        errors = sorted(self._errors, key=lambda one: (one.file, one.line, one.message))
        open_ones = [one for one in findings if not one.waived]
        summary = {
            "templates": len(self._files),
            **self._counts,
            "fail": sum(one.verdict == "FAIL" for one in open_ones),
            "unknown": sum(one.verdict == "UNKNOWN" for one in open_ones),
            "waived": len(findings) - len(open_ones),
            "errors": len(errors),
            "not_covered": dict(sorted(self._not_covered.items())),
            "unknown_types": dict(sorted(self._unknown_types.items())),
            "not_followed": sorted(self._not_followed),
        }
        return Report(findings, errors, summary)


def _looks_like_one(path: Path) -> bool:
    """A file in a folder that does not parse: whether it was meant as a template."""
    try:
        with path.open("rb") as file:
            start = file.read(1 << 16)
    except OSError:
        return True
    return any(word in start for word in (b"AWSTemplateFormatVersion", b"AWS::"))
