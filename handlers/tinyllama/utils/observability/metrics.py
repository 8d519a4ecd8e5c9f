"""Metrics as embedded-metric-format lines on stdout: no client, no network, no permission.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import time
from collections.abc import Mapping
from enum import StrEnum


class Metric(StrEnum):
    """Every metric that functions and node send; alarms and the dashboard name these."""

    EC2_STARTS = "EC2Starts"
    API_RATE_LIMIT_BREACHES = "ApiRateLimitBreaches"
    REDIS_ENQUEUE_FAIL = "RedisEnqueueFail"
    QUEUE_DEPTH = "QueueDepth"
    QUEUE_AGE_SECONDS = "QueueAgeSeconds"
    QUEUE_HEALTH_FAILURES = "QueueHealthFailures"
    WAKER_FAILURES = "WakerFailures"
    AUTO_STOPS = "AutoStops"
    RESIZE_REQUESTS = "ResizeRequests"
    RESIZE_FAILURES = "ResizeFailures"
    BUDGET_STOPS = "BudgetStops"
    OVERDUE_MACHINES = "OverdueMachines"
    SPEND_USD = "SpendUsd"
    GPU_UTILIZATION = "GpuUtilization"
    GPU_MEMORY_USED = "GpuMemoryUsed"
    # The node's shell sends these two: user-data in node.yaml, and handlers/node/model.sh.
    INSTALL_FAILURES = "InstallFailures"
    MODEL_FAILURES = "ModelFailures"

    @property
    def unit(self) -> str:
        """The unit by its name in CloudWatch."""
        return _UNITS.get(self, "Count")


_UNITS = {
    Metric.QUEUE_AGE_SECONDS: "Seconds",
    Metric.SPEND_USD: "None",
    Metric.GPU_UTILIZATION: "Percent",
    # MiB, which CloudWatch has no name for.
    Metric.GPU_MEMORY_USED: "Megabytes",
}


def emit(
    stack: str, metric: Metric, value: float = 1, dimensions: Mapping[str, str] | None = None
) -> None:
    """Print one value in the namespace `TinyLlama/<stack>`."""
    emit_together(stack, {metric: value}, dimensions=dimensions)


def emit_together(
    stack: str,
    values: Mapping[Metric, float],
    *,
    dimensions: Mapping[str, str] | None = None,
    fields: Mapping[str, str | float] | None = None,
) -> None:
    """Print several values of one moment as one line; `fields` are for the log's reader only."""
    dimensions = dimensions or {}
    directive = {
        "Namespace": f"TinyLlama/{stack}",
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": metric.value, "Unit": metric.unit} for metric in values],
    }
    line = {
        "_aws": {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [directive]},
        **(fields or {}),
        **dimensions,
        **{metric.value: value for metric, value in values.items()},
    }
    print(json.dumps(line) + "\n", end="", flush=True)
