"""Stops this machine and counts the stop; what fails is logged, and the caller tries again later.

The machine powers itself off, which needs no permission: its shutdown behaviour is `stop`. If that
fails, EC2 is asked to stop the instance; the role allows that for this instance alone.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingInstanceInitiatedShutdownBehavior.html
"""

import subprocess
from collections.abc import Callable, Sequence
from typing import Any

from node.verdict import Reason
from tinyllama.utils.observability import logs
from tinyllama.utils.observability.metrics import Metric

POWER_OFF = ("systemctl", "poweroff")
_COMMAND_LIMIT_S = 30.0


class Stopper:
    """Stops the machine.

    Args:
        command: powers the machine off.
        node_id: returns this instance's id; raises InstanceError.
        limit_s: after which a command that hangs has failed.
    """

    def __init__(
        self,
        command: Sequence[str],
        node_id: Callable[[], str],
        *,
        limit_s: float = _COMMAND_LIMIT_S,
    ) -> None:
        self._command = list(command)
        self._node_id = node_id
        self._limit_s = limit_s
        self._counted: Reason | None = None
        self._is_dropped = False

    def stop(self, reason: Reason, stack: str | None, is_still_wanted: Callable[[], bool]) -> None:
        """Count the stop, unless it is counted, and stop the machine. Raises nothing.

        Args:
            is_still_wanted: asked after counting, which takes seconds; a stop that is no longer
                wanted counts as the next one.
        """
        logs.write("WARNING", event="auto_stop", reason=reason.value)
        if (
            self._counted is None
            and stack is not None
            and _attempted("metric", _count, stack, reason)
        ):
            self._counted = reason
        if not is_still_wanted():
            logs.write("INFO", event="auto_stop_dropped", reason=reason.value)
            self._is_dropped = True
            return
        self._is_dropped = False
        if not _attempted("poweroff", self._power_off):
            _attempted("stop_instance", self._stop_instance)

    def stay(self) -> None:
        """The machine is wanted again: the next stop is another, unless the last was dropped."""
        if not self._is_dropped:
            self._counted = None

    def _power_off(self) -> None:
        subprocess.run(
            self._command,
            check=True,
            timeout=self._limit_s,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _stop_instance(self) -> None:
        node_id = self._node_id()
        boto3, once = libraries()
        boto3.client("ec2", config=once).stop_instances(InstanceIds=[node_id])


def _count(stack: str, reason: Reason) -> None:
    """Send the metric itself: the machine is off before an agent would have shipped a log line."""
    metric = Metric.AUTO_STOPS
    datum = {
        "MetricName": metric.value,
        "Dimensions": [{"Name": "Reason", "Value": reason.value}],
        "Unit": metric.unit,
        "Value": 1,
    }
    boto3, once = libraries()
    boto3.client("cloudwatch", config=once).put_metric_data(
        Namespace=f"TinyLlama/{stack}", MetricData=[datum]
    )


def libraries() -> tuple[Any, Any]:
    """boto3, and a client's settings that neither wait nor repeat: the next try is a minute later.

    Loaded when they are needed: deciding and powering off must not depend on them.
    """
    import boto3
    from botocore.config import Config

    return boto3, Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 1})


def _attempted(step: str, act: Callable[..., None], *arguments: object) -> bool:
    """True if it succeeded; a failure is one line, by its code or its type."""
    try:
        act(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever fails, the machine must still be stopped
        code = getattr(error, "response", {}).get("Error", {}).get("Code")
        logs.write("ERROR", event="auto_stop_failed", step=step, error=code or type(error).__name__)
        return False
    return True
