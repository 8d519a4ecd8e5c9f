"""MiniStack stores where a stage's access log goes and never writes a line to it."""

from e2e.gaps.gap import Gap

GAP = Gap(
    name="access-log",
    lacks="access log lines of an HTTP API: only the settings can be read back",
    stand_in=None,
)
