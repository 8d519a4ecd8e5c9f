"""Mutation operators: each breaks a template in one way and names the rules that must notice.

One file holds one family of operators; `ALL` lists every operator in the order of the report.
"""

from tljudge.mutation import (
    actions,
    conditions,
    costs,
    edge,
    egress,
    foreach,
    grants,
    launch_tags,
    logs,
    nested,
    resource_policies,
    resource_scopes,
    tags,
    trust,
)
from tljudge.mutation.operator import Operator

ALL: tuple[Operator, ...] = (
    *actions.OPERATORS,
    *resource_scopes.OPERATORS,
    *grants.OPERATORS,
    *conditions.OPERATORS,
    *trust.OPERATORS,
    *resource_policies.OPERATORS,
    *egress.OPERATORS,
    *logs.OPERATORS,
    *tags.OPERATORS,
    *launch_tags.OPERATORS,
    *nested.OPERATORS,
    *foreach.OPERATORS,
    *costs.OPERATORS,
    *edge.OPERATORS,
)
