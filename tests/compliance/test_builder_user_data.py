"""The builder's user-data: what it says, what it does with the programs it calls, and its end."""

import subprocess
from pathlib import Path

import pytest

from tests.compliance.templates import named, properties
from tests.compliance.test_user_data import shellcheck, user_data

STUB = """#!/bin/bash
echo "$(basename "$0") $*" >>"$CALLS"
if [ "$(basename "$0") $*" = "$FAILS" ]; then exit 3; fi
if [ "$(basename "$0")" = logger ]; then cat >>"$CONSOLE"; fi
if [ "$1 $2" = "-m venv" ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/pip"; fi
"""
STUBS = ("dnf", "systemctl", "shutdown", "logger", "python3.11", "docker", "sam", "ln")


def run(tmp_path: Path, fails: str = "") -> tuple[int, list[str], str]:
    """Run the script with stubs in PATH and its folders under `tmp_path`."""
    bin_path, log = tmp_path / "bin", tmp_path / "log"
    agent = tmp_path / "opt/aws/amazon-cloudwatch-agent/bin"
    for folder in (bin_path, log, agent):
        folder.mkdir(parents=True, exist_ok=True)
    for path in [*(bin_path / name for name in STUBS), agent / "amazon-cloudwatch-agent-ctl"]:
        path.write_text(STUB)
        path.chmod(0o755)
    script = user_data(named("builder.yaml"))
    for place, local in (("/var/log", str(log)), ("/opt", str(tmp_path / "opt"))):
        script = script.replace(f"={place}/", f"={local}/").replace(f" {place}/", f" {local}/")
    script = script.replace("2>/dev/console", "2>/dev/null")
    calls, console = tmp_path / "calls", tmp_path / "console"
    calls.write_text("")
    done = subprocess.run(
        ["bash", "-c", script],
        env={
            "PATH": f"{bin_path}:/usr/bin:/bin",
            "CALLS": str(calls),
            "CONSOLE": str(console),
            "FAILS": fails,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, calls.read_text().splitlines(), (log / "user-data.log").read_text()


def test_user_data_passes_shellcheck() -> None:
    """Style included."""
    assert shellcheck(user_data(named("builder.yaml"))) == []


def test_user_data_installs_and_says_so(tmp_path: Path) -> None:
    """The end is set before anything is installed, and the log is watched first."""
    code, calls, log = run(tmp_path)
    calls = [call for call in calls if not call.startswith("logger")]
    assert code == 0
    assert calls[0].startswith("shutdown -P +55")
    assert calls[1] == "dnf -y install amazon-cloudwatch-agent"
    assert calls[2].startswith("amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s -c file:")
    assert "systemctl enable --now docker" in calls
    assert "pip install --no-input aws-sam-cli==1.170.0" in calls
    assert log.splitlines()[-1] == "build-runner: ready"


def test_user_data_run_again_does_nothing_more(tmp_path: Path) -> None:
    """Only its time begins anew."""
    run(tmp_path)
    code, calls, _ = run(tmp_path)
    assert (code, [c.split()[0] for c in calls if not c.startswith("logger")]) == (0, ["shutdown"])


@pytest.mark.parametrize(
    "fails", ["dnf -y install amazon-cloudwatch-agent", "systemctl enable --now docker"]
)
def test_failure_is_seen_from_outside(fails: str, tmp_path: Path) -> None:
    """In the log, which the agent and the console have; and the machine ends soon."""
    code, calls, log = run(tmp_path, fails)
    assert code != 0
    assert "build-runner: FAILED in line " in log
    assert "build-runner: ready" not in log
    assert [call for call in calls if call.startswith("shutdown")][-1].startswith("shutdown -P +2")


def test_builder_costs_nothing_while_nothing_is_built() -> None:
    """No machine is declared, and one that is launched terminates, encrypted, by version 2 only."""
    template = named("builder.yaml")
    assert template.resources("AWS::EC2::Instance") == {}
    (launch,) = template.resources("AWS::EC2::LaunchTemplate").values()
    data = properties(launch)["LaunchTemplateData"]
    assert data["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True
    tags = {tag["Key"]: tag["Value"] for tag in data["TagSpecifications"][0]["Tags"]}
    assert (tags["Role"], tags["Stack"]) == ("builder", {"Ref": "Name"})
