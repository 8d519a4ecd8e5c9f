"""The dashboard's one definition: JSON of known fields, with metrics that somebody sends.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

import json
import re
from typing import Any

import pytest

from tests.compliance.templates import named, policy_statements, properties
from tests.compliance.test_alarm_actions import is_sent

MOST_METRICS = 50
"""Of a dashboard that is free: https://aws.amazon.com/cloudwatch/pricing/"""
COLUMNS = 24
WIDGET = {"type", "x", "y", "width", "height", "properties"}
PROPERTIES = {"title", "region", "view", "stacked", "period", "stat", "metrics", "annotations"}
OPTIONS = {"label", "yAxis"}


def body() -> str:
    """The definition, as the template holds it."""
    (dashboard,) = named("report.yaml").resources("AWS::CloudWatch::Dashboard").values()
    text: str = properties(dashboard)["DashboardBody"]["Fn::Sub"]
    return text


def definition(text: str) -> list[dict[str, Any]]:
    """The widgets; the one variable that is no string becomes a number."""
    widgets: list[dict[str, Any]] = json.loads(text.replace("${BudgetUsd}", "20"))["widgets"]
    return widgets


def rows(widgets: list[dict[str, Any]]) -> list[list[Any]]:
    """Every metric of every widget."""
    return [row for widget in widgets for row in widget["properties"]["metrics"]]


def faults(text: str) -> list[str]:
    """What CloudWatch would refuse, or show empty for ever."""
    widgets = definition(text)
    found = []
    if len(rows(widgets)) > MOST_METRICS:
        found.append(f"{len(rows(widgets))} metrics, of which {MOST_METRICS} are free")
    for widget in widgets:
        shown = widget["properties"]
        title = shown.get("title")
        unknown = (set(widget) ^ WIDGET) | (set(shown) - PROPERTIES)
        found += [f"{title}: field {field}" for field in sorted(unknown)]
        if widget["x"] + widget["width"] > COLUMNS:
            found.append(f"{title}: wider than the dashboard")
        for row in shown["metrics"]:
            options = row[-1] if isinstance(row[-1], dict) else {}
            found += [f"{title}: option {name}" for name in sorted(set(options) - OPTIONS)]
            names = [part for part in row if isinstance(part, str)]
            if len(names) % 2 or len(names) < 2:
                found.append(f"{title}: {row} is no namespace, metric and pairs")
            elif not is_sent(*names[:2]):
                found.append(f"{title}: nobody sends {names[1]}")
    return found


def test_dashboard_shows_what_is_sent() -> None:
    """No unknown field, no metric of nobody, not more than is free."""
    assert faults(body()) == []


def test_dashboard_holds_what_the_plan_names() -> None:
    """OPS-002, title by title."""
    assert [widget["properties"]["title"] for widget in definition(body())] == [
        "GPU: use and memory",
        "Queue: jobs that wait",
        "Redis: memory (%)",
        "API: p95 (ms)",
        "API: requests a minute",
        "Spend of the month (USD)",
        "Starts and type changes",
        "Stops by the watchdog",
        "Stops by the budget",
    ]


def test_every_reason_of_the_watchdog_has_its_line() -> None:
    """A reason without a line would stop the node unseen."""
    text = (named("report.yaml").text, "AutoStops")
    seen = set(re.findall(r'"AutoStops", "Reason", "(\w+)"', text[0]))
    from node.verdict import Reason

    assert seen == {reason.value for reason in Reason}


@pytest.mark.parametrize(
    ("before", "after", "finding"),
    [
        ('"EC2Starts"', '"EC2Start"', "Starts and type changes: nobody sends EC2Start"),
        (
            '"Count", "ApiId"',
            '"Requests", "ApiId"',
            "API: requests a minute: nobody sends Requests",
        ),
        ('"title": "API: p95 (ms)", "region"', '"title": "API: p95 (ms)", "zone"', "field zone"),
        ('{"label": "starts"}', '{"name": "starts"}', "option name"),
        ('"x": 16, "y": 0, "width": 8', '"x": 20, "y": 0, "width": 8', "wider than"),
        ('"QueueDepth", {', '"QueueDepth", "Reason", {', "is no namespace, metric and pairs"),
    ],
)
def test_wrong_dashboard_is_found(before: str, after: str, finding: str) -> None:
    """The local endpoint takes any text; so this has to notice."""
    assert body().count(before) == 1
    found = faults(body().replace(before, after))
    assert len(found) >= 1
    assert finding in found[0]


def test_more_metrics_than_are_free_are_found() -> None:
    """The fifty-first."""
    line = '    ["TinyLlama/${Name}", "QueueDepth", {"label": "jobs"}],'
    assert body().count(line) == 1
    assert faults(body().replace(line, line * 40)) == ["58 metrics, of which 50 are free"]


def test_viewer_may_view_and_nothing_else() -> None:
    """This dashboard, and metrics, which have no ARN."""
    (policy,) = named("report.yaml").resources("AWS::IAM::ManagedPolicy").values()
    assert [(s["Action"], s["Resource"]) for s in policy_statements(policy)] == [
        (
            "cloudwatch:GetDashboard",
            {
                "Fn::Sub": "arn:${AWS::Partition}:cloudwatch::${AWS::AccountId}"
                ":dashboard/${Dashboard}"
            },
        ),
        ("cloudwatch:GetMetricData", "*"),
    ]
