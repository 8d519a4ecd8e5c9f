"""MiniStack stores route throttles and never applies them."""

from e2e.gaps.gap import Gap

GAP = Gap(
    name="route-throttle",
    lacks="throttling by route: every request passes; only the settings can be read back",
    stand_in=None,
)
