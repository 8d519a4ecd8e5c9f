"""Every gap of MiniStack, in the order in which they are filled and reported.

Imported by both sides, so the modules named here need nothing but the standard library to load.
"""

from e2e.gaps import (
    access_log,
    cache_access,
    cors_keys,
    instance,
    layer_by_arn,
    metrics,
    model_server,
    nested_retain,
    nested_update,
    route_throttle,
    security_group_egress,
    stage_settings,
)
from e2e.gaps.gap import Gap

# Filled from inside MiniStack's process; each has an `install`.
INSIDE = (
    cors_keys,
    stage_settings,
    security_group_egress,
    layer_by_arn,
    nested_retain,
    nested_update,
    instance,
    cache_access,
)
# Filled beside it, or by nothing.
BESIDE = (model_server, metrics, route_throttle, access_log)
GAPS: tuple[Gap, ...] = tuple(module.GAP for module in (*INSIDE, *BESIDE))
