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


Units = dict[str, dict[str, list[str]]]


def units(script: str) -> Units:
    """Each unit that the script writes: its settings, each with all of its values."""
    found: Units = {}
    heredoc = r"^cat >/etc/systemd/system/(\S+) <<'UNIT'\n(.*?)^UNIT$"
    for name, text in re.findall(heredoc, script, re.MULTILINE | re.DOTALL):
        settings: dict[str, list[str]] = {}
        for line in text.splitlines():
            if "=" in line and not line.startswith(("#", "[")):
                key, _, value = line.partition("=")
                settings.setdefault(key, []).append(value)
        found[name] = settings
    return found


SANDBOX = {
    "NoNewPrivileges": ["true"],
    "ProtectSystem": ["strict"],
    "ProtectHome": ["true"],
    "PrivateTmp": ["true"],
}
LOCAL_ONLY = {"IPAddressDeny": ["any"], "IPAddressAllow": ["127.0.0.0/8 ::1/128"]}
USERS = {"tinyllama-node.service": "tinyllama-worker"}
SERVICES = (
    *("tinyllama-log.service", "tinyllama-model.service", "tinyllama-node.service"),
    "tinyllama-watchdog.service",
)
# A failure that systemd is to count takes no longer; the watchdog sees what takes longer.
SLOWEST_FAILURE_S = {"tinyllama-node.service": 100, "tinyllama-watchdog.service": 60}


def unguarded(script: str) -> list[str]:
    """What a unit lets its process do, or what would leave a machine without a watch."""
    made, found = units(script), []
    users = re.findall(r"useradd --system .* (\S+)$", script, re.MULTILINE)
    for name, user in USERS.items():
        if made[name].get("User") != [user] or user not in users:
            found.append(f"{name} has no user of its own")
    for name in SERVICES:
        missing = [key for key, value in SANDBOX.items() if made[name].get(key) != value]
        found += [f"{name} lacks {key}" for key in missing]
        if made[name].get("Restart") != ["always"]:
            found.append(f"{name} is not started again")
    model, watchdog = made["tinyllama-model.service"], made["tinyllama-watchdog.service"]
    # The container is in the slice: model.sh puts it there, and refuses to start it elsewhere.
    if any(made["tinyllama-model.slice"].get(key) != value for key, value in LOCAL_ONLY.items()):
        found.append("the model server reaches the metadata service")
    if model.get("Requires") != ["docker.service tinyllama-model.slice"]:
        found.append("the model server starts without its slice")
    if re.search(r"tinyllama-node|boot\.sh", str(watchdog)):
        found.append("the watchdog needs the worker")
    if {"Requires", "BindsTo", "PartOf"} & watchdog.keys():
        found.append("the watchdog ends with another unit")
    for name, failure_s in SLOWEST_FAILURE_S.items():
        interval_s, burst, pause_s = (
            int(made[name][key][0])
            for key in ("StartLimitIntervalSec", "StartLimitBurst", "RestartSec")
        )
        if (failure_s + pause_s) * burst > interval_s:
            found.append(f"{name} fails for ever without reaching its limit")
    enabled = re.search(r"^systemctl enable (tinyllama.*)$", script, re.MULTILINE)
    for name in made:
        if name.endswith(".slice"):
            continue
        if enabled is None or name not in enabled[1].split():
            found.append(f"{name} is not enabled")
    return found


def test_units_are_guarded() -> None:
    """Users of their own, sandboxed; the model without the metadata service; the watchdog alone."""
    script = user_data(named("node.yaml"))
    assert sorted(units(script)) == [
        "tinyllama-limit.timer",
        "tinyllama-log.service",
        "tinyllama-model.service",
        "tinyllama-model.slice",
        "tinyllama-node.service",
        "tinyllama-watchdog.service",
    ]
    assert unguarded(script) == []


@pytest.mark.parametrize(
    ("before", "after", "finding"),
    [
        (
            "User=tinyllama-worker",
            "User=root",
            "tinyllama-node.service has no user of its own",
        ),
        (
            "IPAddressDeny=any",
            "IPAddressDeny=",
            "the model server reaches the metadata service",
        ),
        (
            "IPAddressAllow=127.0.0.0/8",
            "IPAddressAllow=any",
            "the model server reaches the metadata service",
        ),
        (
            "StartLimitBurst=30",
            "StartLimitBurst=40",
            "tinyllama-node.service fails for ever without reaching its limit",
        ),
        (
            "Type=notify",
            "Type=notify\n            BindsTo=tinyllama-model.service",
            "the watchdog ends with another unit",
        ),
        (
            "ExecStartPre=/usr/bin/cp /opt",
            "ExecStartPre=/opt/tinyllama/boot.sh\n            ExecStartPre=/usr/bin/cp /opt",
            "the watchdog needs the worker",
        ),
        (
            "enable tinyllama-watchdog.service tinyllama-limit.timer",
            "enable tinyllama-limit.timer",
            "tinyllama-watchdog.service is not enabled",
        ),
        (
            "            CapabilityBoundingSet=CAP_SYS_BOOT\n            ProtectSystem=strict\n",
            "",
            "tinyllama-watchdog.service lacks ProtectSystem",
        ),
        (
            "RestartSec=10\n",
            "RestartSec=10\n            Restart=no\n",
            "tinyllama-model.service is not started again",
        ),
        (
            "Requires=docker.service tinyllama-model.slice",
            "Requires=docker.service",
            "the model server starts without its slice",
        ),
    ],
)
def test_unguarded_unit_is_found(before: str, after: str, finding: str) -> None:
    """Our own units, broken in one place each."""
    text = named("node.yaml").text
    assert text.count(before) == 1
    assert unguarded(user_data(read(text.replace(before, after), "node.yaml"))) == [finding]


def test_environment_is_made_at_the_installation() -> None:
    """The first prompt does not wait for pip: boot.sh runs before the units are enabled."""
    before, call, after = user_data(named("node.yaml")).partition('"$home/boot.sh" install\n')
    assert call
    assert before.endswith('AWS_REGION="eu-central-1" TL_SETTINGS_PARAMETER="/tinyllama-dev/node" ')
    assert "systemctl enable" in after


def test_nothing_is_compiled_on_the_node() -> None:
    """No compiler, and no package that is built from source."""
    script = user_data(named("node.yaml"))
    assert re.findall(r"gcc|g\+\+|cmake|-devel|pip install|venv --clear", script) == []


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
