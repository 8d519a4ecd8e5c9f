"""cfn-lint finds nothing in our templates, not even a warning, in the two regions we name."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.compliance.templates import FOLDER, Template, ours, read

REGIONS = ("eu-central-1", "us-east-1")
DATED = re.compile(r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}: \S.{20,}", re.DOTALL)


def lint(*paths: Path) -> list[str]:
    """`file:line rule message` for each finding, informational ones included."""
    command = [sys.executable, "-c", "from cfnlint.runner import main; main()", "--format", "json"]
    command += ["--include-checks", "I", "--regions", *REGIONS, "--", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return [
        f"{Path(match['Filename']).name}:{match['Location']['Start']['LineNumber']} "
        f"{match['Rule']['Id']} {match['Message']}"
        for match in found
    ]


def ignored_without_reason(template: Template) -> list[str]:
    """Rule ids that a template tells cfn-lint to ignore without saying when and why."""
    metadata = template.body.get("Metadata", {})
    ignored = metadata.get("cfn-lint", {}).get("config", {}).get("ignore_checks", [])
    reasons = metadata.get("cfn-lint-reasons", {})
    return [
        f"{template.name}: {rule} is ignored; say why in Metadata.cfn-lint-reasons, with a date"
        for rule in ignored
        if not DATED.match(reasons.get(rule, ""))
    ]


def test_cfn_lint_finds_nothing() -> None:
    """All templates, both regions, warnings and informational rules."""
    assert lint(*sorted(FOLDER.glob("*.yaml"))) == []


def test_cfn_lint_finds_what_is_wrong(tmp_path: Path) -> None:
    """The run above would report: a misspelt property, and a parameter nobody uses."""
    path = tmp_path / "broken.yaml"
    path.write_text(
        "Parameters:\n"
        "  Unused: {Type: String}\n"
        "Resources:\n"
        "  Log:\n"
        "    Type: AWS::Logs::LogGroup\n"
        "    DeletionPolicy: Delete\n"
        "    UpdateReplacePolicy: Delete\n"
        "    Properties: {RetentionInDay: 30, RetentionInDays: 30}\n"
    )
    assert [finding.split(" ")[:2] for finding in lint(path)] == [
        ["broken.yaml:2", "W2001"],
        ["broken.yaml:8", "E3002"],
    ]


def test_cfn_lint_follows_nested_stacks(tmp_path: Path) -> None:
    """A parameter that a nested template does not take is found in the template that passes it."""
    for path in FOLDER.glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text())
    root = tmp_path / "stack.yaml"
    root.write_text(root.read_text().replace("        SubnetId: !G", "        Subnet: !G", 1))
    assert [finding.split(" ")[1] for finding in lint(root)] == ["E3043", "E3043"]


@pytest.mark.parametrize("template", ours(), ids=lambda template: template.name)
def test_ignored_rule_has_a_dated_reason(template: Template) -> None:
    """Whoever reads an ignored rule learns why, and when that was true."""
    assert ignored_without_reason(template) == []


def test_ignored_rule_without_a_dated_reason_is_found() -> None:
    """No reason, and a reason without a date."""
    template = read(
        "Metadata:\n"
        "  cfn-lint: {config: {ignore_checks: [W3002, W3005]}}\n"
        "  cfn-lint-reasons: {W3005: it is wrong about this}\n"
    )
    assert ignored_without_reason(template) == [
        "broken.yaml: W3002 is ignored; say why in Metadata.cfn-lint-reasons, with a date",
        "broken.yaml: W3005 is ignored; say why in Metadata.cfn-lint-reasons, with a date",
    ]
