"""Record: the duration becomes a metric, which shows a slower smoke before one fails."""

import time

from e2e.run import Run


def run(run: Run) -> str:
    """Put `SmokeDuration` into the namespace of the stack's other metrics."""
    seconds = time.time() - run.began_s
    run.client("cloudwatch").put_metric_data(
        Namespace=f"TinyLlama/{run.name}",
        MetricData=[{"MetricName": "SmokeDuration", "Value": seconds, "Unit": "Seconds"}],
    )
    return f"SmokeDuration {seconds:.1f} s"
