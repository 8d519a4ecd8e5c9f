"""The machine behind an instance on a local target: it does what cloud-init and systemd do on EC2.

Takes an instance id, and one JSON document on standard input. The first boot only installs, then
powers off, as the template's user-data does. Every later boot reads the settings parameter that the
user-data names, fetches the package with the instance's role, checks its hash and runs it.
"""

import base64
import hashlib
import json
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

RESTART_AFTER_S = 0.2
SETTINGS_NAME = re.compile(r"TL_SETTINGS_PARAMETER=[\"']?(/[\w./-]+)")


def main() -> None:
    """Boot once, and run the node's worker until it ends."""
    import boto3

    instance_id, boot = sys.argv[1], json.load(sys.stdin)
    named = SETTINGS_NAME.search(boot["userData"])
    if named is None:
        sys.exit("machine: the user-data names no TL_SETTINGS_PARAMETER; nothing to run")
    if boot["firstBoot"]:
        return
    state_dir = Path(boot["stateDir"]) / instance_id
    state_dir.mkdir(parents=True, exist_ok=True)
    session = boto3.Session()
    parameter = session.client("ssm", endpoint_url=boot["endpoint"]).get_parameter(Name=named[1])
    settings = json.loads(parameter["Parameter"]["Value"])
    package = _package(session, boot["endpoint"], settings["package"], state_dir)
    # On EC2 the model server listens on a fixed port of the machine; here on any free port.
    settings["model"]["url"] = boot["modelUrl"]
    document = state_dir / "settings.json"
    document.write_text(json.dumps(settings))
    arguments = ["run", "--settings-file", str(document), "--node-id", instance_id]
    arguments += ["--state-dir", str(state_dir)]
    _supervise([sys.executable, "-I", str(package), *arguments], state_dir / "worker.pid")


def _supervise(command: list[str], pid_file: Path) -> None:
    """Run the worker as systemd does: again after a crash, until it exits with 0 or is stopped."""
    stopping = threading.Event()
    worker: subprocess.Popen[bytes] | None = None

    def stop(signum: int, frame: object) -> None:
        stopping.set()
        if worker is not None:
            worker.terminate()

    signal.signal(signal.SIGTERM, stop)
    while not stopping.is_set():
        worker = subprocess.Popen(command)
        pid_file.write_text(str(worker.pid))
        if stopping.is_set():
            worker.terminate()
        if worker.wait() == 0:
            return
        stopping.wait(RESTART_AFTER_S)


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
