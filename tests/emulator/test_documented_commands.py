"""The commands that the operations notes give deploy and remove the stack as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from e2e.targets.ministack import MiniStack
from tools.deploy import stack
from tools.deploy.environments import ROOT

# The CLI's waiter asks every 30 s.
LIMIT_S = 250
PAGES = sorted((ROOT / "docs" / "operations").glob("*.md"))
# Commands that the CLI adds to the API's operations.
ADDED = {
    "cloudformation deploy",
    "cloudformation package",
    "cloudformation wait",
    "ec2 wait",
    "logs tail",
    "s3 rm",
}


def _aws(account: MiniStack, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "awscli", *words],
        cwd=ROOT,
        env={"PATH": "", "AWS_CONFIG_FILE": "/dev/null", **account.cli_environment()},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(2 * LIMIT_S)
def test_package_and_deploy_and_nothing_else_make_a_stack(
    account: MiniStack, tmp_path: Path
) -> None:
    """`aws cloudformation package`, then `deploy` with what the parameter file says.

    Version 2 of the CLI reads the file itself (`file://`); version 1, which PyPI has, takes pairs.
    """
    parameters, tags = stack.parameters(ROOT / "cloudformation" / "parameters" / "dev.json")
    packaged = str(tmp_path / "stack.yaml")
    account.client("s3").create_bucket(
        Bucket="tl-documented", CreateBucketConfiguration={"LocationConstraint": account.region}
    )
    template = "cloudformation/stack.yaml"
    _aws(account, "cloudformation", "package", "--template-file", template,
         "--s3-bucket", "tl-documented", "--output-template-file", packaged)  # fmt: skip
    _aws(account, "cloudformation", "deploy", "--template-file", packaged,
         "--stack-name", "tl-documented", "--capabilities", "CAPABILITY_NAMED_IAM",
         "--parameter-overrides", *(f"{k}={v}" for k, v in parameters.items()),
         "--tags", *(f"{k}={v}" for k, v in tags.items()))  # fmt: skip
    (made,) = account.client("cloudformation").describe_stacks(StackName="tl-documented")["Stacks"]
    seen = {t["Key"]: t["Value"] for t in made["Tags"]}
    assert (made["StackStatus"], seen) == ("CREATE_COMPLETE", tags)


def _unknown_calls(text: str) -> list[str]:
    """The `aws SERVICE OPERATION` of a page that AWS has not."""
    session = botocore.session.get_session()
    calls = sorted(set(re.findall(r"\baws ([a-z][a-z0-9-]+ [a-z][a-z0-9-]+)", text)) - ADDED)
    unknown = []
    for call in calls:
        service, operation = call.split()
        known = (
            session.get_service_model(service).operation_names
            if service in session.get_available_services()
            else ()
        )
        if operation not in {xform_name(name, "-") for name in known}:
            unknown.append(call)
    return unknown


def _unknown_outputs(text: str) -> list[str]:
    """The outputs that a page reads and the root template has not."""
    template = (ROOT / "cloudformation" / "stack.yaml").read_text()
    outputs = set(re.findall(r"^  (\w+):", template.split("\nOutputs:\n")[1], re.MULTILINE))
    return sorted(set(re.findall(r"\$\(output (\w+)\)", text)) - outputs)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_operations_page_calls_what_there_is(page: Path) -> None:
    """Every operation is one of AWS, every output one of the root template."""
    text = page.read_text()
    assert "$(output " in text
    assert (_unknown_calls(text), _unknown_outputs(text)) == ([], [])


def test_unknown_calls_and_outputs_are_noticed() -> None:
    """An operation of another service, a service that is none, an output that is gone."""
    text = "`aws ec2 list-buckets` aws none stop-instances, aws ec2 stop-instances $(output None1)"
    assert _unknown_calls(text) == ["ec2 list-buckets", "none stop-instances"]
    assert _unknown_outputs(text) == ["None1"]


def test_documented_tags_are_those_of_the_parameter_file() -> None:
    """The page repeats them, because the CLI does not read them from the file."""
    _, tags = stack.parameters(ROOT / "cloudformation" / "parameters" / "dev.json")
    (line,) = re.findall(r"--tags (.+?) \\\n", (PAGES[0]).read_text())
    assert dict(pair.split("=") for pair in line.split()) == tags
