"""The baseline: findings that a repository accepts for now, and whose number may only shrink.

An entry has file, resource, rule, verdict and message, but no line, because lines move. More
findings than an entry counts are new, and fail. An entry with fewer findings than it counts is
stale, and fails until it is corrected. A baseline cannot hold findings about waivers, about the
baseline itself, or about a judgement that gave up.
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
    """A baseline that cannot be read, written or used: place, problem and remedy."""


class Key(NamedTuple):
    """The identity of a finding; `file` is relative to the baseline's folder, with slashes."""

    file: str
    resource: str
    rule: str
    verdict: str
    message: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A finding, how often it occurs (1 or more), and its line in the baseline, from 1."""

    key: Key
    count: int
    line: int = 1


def read(path: Path) -> list[Entry]:
    """Read the entries of a baseline.

    Raises:
        BaselineError: the file cannot be read, or is not a baseline.
    """
    try:
        text = path.read_text("utf-8")
        if not text.strip():
            raise BaselineError(f"{path}: is empty; --write-baseline to another file makes one")
        body = json.loads(text)
    except OSError as error:
        raise BaselineError(
            f"{path}: cannot be read: {error.strerror}; "
            + ("name a file" if path.is_dir() else "--write-baseline makes one")
        ) from None
    except UnicodeDecodeError as error:
        raise BaselineError(f"{path}: byte {error.start} is not UTF-8; save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise BaselineError(
            f"{path}: {error}; correct the JSON, or run --write-baseline again"
        ) from None
    if not isinstance(body, dict) or body.keys() != {"schema_version", "findings"}:
        raise BaselineError(
            f"{path}: is not a baseline, which has schema_version and findings; run "
            "--write-baseline again"
        )
    if body["schema_version"] != SCHEMA_VERSION or isinstance(body["schema_version"], bool):
        raise BaselineError(
            f"{path}: schema_version is {body['schema_version']!r}, and this tl reads "
            f"{SCHEMA_VERSION}; run --write-baseline again"
        )
    rows = body["findings"]
    if not isinstance(rows, list):
        raise BaselineError(f"{path}: findings is not a list; run --write-baseline again")
    lines = [text.count("\n", 0, match.start()) + 1 for match in _ENTRY.finditer(text)]
    if len(lines) != len(rows):
        lines = [1] * len(rows)
    entries = [_entry(path, row, line) for row, line in zip(rows, lines, strict=True)]
    seen: set[Key] = set()
    for entry in entries:
        if entry.key in seen:
            raise BaselineError(
                f"{path}:{entry.line}: repeats an earlier entry; keep one, and add up the counts"
            )
        seen.add(entry.key)
    return entries


def write(path: Path, report: Report, paths: Sequence[Path]) -> None:
    """Write every finding that is not waived; keep entries of files that this run did not judge.

    Args:
        path: the baseline, new or to be replaced.
        report: the run.
        paths: files and folders that the run judged.

    Raises:
        BaselineError: the existing file is not a baseline, or it cannot be written.
    """
    counts: Counter[Key] = Counter(
        _key(path, finding)
        for finding in report.findings
        if _is_allowed(finding) and not finding.waived
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
    """Mark the findings in the baseline, and add a finding for each stale entry.

    Args:
        report: the run.
        path: the baseline.
        paths: files and folders that the run judged.
        update: the command that writes the baseline again.

    Raises:
        BaselineError: the baseline cannot be read, or is not a baseline.
    """
    entries = read(path)
    remaining = Counter({entry.key: entry.count for entry in entries})
    findings: list[Finding] = []
    for finding in report.findings:
        key = _key(path, finding)
        is_in_baseline = not finding.waived and remaining[key] > 0
        remaining[key] -= is_in_baseline
        findings.append(replace(finding, baselined=True) if is_in_baseline else finding)
    scope = _Scope(path, report, paths)
    findings += [
        _stale(path, entry, remaining[entry.key], update)
        for entry in entries
        if remaining[entry.key] > 0 and scope.has(entry)
    ]
    findings.sort(key=order)
    return replace(report, findings=findings, summary=report.summary | tally(findings))


def _is_allowed(finding: Finding) -> bool:
    return finding.rule not in (WAIVER, BASELINE) and not finding.message.endswith(GAVE_UP)


def _key(path: Path, finding: Finding) -> Key:
    file = os.path.relpath(_absolute(finding.file), _absolute(path.parent))
    return Key(
        file.replace(os.sep, "/"),
        finding.resource,
        finding.rule,
        finding.verdict,
        finding.stable_message,
    )


def _stale(path: Path, entry: Entry, unmatched: int, update: str) -> Finding:
    key = entry.key
    state = f"{entry.count - unmatched} of the {entry.count} {key.rule} it had"
    if unmatched == entry.count:
        state = f"no {key.rule} now"
    message = f"{key.file} has {state}: {key.message}"
    fix = f"shrink the baseline: {update}"
    return Finding(BASELINE, "FAIL", str(path), entry.line, 1, key.resource, message, fix)


class _Scope:
    """The files that a run judged; an entry of another file is never stale."""

    def __init__(self, path: Path, report: Report, paths: Iterable[Path]) -> None:
        self._folder = path.parent
        self._judged = {_absolute(file) for file in report.files}
        self._finished = not report.errors
        self._asked = [_absolute(path) for path in paths]

    def has(self, entry: Entry) -> bool:
        file = _absolute(self._folder / entry.key.file)
        if file in self._judged or not self._finished:
            # A template that does not parse also stops the judgement of every parent template.
            return file in self._judged
        if not os.path.lexists(file):
            return True
        return any(f"{file}/".startswith(f"{asked.rstrip(os.sep)}/") for asked in self._asked)


def _absolute(path: str | Path) -> str:
    # Do not resolve symbolic links: a link may lead outside the folder, or in a circle.
    return os.path.normpath(Path(path).absolute())


def _entry(path: Path, row: Any, line: int) -> Entry:
    where = f"{path}:{line}"
    if not isinstance(row, dict) or row.keys() != {*Key._fields, "count"}:
        raise BaselineError(f"{where}: an entry has {', '.join(Key._fields)} and count; correct it")
    count = row.pop("count")
    if not all(isinstance(value, str) for value in row.values()):
        raise BaselineError(f"{where}: {', '.join(Key._fields)} must be strings; correct it")
    if type(count) is not int or count < 1:
        raise BaselineError(f"{where}: count is {count!r}; it takes a number from 1")
    key = Key(**row)
    if key.verdict not in ("FAIL", "UNKNOWN"):
        raise BaselineError(f"{where}: verdict is {key.verdict!r}; it is FAIL or UNKNOWN")
    if key.rule in (WAIVER, BASELINE) or key.message.endswith(GAVE_UP):
        raise BaselineError(f"{where}: {key.rule} cannot be in a baseline; remove the entry")
    return Entry(key, count, line)
