"""Judges a deployed stack: the rules on the account's own values, and their drift.

The account is read, never changed. A resource or property that cannot be read is UNKNOWN
(TL_LIVE_1). A resource that is gone fails (TL_LIVE_2), and is then judged by its template. Each
finding names its stack and says whether the template, under the stack's own parameters, has the
same finding; if not, the account was changed by hand.
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
from tools.live.overlay import Drift, Overlay, overlay_account
from tools.live.reading import (
    DESCRIBE_TYPE,
    GET_RESOURCE,
    GET_ROLE_POLICY,
    LIST_ROLE_POLICIES,
    Account,
)
from tools.live.stacks import (
    LIST_STACK_RESOURCES,
    Client,
    LiveStack,
    document,
    file_of,
    follow,
)
from tools.live.table import READERS

UNREAD, GONE = "TL_LIVE_1", "TL_LIVE_2"
_CALLS = (
    Call("cloudformation", "describe_stacks"),
    Call("cloudformation", "get_template"),
    LIST_STACK_RESOURCES,
    DESCRIBE_TYPE,
    GET_RESOURCE,
    LIST_ROLE_POLICIES,
    GET_ROLE_POLICY,
)
_DRIFT = " (drift: its template is not so)"


@dataclass(slots=True)
class Deployed:
    """The result for one deployed stack.

    `report` has the findings; their `file` is the stack's path (`prod/Network`). `drifted` are the
    findings that the template does not have. `drifts` are all properties that differ from the
    template, judged or not. `overlay` says what was not read.
    """

    report: Report
    drifted: list[Finding] = field(default_factory=list)
    drifts: list[Drift] = field(default_factory=list)
    overlay: Overlay = field(default_factory=Overlay)


def judge(client: Client, stack: str, policy: Policy, *, today: date | None = None) -> Deployed:
    """Judge a deployed stack and those nested in it.

    Args:
        client: returns the boto3 client of a service.
        stack: name or id of the root stack.
        policy: thresholds and waivers.
        today: decides which waivers have expired.

    Raises:
        NoSuchStack: the account has no stack of that name in this region.
        CouldNotLook: CloudFormation refused a call, or a template cannot be judged.
    """
    root = follow(client, stack)
    for service in sorted({call.service for call in _calls()}):
        client(service)  # made in turn, because making them is not thread-safe
    with tempfile.TemporaryDirectory(prefix="tl-deployed-") as name:
        meant, actual = Path(name) / "meant", Path(name) / "actual"
        first = _write(meant, {each.path: document(each) for each in root.all()}, root)
        template = load(first, root.parameters)
        deployment = Deployment(template, dict(root.parameters), root.tags)
        overlay = overlay_account(root, deployment, Account(client), policy.required_tags)
        last = _write(actual, overlay.documents, root)
        parameters = {"Parameters": dict(root.parameters)}
        bare = replace(policy, waivers=())  # waivers are applied below, to all findings at once
        own = check([first], bare, {**parameters, "Tags": root.tags}, today=today)
        live = check([last], bare, parameters, today=today)
    paths = frozenset(each.path for each in root.all())
    in_template = {_identity(_placed(finding, meant)) for finding in own.findings}
    placed = [_placed(finding, actual) for finding in live.findings]
    findings = [*_merged(placed, overlay), *_unread_and_gone(overlay)]
    day = today or datetime.now(UTC).date()
    findings = [
        _with_origin(finding, in_template) for finding in waive(findings, policy, set(paths), day)
    ]
    errors = {
        Problem(_place(problem.file, folder), problem.line, problem.message)
        for report, folder in ((own, meant), (live, actual))
        for problem in report.errors
    }
    counts = {**tally(findings), "errors": len(errors), "drifts": len(overlay.drifts)}
    report = Report(
        findings,
        sorted(errors, key=lambda problem: problem.file),
        {**live.summary, **counts},
        paths,
    )
    drifted = [finding for finding in findings if _DRIFT in finding.message]
    return Deployed(report, drifted, overlay.drifts, overlay)


def notes(deployed: Deployed) -> list[str]:
    """Lines beside the findings: every property that differs, and what was not read."""
    lines = [
        f"{drift.stack} {drift.resource}: {drift.path} is {drift.live or 'not set'}, "
        f"and {drift.template or 'not set'} in its template"
        for drift in deployed.drifts
    ]
    assumed = deployed.overlay.assumed.values()
    if assumed:
        lines.append(
            f"{sum(map(len, assumed))} properties of {len(assumed)} resources were not read, "
            "and judged as in their templates"
        )
    skipped = deployed.overlay.skipped
    if skipped:
        counts = ", ".join(f"{kind} {count}" for kind, count in sorted(skipped.items()))
        lines.append(f"not read, because no rule asks for more than their templates: {counts}")
    return lines


def actions() -> list[str]:
    """The IAM actions that reading needs, besides those of the types that Cloud Control reads."""
    names = set()
    for call in _calls():
        if call.service == "apigatewayv2":
            names.add("apigateway:GET")
            continue
        prefix = {"cloudcontrol": "cloudformation"}.get(call.service, call.service)
        names.add(f"{prefix}:{_action(call.operation)}")
    return sorted(names)


def _calls() -> list[Call]:
    """Every call that may be made."""
    calls = [*_CALLS]
    for reader in READERS.values():
        calls += [reader.main, *reader.more.values()]
        if isinstance(reader.tags, Call):
            calls.append(reader.tags)
    return calls


def _action(operation: str) -> str:
    return "".join(word.capitalize() for word in operation.split("_"))


def _write(folder: Path, documents: dict[str, dict[str, Any]], root: LiveStack) -> Path:
    for path, body in documents.items():
        file = file_of(folder, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(body), "utf-8")
    return file_of(folder, root.path)


def _place(file: str, folder: Path) -> str:
    """The path of the stack that a file below `folder` was written for; else the file itself."""
    path = Path(file)
    inside = path.is_relative_to(folder)
    return str(path.relative_to(folder).with_suffix("")) if inside else file


def _placed(finding: Finding, folder: Path) -> Finding:
    return replace(finding, file=_place(finding.file, folder), line=1, column=1)


def _identity(finding: Finding) -> tuple[str, ...]:
    return (
        finding.rule,
        finding.verdict,
        finding.file,
        finding.resource,
        finding.stable_message,
    )


def _merged(findings: list[Finding], overlay: Overlay) -> list[Finding]:
    """Each finding once; where the overlay wrote an empty tag, the resource does not have it."""
    merged: dict[tuple[str, ...], Finding] = {}
    for finding in findings:
        dropped = overlay.dropped_tags.get((finding.file, finding.resource), [])
        empty = [f"the tag {key} is empty" for key in dropped]
        if finding.rule == "TL_TAGS_1" and finding.message in empty:
            finding = replace(finding, message=f"has no tag {', '.join(dropped)}")
        merged.setdefault(_identity(finding), finding)
    return [*merged.values()]


def _unread_and_gone(overlay: Overlay) -> list[Finding]:
    unread = [
        Finding(UNREAD, "UNKNOWN", stack, 1, 1, resource, f"cannot be read: {why}",
                "allow the reads it takes, or waive it")
        for stack, resource, why in overlay.unread
    ]  # fmt: skip
    gone = [
        Finding(GONE, "FAIL", stack, 1, 1, resource, "is in its stack, and not in the account",
                "deploy the stack again")
        for stack, resource in overlay.gone
    ]  # fmt: skip
    return unread + gone


def _with_origin(finding: Finding, in_template: set[tuple[str, ...]]) -> Finding:
    """The finding, its message saying whether the template has it too."""
    if finding.rule in (UNREAD, WAIVER):
        return finding
    origin = " (its template has it too)" if _identity(finding) in in_template else _DRIFT
    return replace(finding, message=f"{finding.message}{origin}")
