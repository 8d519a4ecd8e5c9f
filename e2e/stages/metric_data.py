"""Metric data: what each line of the dashboard would show of this smoke, kept for its picture.

What the stack puts itself is asked of CloudWatch. Lines of the embedded metric format are read from
the logs, because the local endpoint makes no metrics of them. Nor does it send any for an API: they
are counted from the log lines of its functions, each `BUCKET_S` seconds.

It looks twice: the killer sends last, and the logs of the queue's functions go with the queue.
"""

import json
import time
from datetime import UTC, datetime
from typing import Any

from e2e.run import Run, expect

Points = list[tuple[float, float]]
"""Seconds since the smoke began, and values."""
BUCKET_S = 2.0
SENT_HERE = {"AutoStops", "EC2Starts", "QueueDepth", "ResizeRequests", "SpendUsd"}


def run(run: Run) -> str:
    """Read every metric of the dashboard's definition, while there is a queue."""
    run.metric_data = _read(run)
    return _summary(run, SENT_HERE)


def run_again(run: Run) -> str:
    """Read what has come since, the killer's stops above all; what was read before is kept."""
    pairs = zip(run.metric_data, _read(run), strict=True)
    run.metric_data = [max(pair, key=lambda row: len(row["points"])) for pair in pairs]
    return _summary(run, SENT_HERE | {"BudgetStops"})


def _read(run: Run) -> list[dict[str, Any]]:
    body = run.client("cloudwatch").get_dashboard(DashboardName=run.outputs["Dashboard"])
    widgets: list[dict[str, Any]] = json.loads(body["DashboardBody"])["widgets"]
    logged, requests = _logged(run)
    kept = []
    for widget in widgets:
        for row in widget["properties"]["metrics"]:
            names = tuple(part for part in row if isinstance(part, str))
            points, source = _asked(run, names), "CloudWatch"
            if not points:
                points, source = logged.get(names, []), "log lines"
            if not points and names[0] == "AWS/ApiGateway":
                points, source = _of_requests(names[1], requests), "log of the functions"
            kept.append(
                {
                    "panel": widget["properties"]["title"],
                    "metric": names[1],
                    "source": source if points else None,
                    "points": [(round(at, 2), round(value, 2)) for at, value in sorted(points)],
                }
            )
    return kept


def _summary(run: Run, sent: set[str]) -> str:
    kept = run.metric_data
    missing = sent - {row["metric"] for row in kept if row["points"]}
    expect(missing, set(), "metrics that a smoke sends, without data")
    return f"{sum(bool(row['points']) for row in kept)} of {len(kept)} metrics have data"


def _asked(run: Run, names: tuple[str, ...]) -> Points:
    """What CloudWatch has of a metric: the sums of each second."""
    namespace, metric, *pairs = names
    dimensions = [
        {"Name": name, "Value": value} for name, value in zip(pairs[::2], pairs[1::2], strict=True)
    ]
    stat = {
        "Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": dimensions},
        "Period": 1,
        "Stat": "Sum",
    }
    answer = run.client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "asked", "MetricStat": stat}],
        StartTime=datetime.fromtimestamp(run.began_s, UTC),
        EndTime=datetime.fromtimestamp(time.time() + 60, UTC),
    )
    (result,) = answer["MetricDataResults"]
    moments = (at.timestamp() - run.began_s for at in result["Timestamps"])
    return [(max(at, 0), value) for at, value in zip(moments, result["Values"], strict=True)]


def _logged(run: Run) -> tuple[dict[tuple[str, ...], Points], list[tuple[float, float, int]]]:
    """Metrics by their names, and requests as (seconds, milliseconds, status), from every log."""
    logs = run.client("logs")
    groups = logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{run.name}-")["logGroups"]
    found: dict[tuple[str, ...], Points] = {}
    requests = []
    for group in (group["logGroupName"] for group in groups):
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=int(run.began_s * 1000)
        )
        for event in (event for page in pages for event in page["events"]):
            line = _line(event["message"])
            at = event["timestamp"] / 1000 - run.began_s
            for block in line.get("_aws", {}).get("CloudWatchMetrics", []):
                for keys in block["Dimensions"]:
                    pairs = [part for key in keys for part in (key, str(line[key]))]
                    for metric in (defined["Name"] for defined in block["Metrics"]):
                        names = (block["Namespace"], metric, *pairs)
                        found.setdefault(names, []).append((at, float(line[metric])))
            if "status" in line and "latencyMs" in line:
                requests.append((at, float(line["latencyMs"]), int(line["status"])))
    return found, requests


def _line(message: str) -> dict[str, Any]:
    try:
        line = json.loads(message)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}


def _of_requests(metric: str, requests: list[tuple[float, float, int]]) -> Points:
    """A metric of the API as its functions saw it: p95 of each bucket, or requests a minute."""
    buckets: dict[float, list[tuple[float, int]]] = {}
    for at, latency_ms, status in requests:
        buckets.setdefault(at // BUCKET_S * BUCKET_S, []).append((latency_ms, status))
    if metric in ("Latency", "IntegrationLatency"):
        if metric == "Latency":  # the gateway's own time is in no log here
            return []
        return [(at, _p95([ms for ms, _ in rows])) for at, rows in buckets.items()]
    hundreds = {"4xx": {4}, "5xx": {5}}.get(metric, {1, 2, 3, 4, 5})
    return [
        (at, sum(status // 100 in hundreds for _, status in rows) * 60 / BUCKET_S)
        for at, rows in buckets.items()
    ]


def _p95(values: list[float]) -> float:
    return sorted(values)[int(0.95 * (len(values) - 1) + 0.5)]
