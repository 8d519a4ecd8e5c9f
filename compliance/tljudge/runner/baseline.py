"""The findings a repository begins with: known, counted, and only ever fewer.

An entry says file, resource, rule, verdict and message, so that lines may move. What is found more
often than its entry says is new and fails; an entry that matches nothing any more fails too, until
it is removed. What nobody judged and what a waiver no longer covers cannot stand in a baseline.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from tljudge.engine.findings import BASELINE, GAVE_UP, WAIVER, Finding, Report, order, tally

SCHEMA_VERSION = 1
_ENTRY = re.compile(r'(?<!\\)"file"\s*:')


class BaselineError(Exception):
    """A baseline that cannot be used: where, what was found, what to do."""


class Key(NamedTuple):
    """What is the same finding; `file` is relative to the baseline's folder, with slashes."""

    file: str
    resource: str
    rule: str
    verdict: str
    message: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of finding, how many of it, and the line of the baseline that says so."""

    key: Key
    count: int
    line: int = 1


def read(path: Path) -> list[Entry]:
    """The entries of a baseline.

    Raises:
        BaselineError: it cannot be read, or has another shape.
    """
    try:
        text = path.read_text("utf-8")
        body = json.loads(text)
    except OSError as error:
        raise BaselineError(
            f"{path}: cannot be read: {error.strerror}; --write-baseline makes one"
        ) from None
    except UnicodeDecodeError as error:
        raise BaselineError(f"{path}: byte {error.start} is not UTF-8; save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise BaselineError(f"{path}: {error}; correct the JSON, or write it anew") from None
    if not isinstance(body, dict) or body.keys() != {"schema_version", "findings"}:
        raise BaselineError(f"{path}: a baseline has schema_version and findings; write it anew")
    if body["schema_version"] != SCHEMA_VERSION or isinstance(body["schema_version"], bool):
        raise BaselineError(
            f"{path}: schema_version is {body['schema_version']!r}, and this tl reads "
            f"{SCHEMA_VERSION}; write it anew"
        )
    rows = body["findings"]
    if not isinstance(rows, list):
        raise BaselineError(f"{path}: findings is no list; write it anew")
    lines = [text.count("\n", 0, match.start()) + 1 for match in _ENTRY.finditer(text)]
    if len(lines) != len(rows):
        lines = [1] * len(rows)
    entries = [_entry(path, row, line) for row, line in zip(rows, lines, strict=True)]
    seen: set[Key] = set()
    for entry in entries:
        if entry.key in seen:
            raise BaselineError(f"{path}:{entry.line}: stands twice; add up the counts")
        seen.add(entry.key)
    return entries


def write(path: Path, report: Report, paths: Sequence[Path]) -> None:
    """Note every finding that is not waived; entries of what this run did not judge are kept.

    Raises:
        BaselineError: what stands there is no baseline, or nothing can be written there.
    """
    counts: Counter[Key] = Counter(
        _key(path, one) for one in report.findings if _may_stand(one) and not one.waived
    )
    if path.exists():
        scope = _Scope(path, report, paths)
        for entry in read(path):
            if not scope.has(entry):
                counts[entry.key] = entry.count
    rows = [json.dumps({**key._asdict(), "count": count}) for key, count in sorted(counts.items())]
    listed = "[\n    " + ",\n    ".join(rows) + "\n  ]" if rows else "[]"
    text = f'{{\n  "schema_version": {SCHEMA_VERSION},\n  "findings": {listed}\n}}\n'
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise BaselineError(
            f"{path}: cannot be written: {error.strerror}; name another file"
        ) from None


def apply(report: Report, path: Path, paths: Sequence[Path], update: str) -> Report:
    """The report with what the baseline knows marked, and a finding for each stale entry.

    Args:
        report: one run.
        path: the baseline.
        paths: what the run was asked to judge.
        update: the command that writes the baseline anew.

    Raises:
        BaselineError: the baseline cannot be used.
    """
    entries = read(path)
    left = Counter({entry.key: entry.count for entry in entries})
    found: list[Finding] = []
    for one in report.findings:
        key = _key(path, one)
        known = not one.waived and left[key] > 0
        left[key] -= known
        found.append(replace(one, baselined=True) if known else one)
    scope = _Scope(path, report, paths)
    found += [
        _stale(path, entry, left[entry.key], update)
        for entry in entries
        if left[entry.key] > 0 and scope.has(entry)
    ]
    found.sort(key=order)
    return replace(report, findings=found, summary=report.summary | tally(found))


def _may_stand(one: Finding) -> bool:
    return one.rule not in (WAIVER, BASELINE) and not one.message.endswith(GAVE_UP)


def _key(path: Path, one: Finding) -> Key:
    file = os.path.relpath(_absolute(one.file), _absolute(path.parent))
    return Key(file.replace(os.sep, "/"), one.resource, one.rule, one.verdict, one.stable_message)


def _stale(path: Path, entry: Entry, left: int, update: str) -> Finding:
    key = entry.key
    have = f"{entry.count - left} of the {entry.count} {key.rule} it had"
    if left == entry.count:
        have = f"no {key.rule} any more"
    message = f"{key.file} has {have}: {key.message}"
    fix = f"shrink the baseline: {update}"
    return Finding(BASELINE, "FAIL", str(path), entry.line, 1, key.resource, message, fix)


class _Scope:
    """What a run looked at: only there can an entry be known to match nothing."""

    def __init__(self, path: Path, report: Report, paths: Iterable[Path]) -> None:
        self._folder = path.parent
        self._judged = {_absolute(file) for file in report.files}
        self._finished = not report.errors
        self._asked = [_absolute(one) for one in paths]

    def has(self, entry: Entry) -> bool:
        file = _absolute(self._folder / entry.key.file)
        if file in self._judged or not self._finished:
            # One template that does not parse takes those that nest it along.
            return file in self._judged
        if not os.path.lexists(file):
            return True
        return any(f"{file}/".startswith(f"{one.rstrip(os.sep)}/") for one in self._asked)


def _absolute(path: str | Path) -> str:
    # A link stays the link it is: following one may lead anywhere, or in a circle.
    return os.path.normpath(Path(path).absolute())


def _entry(path: Path, row: Any, line: int) -> Entry:
    where = f"{path}:{line}"
    if not isinstance(row, dict) or row.keys() != {*Key._fields, "count"}:
        raise BaselineError(f"{where}: an entry has {', '.join(Key._fields)} and count; correct it")
    count = row.pop("count")
    if not all(isinstance(value, str) for value in row.values()):
        raise BaselineError(f"{where}: {', '.join(Key._fields)} are texts; write them so")
    if type(count) is not int or count < 1:
        raise BaselineError(f"{where}: count is {count!r}; it takes a number from 1")
    key = Key(**row)
    if key.verdict not in ("FAIL", "UNKNOWN"):
        raise BaselineError(f"{where}: verdict is {key.verdict!r}; it is FAIL or UNKNOWN")
    if key.rule in (WAIVER, BASELINE) or key.message.endswith(GAVE_UP):
        raise BaselineError(f"{where}: {key.rule} is never for a baseline; remove the entry")
    return Entry(key, count, line)
