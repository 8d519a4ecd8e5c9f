"""The rules on a deployed stack: the account as it is, and what of it is not in the template.

The account is read, never changed. What cannot be read is UNKNOWN (TL_LIVE_1), what is not there
any more fails (TL_LIVE_2), and is then judged by its template. Each finding names the stack it is
in and says whether its template, under the stack's own parameters, has the same: if it has not,
somebody changed the account by hand.
"""

import json
import tempfile
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from tljudge.decode.loader import load
from tljudge.engine.findings import WAIVER, Finding, Problem, Report, tally, waive
from tljudge.engine.policy import Policy
from tljudge.resolve.deployment import Deployment
from tljudge.runner.check import check
from tools.deploy.calls import Call
from tools.live.overlay import Drift, Seen, see
from tools.live.reading import (
    DESCRIBE_TYPE,
    GET_RESOURCE,
    GET_ROLE_POLICY,
    LIST_ROLE_POLICIES,
    Account,
)
from tools.live.stacks import Client, LiveStack, document, file_of, follow
from tools.live.table import READERS

UNREAD, GONE = "TL_LIVE_1", "TL_LIVE_2"
_CALLS = (
    Call("cloudformation", "describe_stacks"),
    Call("cloudformation", "get_template"),
    Call("cloudformation", "list_stack_resources"),
    DESCRIBE_TYPE,
    GET_RESOURCE,
    LIST_ROLE_POLICIES,
    GET_ROLE_POLICY,
)
_DRIFT = " (drift: its template is not so)"


@dataclass(slots=True)
class Deployed:
    """One deployment as it is.

    `report` has the findings, `file` being the stack's path (`prod/Network`); `drifted` those of
    them that the template does not have; `drifts` every property that differs, whether or not a
    rule minds; `seen` what was not read.
    """

    report: Report
    drifted: list[Finding] = field(default_factory=list)
    drifts: list[Drift] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)


def judge(client: Client, stack: str, policy: Policy, *, today: date | None = None) -> Deployed:
    """Judge a deployed stack and those nested in it.

    Args:
        client: a boto3 client by the service's name.
        stack: name or id of the root stack.
        policy: thresholds and waivers.
        today: decides which waivers have expired.

    Raises:
        NoSuchStack: there is none of that name.
        CouldNotLook: CloudFormation does not let it be read.
    """
    root = follow(client, stack)
    for service in sorted({one.split(":")[0] for one in _services()}):
        client(service)  # one after the other: making them is not thread-safe
    with tempfile.TemporaryDirectory(prefix="tl-deployed-") as name:
        meant, actual = Path(name) / "meant", Path(name) / "actual"
        first = _write(meant, {one.path: document(one) for one in root.all()}, root)
        template = load(first, root.parameters)
        deployment = Deployment(template, dict(root.parameters), root.tags)
        seen = see(root, deployment, Account(client), policy.required_tags)
        last = _write(actual, seen.documents, root)
        parameters = {"Parameters": dict(root.parameters)}
        bare = replace(policy, waivers=())  # they are applied once, to everything
        own = check([first], bare, {**parameters, "Tags": root.tags}, today=today)
        live = check([last], bare, parameters, today=today)
    paths = frozenset(one.path for one in root.all())
    had = {_same(_placed(one, meant)) for one in own.findings}
    found = [*_merged([_placed(one, actual) for one in live.findings], seen), *_not_there(seen)]
    day = today or datetime.now(UTC).date()
    told = [_told(one, had) for one in waive(found, policy, set(paths), day)]
    errors = {
        Problem(_place(one.file, folder), one.line, one.message)
        for report, folder in ((own, meant), (live, actual))
        for one in report.errors
    }
    summary = {**live.summary, **tally(told), "errors": len(errors), "drifts": len(seen.drifts)}
    report = Report(told, sorted(errors, key=lambda one: one.file), summary, paths)
    return Deployed(report, [one for one in told if _DRIFT in one.message], seen.drifts, seen)


def notes(found: Deployed) -> list[str]:
    """What no rule says: every property that differs, and what was not read."""
    lines = [
        f"{one.stack} {one.resource}: {one.path} is {one.live or 'not set'}, "
        f"and {one.template or 'not set'} in its template"
        for one in found.drifts
    ]
    assumed = found.seen.assumed.values()
    if assumed:
        lines.append(
            f"{sum(map(len, assumed))} properties of {len(assumed)} resources were not read, "
            "and judged as in their templates"
        )
    if found.seen.skipped:
        counts = ", ".join(f"{kind} {count}" for kind, count in sorted(found.seen.skipped.items()))
        lines.append(f"not read, because no rule asks for more than their templates: {counts}")
    return lines


def actions() -> list[str]:
    """The IAM actions that reading takes, beside those of types that Cloud Control reads."""
    found = set()
    for one in _services():
        service, operation = one.split(":")
        if service == "apigatewayv2":
            found.add("apigateway:GET")
            continue
        prefix = {"cloudcontrol": "cloudformation"}.get(service, service)
        found.add(f"{prefix}:{_action(operation)}")
    return sorted(found)


def _services() -> set[str]:
    """`service:operation` of every call that may be made."""
    asked = [*_CALLS]
    for reader in READERS.values():
        asked += [reader.main, *reader.more.values()]
        if isinstance(reader.tags, Call):
            asked.append(reader.tags)
    return {f"{one.service}:{one.operation}" for one in asked}


def _action(operation: str) -> str:
    return "".join(word.capitalize() for word in operation.split("_"))


def _write(folder: Path, documents: dict[str, dict[str, Any]], root: LiveStack) -> Path:
    for path, body in documents.items():
        file = file_of(folder, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(body), "utf-8")
    return file_of(folder, root.path)


def _place(file: str, folder: Path) -> str:
    """The stack that a file was written for; another file as it is."""
    path = Path(file)
    inside = path.is_relative_to(folder)
    return str(path.relative_to(folder).with_suffix("")) if inside else file


def _placed(finding: Finding, folder: Path) -> Finding:
    return replace(finding, file=_place(finding.file, folder), line=1, column=1)


def _same(finding: Finding) -> tuple[str, ...]:
    return (
        finding.rule,
        finding.verdict,
        finding.file,
        finding.resource,
        finding.stable_message,
    )


def _merged(findings: list[Finding], seen: Seen) -> list[Finding]:
    """What the judge took for empty tags are tags that are not there."""
    found: dict[tuple[str, ...], Finding] = {}
    for one in findings:
        dropped = seen.dropped_tags.get((one.file, one.resource), [])
        if one.rule == "TL_TAGS_1" and one.message in (f"the tag {k} is empty" for k in dropped):
            one = replace(one, message=f"has no tag {', '.join(dropped)}")
        found.setdefault(_same(one), one)
    return [*found.values()]


def _not_there(seen: Seen) -> list[Finding]:
    unread = [
        Finding(UNREAD, "UNKNOWN", stack, 1, 1, resource, f"cannot be read: {why}",
                "allow the reads it takes, or waive it")
        for stack, resource, why in seen.unread
    ]  # fmt: skip
    gone = [
        Finding(GONE, "FAIL", stack, 1, 1, resource, "is in its stack, and not in the account",
                "deploy the stack again")
        for stack, resource in seen.gone
    ]  # fmt: skip
    return unread + gone


def _told(finding: Finding, had: set[tuple[str, ...]]) -> Finding:
    """The finding with where it comes from."""
    if finding.rule in (UNREAD, WAIVER):
        return finding
    origin = " (its template has it too)" if _same(finding) in had else _DRIFT
    return replace(finding, message=f"{finding.message}{origin}")
