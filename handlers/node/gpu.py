"""The GPU's load, read from nvidia-smi by the watchdog's minute and sent as two metrics.

A machine without a GPU has no nvidia-smi, or one that fails: then nothing is sent. The agent could
read the same, but does not start where nvidia-smi is missing.
https://docs.nvidia.com/deploy/nvidia-smi/index.html
"""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from node.stopping import libraries
from tinyllama.utils.observability import logs
from tinyllama.utils.observability.metrics import Metric

COMMAND = (
    "nvidia-smi",
    "--query-gpu=utilization.gpu,memory.used",
    "--format=csv,noheader,nounits",
)
LIMIT_S = 3.0
"""A driver that hangs must not hold up the watchdog."""
_LINE = re.compile(r"^\s*(\d{1,3})\s*,\s*(\d{1,7})\s*$")


@dataclass(frozen=True, slots=True)
class Load:
    """Of the first GPU: busy percent of the last second, memory in use in MiB."""

    busy_percent: int
    memory_mib: int


def read(command: Sequence[str] = COMMAND, *, limit_s: float = LIMIT_S) -> Load | None:
    """Read the load; None if there is no GPU, or it does not answer in time."""
    try:
        done = subprocess.run(
            command,
            check=True,
            timeout=limit_s,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        return None
    except (OSError, subprocess.SubprocessError) as error:
        logs.write("WARNING", event="gpu", why=type(error).__name__)
        return None
    first = done.stdout[:200].decode("ascii", "replace").partition("\n")[0]
    found = _LINE.match(first)
    return None if found is None else Load(int(found[1]), int(found[2]))


def report(stack: str) -> None:
    """Send the load, if there is one, in 5 s at most. Raises nothing."""
    load = read()
    if load is None:
        return
    values = {
        Metric.GPU_UTILIZATION: load.busy_percent,
        Metric.GPU_MEMORY_USED: load.memory_mib,
    }
    data = [
        {"MetricName": metric.value, "Unit": metric.unit, "Value": value}
        for metric, value in values.items()
    ]
    try:
        boto3, once = libraries()
        boto3.client("cloudwatch", config=once).put_metric_data(
            Namespace=f"TinyLlama/{stack}", MetricData=data
        )
    except Exception as error:  # noqa: BLE001 - a number that is not sent must end no watchdog
        code = getattr(error, "response", {}).get("Error", {}).get("Code")
        logs.write("WARNING", event="gpu", why=code or type(error).__name__)
