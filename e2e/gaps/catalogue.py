"""Every gap of MiniStack, in the order in which they are filled and reported.

Both the smoke and the MiniStack process import this, so the modules here import the standard
library alone when they are loaded.
"""

from e2e.gaps import (
    access_log,
    budget,
    budget_history,
    cache_access,
    cors_keys,
    instance,
    instance_calls,
    layer_by_arn,
    metric_namespace,
    metrics,
    model_server,
    nested_retain,
    nested_update,
    route_throttle,
    security_group_egress,
    stage_settings,
)
from e2e.gaps.gap import Gap

# Their `install` fills them inside MiniStack's process.
INSIDE = (
    cors_keys,
    stage_settings,
    security_group_egress,
    layer_by_arn,
    nested_retain,
    nested_update,
    instance,
    instance_calls,
    cache_access,
    metric_namespace,
    budget,
    budget_history,
)
# Another process fills them, or nothing does.
BESIDE = (model_server, metrics, route_throttle, access_log)
GAPS: tuple[Gap, ...] = tuple(module.GAP for module in (*INSIDE, *BESIDE))
