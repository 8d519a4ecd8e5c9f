"""Metric values of a smoke, read from the log lines that carry them."""

import json

from e2e.run import Run


def emitted(run: Run, function: str, metric: str) -> list[tuple[dict[str, str], float]]:
    """The dimensions and value of every time that a function emitted `metric` in this smoke.

    On AWS a log line can be read some seconds after it was written, its metric minutes later.

    Source of the format:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    values = []
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
            values += _metrics_of(event["message"], metric)
    return values


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
