"""Templates in one line, and what the judge says about them."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from tljudge.engine import policy as policies
from tljudge.engine.findings import Finding, Report
from tljudge.engine.policy import Policy
from tljudge.runner.check import check

DEFAULT = policies.load()
TODAY = date(2026, 11, 23)
TAGS = {"Project": "p", "Component": "c", "Environment": "e", "CostCenter": "cc"}


def ours() -> Policy:
    """The policy of this project."""
    return policies.load(Path(policies.__file__).parents[2] / "policy.toml")


def of_type(kind: str, properties: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """One resource."""
    return {"Type": kind, "Properties": properties or {}, **more}


def template(resources: dict[str, Any], **sections: Any) -> dict[str, Any]:
    """A template in long form."""
    return {**sections, "Resources": resources}


def report(
    folder: Path,
    body: dict[str, Any] | str,
    *,
    policy: Policy = DEFAULT,
    given: dict[str, Any] | None = None,
    name: str = "t.yaml",
) -> Report:
    """Judge one template; text is taken as it is."""
    path = folder / name
    text = body if isinstance(body, str) else yaml.safe_dump(body, sort_keys=False)
    if name.endswith(".json") and not isinstance(body, str):
        text = json.dumps(body)
    path.write_text(text, "utf-8")
    return check([path], policy, given or {"Tags": TAGS}, today=TODAY)


def findings(folder: Path, body: dict[str, Any] | str, **how: Any) -> list[Finding]:
    """What the judge finds; a template that cannot be judged fails the test."""
    found = report(folder, body, **how)
    assert found.errors == []
    return found.findings


def verdicts(folder: Path, body: dict[str, Any] | str, **how: Any) -> set[tuple[str, str, str]]:
    """(rule, resource, verdict) of each finding."""
    return {(one.rule, one.resource, one.verdict) for one in findings(folder, body, **how)}


def word(folder: Path, rule: str, body: dict[str, Any] | str, **how: Any) -> str:
    """What one rule says: FAIL, else UNKNOWN, else PASS."""
    words = {one.verdict for one in findings(folder, body, **how) if one.rule == rule}
    return next((one for one in ("FAIL", "UNKNOWN") if one in words), "PASS")
