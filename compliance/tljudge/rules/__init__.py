"""The rules: each file holds one rule and is named after what must hold."""

from tljudge.engine.rule import Rule
from tljudge.rules.cost import (
    ceilings_hold,
    hours_are_on_demand,
    nothing_billed_survives,
    survivors_are_declared,
)
from tljudge.rules.edge import (
    authorizers_name_an_audience,
    cors_names_origins,
    routes_have_a_throttle,
    routes_have_an_authorizer,
    stages_log_access,
)
from tljudge.rules.egress import default_group_is_unused, egress_stays_private
from tljudge.rules.iam import (
    actions_are_named,
    allow_says_what_it_allows,
    managed_policies_are_narrow,
    principals_are_named,
    resources_are_named,
    role_passing_is_bound,
    trust_is_bounded,
)
from tljudge.rules.logs import (
    functions_create_no_group,
    groups_expire,
    groups_vanish_with_the_stack,
    writers_have_a_group,
)
from tljudge.rules.tags import costs_have_an_owner, launches_pass_tags_on, tags_are_well_formed

ALL: tuple[Rule, ...] = (
    actions_are_named.RULE,
    allow_says_what_it_allows.RULE,
    resources_are_named.RULE,
    role_passing_is_bound.RULE,
    managed_policies_are_narrow.RULE,
    trust_is_bounded.RULE,
    principals_are_named.RULE,
    egress_stays_private.RULE,
    default_group_is_unused.RULE,
    groups_expire.RULE,
    writers_have_a_group.RULE,
    functions_create_no_group.RULE,
    groups_vanish_with_the_stack.RULE,
    costs_have_an_owner.RULE,
    tags_are_well_formed.RULE,
    launches_pass_tags_on.RULE,
    routes_have_an_authorizer.RULE,
    authorizers_name_an_audience.RULE,
    routes_have_a_throttle.RULE,
    cors_names_origins.RULE,
    stages_log_access.RULE,
    ceilings_hold.RULE,
    hours_are_on_demand.RULE,
    nothing_billed_survives.RULE,
    survivors_are_declared.RULE,
)
