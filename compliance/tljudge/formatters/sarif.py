"""Findings as SARIF 2.1.0, for code scanning.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html; comments give its section numbers.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tljudge.engine.findings import Finding, Problem, Report
from tljudge.engine.rule import Rule
from tljudge.formatters.about_runs import ABOUT
from tljudge.formatters.text import printable
from tljudge.rules import ALL

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
ROOT = "SRCROOT"
LEVELS = {"FAIL": "error", "UNKNOWN": "warning"}


def render(report: Report, root: Path, version: str = "") -> str:
    """The log of a run, as JSON in ASCII.

    Args:
        report: the run.
        root: the folder that paths are relative to, usually the repository's.
        version: version of this tool; empty where unknown.
    """
    base = os.path.normpath(root.absolute())
    rules = (*ALL, *ABOUT)
    index = {rule.id: number for number, rule in enumerate(rules)}
    seen: Counter[str] = Counter()
    run = {
        "tool": {
            "driver": {
                "name": "tl check",
                **({"version": version} if version else {}),
                "rules": [_descriptor(rule) for rule in rules],
            }
        },
        "invocations": [
            {
                "executionSuccessful": not report.errors,
                "exitCode": report.exit_code(),
                "toolExecutionNotifications": [
                    _notification(problem, base) for problem in report.errors
                ],
            }
        ],
        "originalUriBaseIds": {ROOT: {"uri": f"{_file_uri(base)}/"}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, base, index, seen) for finding in report.findings],
        "properties": {"summary": _readable(report.summary)},
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2) + "\n"


def _readable(summary: dict[str, Any]) -> dict[str, Any]:
    return {
        key: [printable(text) for text in value] if isinstance(value, list) else value
        for key, value in summary.items()
    }


def _descriptor(rule: Rule) -> dict[str, Any]:
    source = f" See {rule.source}" if rule.source else ""
    linked = f" [Source]({rule.source})" if rule.source else ""
    return {
        "id": rule.id,
        "name": _name(rule),
        "shortDescription": {"text": _escaped(rule.title)},
        "fullDescription": {"text": _escaped(f"{rule.title}: {rule.why}.")},
        "help": {
            "text": _escaped(f"{_sentence(rule.fix)}{source}"),
            "markdown": _escaped(_sentence(rule.fix)) + linked,
        },
        **({"helpUri": rule.source} if rule.source else {}),
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": [rule.id.split("_")[1].lower()], "types": list(rule.types)},
    }


def _name(rule: Rule) -> str:
    """The rule's file name in Pascal case: `egress_stays_private` becomes EgressStaysPrivate."""
    module = rule.check.__module__.rpartition(".")[2]
    if module == "about_runs":
        module = rule.id.removesuffix("_1").removeprefix("TL_").lower()
    return "".join(word.capitalize() for word in module.split("_"))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _result(
    finding: Finding, base: str, index: dict[str, int], seen: Counter[str]
) -> dict[str, Any]:
    location = _location(finding.file, finding.line, base, finding.column)
    location["logicalLocations"] = [
        {"name": printable(finding.resource), "fullyQualifiedName": printable(finding.resource),
         "kind": "resource"}
    ]  # fmt: skip
    when = ", ".join(f"{name}={value}" for name, value in finding.scenario.items())
    message = (
        f"{finding.resource}: {finding.message}{f' when {when}' if when else ''}; {finding.fix}"
    )
    return {
        "ruleId": finding.rule,
        **({"ruleIndex": index[finding.rule]} if finding.rule in index else {}),
        "level": LEVELS[finding.verdict],
        "message": {"text": _escaped(message)},
        "locations": [location],
        "partialFingerprints": {"finding/v1": _fingerprint(finding, location, seen)},
        # 3.27.23: either every result of a run has suppressions, or none has.
        "suppressions": list(_suppressions(finding)),
        "properties": {"verdict": finding.verdict, "scenario": finding.scenario},
    }


def _fingerprint(finding: Finding, location: dict[str, Any], seen: Counter[str]) -> str:
    """A digest of the finding without its line; equal findings are numbered in order."""
    uri = location["physicalLocation"]["artifactLocation"]["uri"]
    same = json.dumps(
        [finding.rule, finding.verdict, uri, finding.resource, finding.stable_message]
    )
    seen[same] += 1
    return hashlib.sha256(f"{same}{seen[same]}".encode()).hexdigest()[:32]


def _suppressions(finding: Finding) -> Iterable[dict[str, str]]:
    if finding.waived:
        yield {
            "kind": "external",
            "status": "accepted",
            "justification": printable(finding.reason),
        }
    elif finding.baselined:
        yield {
            "kind": "external",
            "status": "accepted",
            "justification": "in the baseline",
        }


def _notification(problem: Problem, base: str) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": _escaped(f"not judged: {problem.message}")},
        "locations": [_location(problem.file, problem.line, base)],
    }


def _location(file: str, line: int, base: str, column: int = 1) -> dict[str, Any]:
    path = os.path.normpath(Path(file).absolute())
    if path.startswith(base.rstrip(os.sep) + os.sep):
        inside = os.path.relpath(path, base)
        artifact = {"uri": _quoted(inside), "uriBaseId": ROOT}
    else:
        artifact = {"uri": _file_uri(path)}
    return {
        "physicalLocation": {
            "artifactLocation": artifact,
            "region": {"startLine": line, "startColumn": column},
        }
    }


def _quoted(path: str) -> str:
    # As bytes, because a file name may not be text. Quote the colon: it would end a URI scheme.
    return quote(os.fsencode(path.replace(os.sep, "/")))


def _file_uri(path: str) -> str:
    return f"file://{'' if path.startswith('/') else '/'}{_quoted(path)}".rstrip("/")


def _escaped(text: str) -> str:
    """Escape a message: double its braces (3.11.5), break up text that reads as a link (3.11.6)."""
    return printable(text).replace("{", "{{").replace("}", "}}").replace("](", "]\u200b(")
