"""Ways to break a template on purpose: one family a file, each operator with the rules that should
notice."""

from compliance.mutants import (
    actions,
    conditions,
    costs,
    edge,
    egress,
    grants,
    launches,
    logs,
    loops,
    nested,
    openings,
    tags,
    targets,
    trust,
)
from compliance.mutants.operator import Operator

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
