"""MiniStack keeps log lines but makes no metrics of them; a smoke reads them from the lines."""

from e2e.gaps.gap import Gap

GAP = Gap(
    name="metrics",
    lacks="metrics from embedded-metric-format log lines",
    stand_in="the metric values are summed from the log lines themselves",
)
