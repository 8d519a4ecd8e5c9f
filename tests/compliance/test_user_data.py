"""The node's user-data passes a shell checker, and leaves no machine running that has no work."""

import re
import subprocess

import pytest

from tests.compliance.templates import Template, named, properties, read

MAX_BYTES = 16_384
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html"""

# What the script takes from the template. More would tie it to values that change: a change of the
# user-data reaches no instance that exists, so everything else is in the settings parameter.
VARIABLES = {"Name": "tinyllama-dev", "AWS::Region": "eu-central-1"}


def user_data(template: Template) -> str:
    """The user-data with its variables filled in.

    Raises:
        KeyError: it takes a variable that is not in `VARIABLES`.
    """
    (launch,) = template.resources("AWS::EC2::LaunchTemplate").values()
    data = properties(launch)["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"]
    whole = re.sub(r"\$\{(?!!)([^}]+)\}", lambda found: VARIABLES[found[1]], data)
    return whole.replace("${!", "${")


def shellcheck(script: str) -> list[str]:
    """`line code` of each finding, style included."""
    done = subprocess.run(
        ["shellcheck", "--format=gcc", "--severity=style", "-"],
        input=script,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode in (0, 1), done.stderr
    found = re.finditer(r"^-:(\d+):\d+: \w+: .*\[(SC\d+)\]$", done.stdout, re.MULTILINE)
    return [f"{match[1]} {match[2]}" for match in found]


def careless(script: str) -> list[str]:
    """What would let a machine that failed, or hangs, go on running."""
    found = []
    if len(script.encode()) > MAX_BYTES:
        found.append("is larger than EC2 takes")
    lines = [line for line in script.splitlines() if line and not line.startswith("#")]
    if lines[0] != "set -euo pipefail":
        found.append("does not stop at the first error")
    first_work = next(at for at, line in enumerate(lines) if line.startswith(("dnf", "systemctl")))
    before_work = "\n".join(lines[:first_work])
    if not re.search(r"^trap '.*shutdown -h now.*' EXIT$", before_work, re.MULTILINE):
        found.append("does not shut the machine down when it ends or fails")
    if not re.search(r"^shutdown -h \+\d+", before_work, re.MULTILINE):
        found.append("does not shut the machine down when it hangs")
    if "exec > >(tee -a /var/log/user-data.log | logger -t user-data" not in before_work:
        found.append("does not keep what it says")
    if lines[-1] != 'touch "$home/installed"':
        found.append("does not end with the mark that it is done")
    return found


def test_user_data_passes_shellcheck() -> None:
    """Style included."""
    assert shellcheck(user_data(named("node.yaml"))) == []


def test_shellcheck_finds_what_is_wrong() -> None:
    """The run above would report an unquoted variable."""
    assert shellcheck("#!/bin/bash\nhome=$1\nls $home\n") == ["3 SC2086"]


def test_user_data_cannot_bill_for_nothing() -> None:
    """It ends with the machine off, whatever happens."""
    assert careless(user_data(named("node.yaml"))) == []


@pytest.mark.parametrize(
    ("before", "after", "finding"),
    [
        (
            "set -euo pipefail\n            home",
            "set -eu\n            home",
            "does not stop at the first error",
        ),
        ("' EXIT\n", "' ERR\n", "does not shut the machine down when it ends or fails"),
        (
            "            shutdown -h +60",
            "            echo",
            "does not shut the machine down when it hangs",
        ),
        ("tee -a /var/log/user-data.log", "cat", "does not keep what it says"),
        ('            touch "$home/installed"\n', "", "does not end with the mark that it is done"),
        (
            "            # cloud-init runs",
            f"            # {'x' * MAX_BYTES}\n            # cloud-init runs",
            "is larger than EC2 takes",
        ),
    ],
)
def test_careless_user_data_is_found(before: str, after: str, finding: str) -> None:
    """Our own user-data, broken in one place each."""
    text = named("node.yaml").text
    assert text.count(before) == 1
    broken = read(text.replace(before, after), "node.yaml")
    assert careless(user_data(broken)) == [finding]


def test_user_data_takes_nothing_that_changes() -> None:
    """A variable of the template that is not in the list is refused."""
    text = named("node.yaml").text
    with pytest.raises(KeyError, match="QueueHost"):
        user_data(read(text.replace("PARAMETER=/${Name}/node", "HOST=${QueueHost}")))
