"""An alarm says what to do, where that is written, and watches what something really sends."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.compliance.templates import Template, named, ours, properties, read
from tinyllama.utils.observability.metrics import Metric

ROOT = Path(__file__).resolve().parents[2]
HANDLERS = ROOT / "handlers"
PAGE = re.compile(r"docs/operations/[\w-]+\.md")
# An imperative by which a description begins to say what to do.
WHAT_TO_DO = re.compile(r"\b(look|roll|turn|stop)\b", re.IGNORECASE)
# Metrics of AWS itself, with the page that lists them.
OF_AWS = {
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    "AWS/ApiGateway": {"4xx", "5xx", "Count", "IntegrationLatency", "Latency"},
    # https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/CacheMetrics.Redis.html
    "AWS/ElastiCache": {"DatabaseMemoryUsagePercentage"},
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html
    "AWS/Logs": {"IncomingBytes"},
}
OWN = "TinyLlama/${Name}"


def sent() -> set[str]:
    """The metrics that a file of the handlers names beside the list of them."""
    texts = [
        path.read_text("utf-8")
        for path in HANDLERS.rglob("*.py")
        if path.parts[-2:] != ("observability", "metrics.py")
    ]
    return {
        metric.value
        for metric in Metric
        if any(re.search(rf"\bMetric\.{metric.name}\b", text) for text in texts)
    }


def helpless_alarms(template: Template) -> list[str]:
    """Alarms that leave their reader alone, or that nothing can raise."""
    found = []
    for logical_id, alarm in template.resources("AWS::CloudWatch::Alarm").items():
        where, given = f"{template.name} {logical_id}", properties(alarm)
        text = str(given.get("AlarmDescription", ""))
        pages = PAGE.findall(text)
        if not WHAT_TO_DO.search(text) or not pages:
            found.append(f"{where}: does not say what to do, or where that is written")
        found += [f"{where}: no page {page}" for page in pages if not (ROOT / page).is_file()]
        if not is_sent(given["Namespace"], given["MetricName"]):
            found.append(f"{where}: nobody sends {given['MetricName']}")
    return found


def is_sent(namespace: Any, metric: str) -> bool:
    """Whether our code or AWS sends this metric."""
    if namespace in ({"Fn::Sub": OWN}, OWN):
        return metric in sent()
    return metric in OF_AWS.get(namespace, ())


@pytest.mark.parametrize("template", ours(), ids=lambda template: template.name)
def test_alarm_says_what_to_do_and_can_rise(template: Template) -> None:
    """In each of our templates."""
    assert helpless_alarms(template) == []


@pytest.mark.parametrize(
    ("before", "after", "finding"),
    [
        ("MetricName: RedisEnqueueFail", "MetricName: RedisFail", "nobody sends RedisFail"),
        ("MetricName: IntegrationLatency", "MetricName: Duration", "nobody sends Duration"),
        (
            "turn the queue off and on to forget every job; see docs/operations/epic-6-dashboard"
            "-and-mail.md",
            "that is bad",
            "does not say what to do, or where that is written",
        ),
        (
            "forget every job; see docs/operations/epic-6-dashboard-and-mail.md",
            "forget every job; see docs/operations/gone.md",
            "no page docs/operations/gone.md",
        ),
    ],
)
def test_helpless_alarm_is_found(before: str, after: str, finding: str) -> None:
    """Our own alarms, broken in one place each."""
    text = named("report.yaml").text
    assert text.count(before) == 1
    (found,) = helpless_alarms(read(text.replace(before, after), "report.yaml"))
    assert found.endswith(f"Alarm: {finding}")


def test_metric_that_is_only_listed_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list alone sends nothing."""
    assert "EC2Starts" in sent()
    monkeypatch.setattr("tests.compliance.test_alarm_actions.HANDLERS", HANDLERS / "node")
    assert "EC2Starts" not in sent()
    assert "AutoStops" in sent()
