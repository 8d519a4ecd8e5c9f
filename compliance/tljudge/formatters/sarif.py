"""The findings as SARIF 2.1.0, for code scanning.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html; section numbers are its own.
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
    """One log with one run; plain ASCII.

    Args:
        report: one run.
        root: the folder that files are shown relative to, as a rule the repository's.
        version: of this tool, where it is known.
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
                "toolExecutionNotifications": [_notification(one, base) for one in report.errors],
            }
        ],
        "originalUriBaseIds": {ROOT: {"uri": f"{_file_uri(base)}/"}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, base, index, seen) for one in report.findings],
        "properties": {"summary": _readable(report.summary)},
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2) + "\n"


def _readable(summary: dict[str, Any]) -> dict[str, Any]:
    return {
        key: [printable(one) for one in value] if isinstance(value, list) else value
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
    """Its file's name, as the format wants names: `egress_stays_private` is EgressStaysPrivate."""
    module = rule.check.__module__.rpartition(".")[2]
    if module == "about_runs":
        module = rule.id.removesuffix("_1").removeprefix("TL_").lower()
    return "".join(word.capitalize() for word in module.split("_"))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _result(one: Finding, base: str, index: dict[str, int], seen: Counter[str]) -> dict[str, Any]:
    location = _location(one.file, one.line, base, one.column)
    location["logicalLocations"] = [
        {"name": printable(one.resource), "fullyQualifiedName": printable(one.resource),
         "kind": "resource"}
    ]  # fmt: skip
    when = ", ".join(f"{name}={value}" for name, value in one.scenario.items())
    message = f"{one.resource}: {one.message}{f' when {when}' if when else ''}; {one.fix}"
    return {
        "ruleId": one.rule,
        **({"ruleIndex": index[one.rule]} if one.rule in index else {}),
        "level": LEVELS[one.verdict],
        "message": {"text": _escaped(message)},
        "locations": [location],
        "partialFingerprints": {"finding/v1": _fingerprint(one, location, seen)},
        # All results of a run have them or none has: 3.27.23.
        "suppressions": list(_suppressions(one)),
        "properties": {"verdict": one.verdict, "scenario": one.scenario},
    }


def _fingerprint(one: Finding, location: dict[str, Any], seen: Counter[str]) -> str:
    """Equal as long as the finding is, wherever its line moves; the n-th equal one has an n."""
    uri = location["physicalLocation"]["artifactLocation"]["uri"]
    same = json.dumps([one.rule, one.verdict, uri, one.resource, one.stable_message])
    seen[same] += 1
    return hashlib.sha256(f"{same}{seen[same]}".encode()).hexdigest()[:32]


def _suppressions(one: Finding) -> Iterable[dict[str, str]]:
    if one.waived:
        yield {
            "kind": "external",
            "status": "accepted",
            "justification": printable(one.reason),
        }
    elif one.baselined:
        yield {
            "kind": "external",
            "status": "accepted",
            "justification": "in the baseline",
        }


def _notification(one: Problem, base: str) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": _escaped(f"not judged: {one.message}")},
        "locations": [_location(one.file, one.line, base)],
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
    # As bytes: a name need not be text. A colon is quoted, or it would look like a scheme's.
    return quote(os.fsencode(path.replace(os.sep, "/")))


def _file_uri(path: str) -> str:
    return f"file://{'' if path.startswith('/') else '/'}{_quoted(path)}".rstrip("/")


def _escaped(text: str) -> str:
    """A message as the format wants it: braces doubled (3.11.5), nothing that reads as a link."""
    return printable(text).replace("{", "{{").replace("}", "}}").replace("](", "]\u200b(")
