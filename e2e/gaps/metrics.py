"""MiniStack keeps log lines but makes no metrics of them; they are read from the lines here."""

import json
from typing import Any

from e2e.gaps.gap import Gap

GAP = Gap(
    name="metrics",
    lacks="metrics from embedded-metric-format log lines",
    stand_in="the metric values are summed from the log lines themselves",
)


def emitted(logs: Any, log_group: str, metric: str) -> list[tuple[dict[str, str], float]]:
    """Each time `metric` left a log group: its dimensions and its value.

    Source of the format:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    found = []
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=log_group, filterPattern=f'"{metric}"'
    )
    for page in pages:
        for event in page["events"]:
            found += _metrics_of(event["message"], metric)
    return found


def _metrics_of(message: str, metric: str) -> list[tuple[dict[str, str], float]]:
    try:
        line = json.loads(message)
        blocks = line["_aws"]["CloudWatchMetrics"]
    except (ValueError, TypeError, KeyError):
        return []
    return [
        ({name: str(line[name]) for name in names}, float(line[metric]))
        for block in blocks
        for names in block["Dimensions"]
        if any(defined["Name"] == metric for defined in block["Metrics"])
    ]
