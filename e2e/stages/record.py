"""Record: how long the smoke took is a metric, so that a slower one is seen before it fails."""

import time

from e2e.run import Run


def run(run: Run) -> str:
    """Put `SmokeDuration` beside the system's other metrics."""
    seconds = time.time() - run.began_s
    run.client("cloudwatch").put_metric_data(
        Namespace=f"TinyLlama/{run.name}",
        MetricData=[{"MetricName": "SmokeDuration", "Value": seconds, "Unit": "Seconds"}],
    )
    return f"SmokeDuration {seconds:.1f} s"
