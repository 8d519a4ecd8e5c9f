"""Ways to break a template on purpose: one family a file, each operator with the rules that should
notice."""

from tljudge.mutation import (
    actions,
    conditions,
    costs,
    edge,
    egress,
    grants,
    logs,
    nested,
    tags,
    trust,
)
from tljudge.mutation import (
    foreach as loops,
)
from tljudge.mutation import (
    launch_tags as launches,
)
from tljudge.mutation import (
    resource_policies as openings,
)
from tljudge.mutation import (
    resource_scopes as targets,
)
from tljudge.mutation.operator import Operator

ALL: tuple[Operator, ...] = (
    *actions.OPERATORS,
    *targets.OPERATORS,
    *grants.OPERATORS,
    *conditions.OPERATORS,
    *trust.OPERATORS,
    *openings.OPERATORS,
    *egress.OPERATORS,
    *logs.OPERATORS,
    *tags.OPERATORS,
    *launches.OPERATORS,
    *nested.OPERATORS,
    *loops.OPERATORS,
    *costs.OPERATORS,
    *edge.OPERATORS,
)
