"""Metrics as embedded-metric-format lines on stdout: no client, no network, no permission.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import time
from collections.abc import Mapping
from enum import StrEnum


class Metric(StrEnum):
    """Every metric the functions send; alarms and the dashboard name these."""

    EC2_STARTS = "EC2Starts"
    API_RATE_LIMIT_BREACHES = "ApiRateLimitBreaches"
    REDIS_ENQUEUE_FAIL = "RedisEnqueueFail"
    QUEUE_DEPTH = "QueueDepth"
    QUEUE_HEALTH_FAILURES = "QueueHealthFailures"


def emit(
    stack: str, metric: Metric, value: float = 1, dimensions: Mapping[str, str] | None = None
) -> None:
    """Print one value, unit Count, in the namespace `TinyLlama/<stack>`."""
    named = dict(dimensions or {})
    directive = {
        "Namespace": f"TinyLlama/{stack}",
        "Dimensions": [list(named)],
        "Metrics": [{"Name": metric.value, "Unit": "Count"}],
    }
    line = {
        "_aws": {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [directive]},
        **named,
        metric.value: value,
    }
    print(json.dumps(line) + "\n", end="", flush=True)
