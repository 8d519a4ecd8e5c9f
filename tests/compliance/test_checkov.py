"""checkov's own CloudFormation checks fail nowhere in our templates, and each skip is used.

checkov may leave out a resource whose condition is false by default, and goes on after a file that
it cannot parse; so it also runs on a copy in which UseGpu is true, and what it saw is counted.
It has an environment of its own because it pins an old boto3.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.compliance.templates import FOLDER, ours, read

SWITCH = 'AllowedValues: ["true", "false"]\n'


def checkov(folder: Path) -> dict[str, Any]:
    """The report on every template in a folder.

    It runs inside the folder: checkov looks for secrets in the path of the file, too, and takes one
    of 40 letters and slashes for a key.
    """
    command = [sys.executable, "-m", "checkov.main", "-d", ".", "--output", "json"]
    command += ["--framework", "cloudformation", "--skip-download", "--compact"]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "LOG_LEVEL": "CRITICAL"}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, env=environment
    )
    assert done.returncode in (0, 1), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def verdicts(report: dict[str, Any], kind: str) -> set[str]:
    """`file type.logical-id check`, of one kind: failed, skipped or passed."""
    return {
        f"{found['file_path'].lstrip('/')} {found['resource']} {found['check_id']}"
        for found in report["results"][f"{kind}_checks"]
    }


def switched(folder: Path, value: str) -> Path:
    """A copy of our templates in which UseGpu has this value everywhere."""
    folder.mkdir()
    for path in FOLDER.glob("*.yaml"):
        text = path.read_text().replace('    Default: "false"\n', "")
        assert text.count(SWITCH) == ("  UseGpu:\n    D" in text)
        (folder / path.name).write_text(text.replace(SWITCH, f'Default: "{value}"\n    {SWITCH}'))
    return folder


def declared_skips() -> set[str]:
    """What our templates tell checkov to leave out, in the words of `verdicts`."""
    return {
        f"{template.name} {resource['Type']}.{logical_id} {skip['id']}"
        for template in ours()
        for logical_id, resource in template.body["Resources"].items()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    }


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report while UseGpu is true, when every resource exists."""
    return checkov(switched(tmp_path_factory.mktemp("checkov") / "on", "true"))


def test_checkov_fails_nothing_as_deployed_by_default() -> None:
    """The templates as they are, UseGpu false."""
    report = checkov(FOLDER)
    assert verdicts(report, "failed") == set()
    assert report["results"]["parsing_errors"] == []


def test_checkov_fails_nothing_with_everything_there(on: dict[str, Any]) -> None:
    """Also not in the queue, its health function and the endpoint."""
    assert verdicts(on, "failed") == set()
    assert on["results"]["parsing_errors"] == []


def test_checkov_saw_every_resource(on: dict[str, Any]) -> None:
    """A file that it passes over would be a file without findings."""
    assert on["summary"]["resource_count"] == sum(len(t.body["Resources"]) for t in ours())
    judged = verdicts(on, "passed") | verdicts(on, "skipped")
    assert {verdict.split(" ")[0] for verdict in judged} >= {t.name for t in ours()} - {
        "stack.yaml"  # it holds nested stacks only, for which checkov has no check
    }
    assert "queue.yaml AWS::ElastiCache::ReplicationGroup.Queue CKV_AWS_29" in judged
    assert "queue.yaml AWS::EC2::SecurityGroup.Ec2EndpointSecurityGroup CKV_AWS_23" in judged


def test_each_skip_is_used_and_says_why(on: dict[str, Any]) -> None:
    """A skip of a check that does not exist, or would pass, is a reason that nobody needs."""
    assert verdicts(on, "skipped") == declared_skips()
    comments = {
        skip.get("comment", "")
        for template in ours()
        for resource in template.body["Resources"].values()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    }
    assert comments != set()
    assert [comment for comment in comments if len(comment.split()) < 6] == []


def test_checkov_finds_what_is_wrong(tmp_path: Path) -> None:
    """The runs above would report: a queue that is not encrypted, and a file that is not YAML."""
    folder = switched(tmp_path / "broken", "true")
    queue, node = folder / "queue.yaml", folder / "node.yaml"
    queue.write_text(queue.read_text().replace("AtRestEncryptionEnabled: true", ""))
    node.write_text(node.read_text() + "  : [\n")
    report = checkov(folder)
    assert verdicts(report, "failed") == {
        "queue.yaml AWS::ElastiCache::ReplicationGroup.Queue CKV_AWS_29"
    }
    assert [Path(path).name for path in report["results"]["parsing_errors"]] == ["node.yaml"]
    seen = sum(
        len(read(p.read_text()).body["Resources"]) for p in folder.glob("*.yaml") if p != node
    )
    assert report["summary"]["resource_count"] == seen
