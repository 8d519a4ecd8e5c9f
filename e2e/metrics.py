"""Metric values of a smoke, read from the log lines that carry them."""

import json

from e2e.run import Run


def emitted(run: Run, function: str, metric: str) -> list[tuple[dict[str, str], float]]:
    """Each time `metric` left one of our functions during this smoke: its dimensions and its value.

    On AWS a line appears some seconds after it was written, and metrics of it minutes later.

    Source of the format:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    found = []
    pages = (
        run.client("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=run.function_log(function),
            filterPattern=f'"{metric}"',
            startTime=int(run.began_s * 1000),
        )
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
