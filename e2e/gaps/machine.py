"""The machine behind an instance on a local target: it does what cloud-init and systemd do on EC2.

Takes an instance id, and one JSON document on standard input. The first boot only installs, then
powers off, as the template's user-data does. Every later boot reads the settings parameter that the
user-data names, fetches the package with the instance's role, checks its hash, and runs the worker
and the watchdog of it. Powering off is a SIGTERM to this process.

`watchdog.json` in the folder of all machines, if it is there at a boot, holds a list of options for
that boot's watchdog, such as `["--minute-s", "0.1"]`. `install-fails` there names the step at which
installing fails; the boot after it is gone installs, and powers off.
"""

import base64
import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any

RESTART_AFTER_CRASH_S, RESTART_AFTER_S = 0.2, 5.0
"""systemd starts a unit again also if it has not crashed; after a crash, sooner here than there."""
WATCHDOG_OPTIONS = "watchdog.json"
INSTALL_FAILS, NOT_INSTALLED = "install-fails", "not-installed"
ACTIVITY = "activity.json"
"""What the node's worker keeps for its watchdog, in the folder of its machine."""
SETTINGS_NAME = re.compile(r"TL_SETTINGS_PARAMETER=[\"']?(/[\w./-]+)")


def main() -> None:
    """Boot once, and run the node's worker and watchdog until the machine is powered off."""
    import boto3

    instance_id, boot = sys.argv[1], json.load(sys.stdin)
    named = SETTINGS_NAME.search(boot["userData"])
    if named is None:
        sys.exit("machine: the user-data names no TL_SETTINGS_PARAMETER; nothing to run")
    state_dir = Path(boot["stateDir"]) / instance_id
    state_dir.mkdir(parents=True, exist_ok=True)
    session = boto3.Session()
    if boot["firstBoot"] or (state_dir / NOT_INSTALLED).exists():
        _install(session, boot, state_dir)
        return
    parameter = session.client("ssm", endpoint_url=boot["endpoint"]).get_parameter(Name=named[1])
    settings = json.loads(parameter["Parameter"]["Value"])
    package = _package(session, boot["endpoint"], settings["package"], state_dir)
    # On EC2 the model server listens on a fixed port of the machine; here on any free port.
    settings["model"]["url"] = boot["modelUrl"]
    document = state_dir / "settings.json"
    document.write_text(json.dumps(settings))
    own = ["--node-id", instance_id, "--state-dir", str(state_dir)]
    # The machine that plays this one booted long ago, and each boot here is another.
    own += ["--boot", f"{uuid.uuid4()}@{time.clock_gettime(time.CLOCK_BOOTTIME)}"]
    program = [sys.executable, "-I", str(package)]
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    watching = ["watchdog", "--settings-parameter", named[1], *own]
    watching += ["--poweroff", _power_off_command(), *_watchdog_options(state_dir.parent)]
    watchdog = _Unit(
        [*program, *watching],
        state_dir / "watchdog.pid",
        # AWS's own addresses need no variable on EC2.
        os.environ | {"AWS_ENDPOINT_URL": boot["endpoint"]},
    )
    worker = _Unit(
        [*program, "run", "--settings-file", str(document), *own], state_dir / "worker.pid"
    )
    units = [threading.Thread(target=unit.run, args=(stopping,)) for unit in (watchdog, worker)]
    for thread in units:
        thread.start()
    stopping.wait()
    while any(thread.is_alive() for thread in units):
        # Again and again: a test may freeze the worker while it ends.
        for unit in (worker, watchdog):
            unit.end()
        for thread in units:
            thread.join(0.2)


def _install(session: Any, boot: dict[str, Any], state_dir: Path) -> None:
    """Install, or fail at the step that a test has named: the metrics are those of user-data."""
    fails, mark = state_dir.parent / INSTALL_FAILS, state_dir / NOT_INSTALLED
    if not fails.exists():
        mark.unlink(missing_ok=True)
        return
    mark.touch()
    step = fails.read_text()
    namespace = re.findall(r"--namespace [\"']?(TinyLlama/[\w-]+)", boot["userData"])[0]
    cloudwatch = session.client("cloudwatch", endpoint_url=boot["endpoint"])
    for metric, name, value in (
        ("InstallFailures", "Step", step),
        ("AutoStops", "Reason", "installation"),
    ):
        counted = {
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": value}],
            "Unit": "Count",
            "Value": 1,
        }
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[counted])


def _power_off_command() -> str:
    script = f"import os, signal; os.kill({os.getpid()}, signal.SIGTERM)"
    return shlex.join([sys.executable, "-I", "-S", "-c", script])


def _watchdog_options(folder: Path) -> list[str]:
    path = folder / WATCHDOG_OPTIONS
    options: list[str] = json.loads(path.read_text()) if path.exists() else []
    return options


class _Unit:
    """A process that is started again whenever it ends, as a systemd unit with `Restart=always`."""

    def __init__(
        self, command: list[str], pid_file: Path, environment: dict[str, str] | None = None
    ) -> None:
        self._command = command
        self._pid_file = pid_file
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, stopping: threading.Event) -> None:
        """Keep it running until `stopping` is set and `end` was called."""
        while not stopping.is_set():
            self._process = process = subprocess.Popen(self._command, env=self._environment)
            self._pid_file.write_text(str(process.pid))
            if stopping.is_set():
                self.end()
            crashed = process.wait() != 0
            stopping.wait(RESTART_AFTER_CRASH_S if crashed else RESTART_AFTER_S)

    def end(self) -> None:
        """Ask it to end."""
        if self._process is not None:
            self._process.terminate()
            # A process that a test has frozen gets the signal only when it goes on.
            self._process.send_signal(signal.SIGCONT)


def _package(session: Any, endpoint: str, layer_arn: str, state_dir: Path) -> Path:
    layer = session.client("lambda", endpoint_url=endpoint).get_layer_version_by_arn(Arn=layer_arn)
    with urllib.request.urlopen(layer["Content"]["Location"], timeout=10) as response:  # noqa: S310
        content = response.read()
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    if digest != layer["Content"]["CodeSha256"]:
        sys.exit(
            "machine: the package does not have the hash of its layer version; deploy it again"
        )
    package = state_dir / "node.zip"
    package.write_bytes(content)
    return package


if __name__ == "__main__":
    main()
