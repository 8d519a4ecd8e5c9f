"""The embedded metric format, as CloudWatch reads it."""

import json
import time

import pytest

from tinyllama.utils.observability.metrics import Metric, emit, emit_together


def test_metric_is_one_line_of_the_format(capsys: pytest.CaptureFixture[str]) -> None:
    """Namespace of the stack, one metric, its dimensions beside it."""
    before_ms = time.time_ns() // 1_000_000
    emit("tinyllama-dev", Metric.EC2_STARTS, dimensions={"Reason": "ColdBoot"})
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert before_ms <= found["_aws"].pop("Timestamp") <= time.time_ns() // 1_000_000
    assert found == {
        "_aws": {
            "CloudWatchMetrics": [
                {
                    "Namespace": "TinyLlama/tinyllama-dev",
                    "Dimensions": [["Reason"]],
                    "Metrics": [{"Name": "EC2Starts", "Unit": "Count"}],
                }
            ]
        },
        "Reason": "ColdBoot",
        "EC2Starts": 1,
    }


def test_metric_without_dimensions_has_an_empty_set(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty list of names is what the format asks for; no list at all is invalid."""
    emit("tinyllama-dev", Metric.QUEUE_DEPTH, 7)
    found = json.loads(capsys.readouterr().out)
    assert found["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]
    assert found["QueueDepth"] == 7


def test_metrics_of_one_moment_share_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Each has its unit; the fields beside them, the level among them, are for the log's reader."""
    emit_together(
        "tinyllama-dev",
        {Metric.QUEUE_DEPTH: 2, Metric.QUEUE_AGE_SECONDS: 1.5},
        fields={"level": "INFO", "inFlight": 1},
    )
    (line,) = capsys.readouterr().out.splitlines()
    printed = json.loads(line)
    assert printed.pop("_aws")["CloudWatchMetrics"] == [
        {
            "Namespace": "TinyLlama/tinyllama-dev",
            "Dimensions": [[]],
            "Metrics": [
                {"Name": "QueueDepth", "Unit": "Count"},
                {"Name": "QueueAgeSeconds", "Unit": "Seconds"},
            ],
        }
    ]
    assert printed == {"level": "INFO", "inFlight": 1, "QueueDepth": 2, "QueueAgeSeconds": 1.5}
