"""Files and folders in, one report out: one bad template is one error, and the rest are judged."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from compliance.findings import Finding, Problem, Report, order, tally, waive
from compliance.judge import Judge, Judged
from compliance.policy import Policy
from compliance.resolve import NESTED
from compliance.rule import Rule
from compliance.rules import ALL

SUFFIXES = (".yaml", ".yml", ".json", ".template")
SKIPPED_FOLDERS = ("node_modules", "__pycache__", "venv")


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
    judge = Judge(policy, given or {}, rules)
    parents: list[tuple[Path, bool]] = []
    single: list[tuple[Path, bool]] = []
    for path, named in templates(paths):
        (parents if _may_nest(path) else single).append((path, named))
    found = [(path, judge.judged(path, named)) for path, named in parents]
    nested = {
        Path(file).resolve() for path, one in found for file in one.files if file != str(path)
    }
    judged = [
        one if path.resolve() not in nested else Judged(errors=one.errors) for path, one in found
    ]
    judged += [judge.judged(path, named) for path, named in single if path.resolve() not in nested]
    return _report(judged, policy, today or datetime.now(UTC).date())


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


def templates(paths: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
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


def _may_nest(path: Path) -> bool:
    """Whether a file holds a nested stack, without parsing it."""
    try:
        return path.is_file() and NESTED.encode() in path.read_bytes()[: 1 << 22]
    except OSError:
        return False


def _report(judged: Iterable[Judged], policy: Policy, today: date) -> Report:
    """All deployments together; a template that two of them nest is there once."""
    by_identity: dict[tuple[Any, ...], Finding] = {}
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
