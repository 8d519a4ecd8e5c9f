"""The node's user-data, run here: what exists only on the machine is played by stubs in PATH.

Paths outside the test's folder are moved into it, and each command is recorded.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.compliance.templates import named
from tests.compliance.test_user_data import user_data

MOVED = (
    *("/opt/tinyllama", "/opt/aws", "/etc/systemd/system", "/var/lib/cloud", "/var/log/user-data"),
    "/dev/console",
)
RECORD = """#!/bin/bash
printf '%s' "${0##*/}" >>"$MACHINE/calls"
printf ' %s' "$@" >>"$MACHINE/calls"
printf '\\n' >>"$MACHINE/calls"
case " $FAILING " in *" ${0##*/} "*) exit 7 ;; esac
"""
AWS = """case "$1 $2" in
  "ssm get-parameter") echo '{"package": "arn:layer:7"}' ;;
  "lambda get-layer-version-by-arn") cat "$MACHINE/layer" ;;
  "cloudwatch put-metric-data") : ;;
  *) exit 9 ;;
esac
"""
# Installed from the package, and only recorded: their own tests are in tests/faults.
SCRIPT = RECORD + "exit 0\n"
STUBS = {
    **dict.fromkeys(("dnf", "systemctl", "shutdown", "useradd", "sleep"), ""),
    "logger": "cat >/dev/null\n",
    "aws": AWS,
    "id": "exit 1\n",
    "curl": 'while [ "$1" != --output ]; do shift; done; cp "$MACHINE/node.zip" "$2"\n',
    "unzip": 'printf "%s" "$SCRIPT"\n',
    "python3.11": "echo arn:layer:7\n",
}


@dataclass
class Machine:
    """A machine's disk, and what was called on it."""

    root: Path
    script: Path

    def boot(self, failing: str = "") -> int:
        """Run the user-data as cloud-init does; returns its exit code."""
        environment = {
            "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
            "MACHINE": str(self.root),
            "FAILING": failing,
            "SCRIPT": SCRIPT,
        }
        done = subprocess.run(
            ["bash", str(self.script)], env=environment, check=False, timeout=60, text=True
        )
        return done.returncode

    def calls(self) -> list[str]:
        """Each command with its arguments, in their order, the logger's left out."""
        lines = (self.root / "calls").read_text().replace(str(self.root), "").splitlines()
        return [line for line in lines if not line.startswith("logger")]

    def log(self) -> str:
        """What it said."""
        return (self.root / "var/log/user-data.log").read_text()

    def metrics(self) -> list[tuple[str, str]]:
        """(metric, dimension) of each count."""
        told = r"--metric-name (\w+) --dimensions (\S+)"
        return [found for line in self.calls() for found in re.findall(told, line)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine before its first boot."""
    for folder in ("bin", "dev", "var/log", "etc/systemd/system"):
        (tmp_path / folder).mkdir(parents=True)
    for name, acts in STUBS.items():
        _executable(tmp_path / "bin" / name, RECORD + acts)
    agent = tmp_path / "opt/aws/amazon-cloudwatch-agent/bin"
    agent.mkdir(parents=True)
    _executable(agent / "amazon-cloudwatch-agent-ctl", RECORD)
    (tmp_path / "node.zip").write_bytes(b"a package")
    digest = base64.b64encode(hashlib.sha256(b"a package").digest()).decode()
    (tmp_path / "layer").write_text(f"https://bucket/zip\t{digest}\n")
    # boot.sh installs it; here it is there, as that script only records.
    (tmp_path / "opt/tinyllama").mkdir()
    _executable(tmp_path / "opt/tinyllama/model.sh", SCRIPT)
    script = tmp_path / "user-data"
    text = user_data(named("node.yaml"))
    for path in MOVED:
        text = text.replace(path, f"{tmp_path}{path}")
    script.write_text(text)
    return Machine(tmp_path, script)


def _executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


STEPS = ["packages", "logs", "package", "environment", "model", "units"]


def test_user_data_installs_and_ends_with_the_machine_off(machine: Machine) -> None:
    """Every step is logged; package, environment, images and weights, then the units; then off."""
    assert machine.boot() == 0, machine.log()
    assert re.findall(r"^step: (\w+)$", machine.log(), re.MULTILINE) == STEPS
    calls = machine.calls()
    assert calls[0].startswith("shutdown -h +60")
    assert calls[-1].startswith("shutdown -h now")
    in_order = ("dnf -y install", "amazon-cloudwatch-agent-ctl", "boot.sh install",
                "model.sh install", "systemctl daemon-reload", "systemctl enable tiny")  # fmt: skip
    at = [next(i for i, call in enumerate(calls) if call.startswith(name)) for name in in_order]
    assert at == sorted(at)
    assert machine.metrics() == [("AutoStops", "Reason=installation")]
    assert (machine.root / "opt/tinyllama/installed").exists()


def test_user_data_again_does_nothing(machine: Machine) -> None:
    """Its copy runs at each boot, and leaves an installed machine alone."""
    machine.boot()
    before = machine.calls()
    assert machine.boot() == 0
    assert machine.calls() == before


def test_agent_ships_both_logs_to_the_declared_group(machine: Machine) -> None:
    """Logs only: a metrics section would make the agent depend on the machine's type."""
    machine.boot()
    agent = json.loads((machine.root / "opt/tinyllama/agent.json").read_text())
    assert set(agent) == {"agent", "logs"}
    files = agent["logs"]["logs_collected"]["files"]["collect_list"]
    (group,) = named("node.yaml").resources("AWS::Logs::LogGroup").values()
    declared = group["Properties"]["LogGroupName"]["Fn::Sub"].replace("${Name}", "tinyllama-dev")
    assert {file["log_group_name"] for file in files} == {declared}
    assert [file["file_path"] for file in files] == [
        f"{machine.root}/var/log/user-data.log",
        "/var/log/tinyllama.log",
    ]
    unit = (machine.root / "etc/systemd/system/tinyllama-log.service").read_text()
    assert "StandardOutput=truncate:/var/log/tinyllama.log" in unit


@pytest.mark.parametrize(
    ("failing", "step"),
    [
        ("dnf", "packages"),
        ("amazon-cloudwatch-agent-ctl", "logs"),
        ("curl", "package"),
        ("boot.sh", "environment"),
        ("model.sh", "model"),
    ],
)
def test_failed_step_is_seen_from_outside_and_tried_again(
    failing: str, step: str, machine: Machine
) -> None:
    """A metric names the step, the machine goes off, and the next boot installs it."""
    assert machine.boot(failing) == 7
    assert machine.metrics() == [
        ("InstallFailures", f"Step={step}"),
        ("AutoStops", "Reason=installation"),
    ]
    assert machine.calls()[-1].startswith("shutdown -h now")
    assert not (machine.root / "opt/tinyllama/installed").exists()
    again = machine.root / "var/lib/cloud/scripts/per-boot/tinyllama-install"
    assert os.access(again, os.X_OK)
    shutil.copy(again, machine.script)
    assert machine.boot() == 0


def test_failure_that_cannot_be_counted_still_ends_with_the_machine_off(machine: Machine) -> None:
    """CloudWatch is away as well."""
    assert machine.boot("dnf aws") == 7
    assert "InstallFailures is not counted" in machine.log()
    assert machine.calls()[-1].startswith("shutdown -h now")


def test_package_with_another_hash_is_not_installed(machine: Machine) -> None:
    """What was received is not unpacked."""
    (machine.root / "node.zip").write_bytes(b"another package")
    assert machine.boot() == 1
    assert "nothing was installed" in machine.log()
    assert not any(call.startswith(("unzip", "boot.sh")) for call in machine.calls())
