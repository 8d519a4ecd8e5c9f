"""TL_EDGE_3: every route has its own throttle, besides the default of its stage."""

from collections.abc import Iterator

from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Deployment, Resource
from tljudge.resolve.values import EMPTY, NOVALUE, Unknown, Value, key_of, why
from tljudge.resources.routes import APIS, METHOD, ROUTE, Endpoint, api_key, api_of, endpoints
from tljudge.resources.stages import (
    DEPLOYMENT,
    HTTP_LIMITS,
    HTTP_STAGE,
    PLAN_LIMITS,
    REST_STAGE,
    Stage,
    covers,
    method_settings,
    missing_limits,
    route_settings,
    stage_of,
    stages_of_api,
)


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the default throttle of a stage, or the routes of a resource in every stage of the API.

    A stage that throttles no route is a single finding; else each route without throttle is one.
    """
    created = stage_of(resource)
    if created is not None:
        yield from _stage(created)
    if resource.type not in (ROUTE, METHOD, *APIS):
        return
    stages_of_route, is_declared = stages_of_api(resource)
    routes = list(endpoints(resource))
    if not stages_of_route:
        # For a declared API, the finding on the API itself is enough.
        if resource.type in APIS or not is_declared:
            yield unknown(
                "its throttle is unknown: the deployment declares no stage for it", resource.mark
            )
        return
    for endpoint in routes:
        for stage in stages_of_route:
            yield from _route_in_stage(resource.deployment, api_of(resource)[0], endpoint, stage)


def _is_http(stage: Stage) -> bool:
    return stage.owner.type not in (REST_STAGE, DEPLOYMENT)


def _stage(stage: Stage) -> Iterator[Verdict]:
    if _is_http(stage) and not isinstance(stage.body, Unknown):
        mark = stage.mark_of("DefaultRouteSettings")
        for is_certain, reason in missing_limits(stage.get("DefaultRouteSettings"), HTTP_LIMITS):
            message = f"its default has no throttle: {reason}"
            yield fail(message, mark) if is_certain else unknown(message, mark)
    whole = _as_a_whole(stage)
    if whole is not None:
        yield whole


def _as_a_whole(stage: Stage) -> Verdict | None:
    """The verdict on a stage as a whole: it throttles no route, or is unknown; else None."""
    if isinstance(stage.body, Unknown):
        return unknown(f"its throttle is unknown: {why(stage.body)}", stage.mark)
    bare = fail("no route has a throttle of its own", stage.mark)
    if _is_http(stage):
        settings = route_settings(stage)
        if isinstance(settings, Unknown):
            message = f"which routes it throttles is unknown: {why(settings)}"
            return unknown(message, stage.mark_of("RouteSettings"))
        return None if settings else bare
    listed = method_settings(stage)
    if any(covers(s, None, None) and not [*missing_limits(s, HTTP_LIMITS)] for s in listed
           if isinstance(s, dict)):  # fmt: skip
        return None
    unclear = next((s for s in listed if not isinstance(s, dict)), None)
    if unclear is not None:
        reason = why(unclear) if isinstance(unclear, Unknown) else "MethodSettings is not a list"
        message = f"which methods it throttles is unknown: {reason}"
        return unknown(message, stage.mark_of("MethodSettings"))
    limits = any(isinstance(s, dict) and s.keys() & set(HTTP_LIMITS) for s in listed)
    plans = _plans(stage.owner.deployment, api_of(stage.owner)[0], stage)
    return None if limits or plans else bare


def _route_in_stage(
    deployment: Deployment, key: str, endpoint: Endpoint, stage: Stage
) -> Iterator[Verdict]:
    if _as_a_whole(stage) is not None:
        return  # the stage has a finding
    is_http = _is_http(stage)
    problems = (
        _by_route(endpoint, stage) if is_http else _by_method(deployment, key, endpoint, stage)
    )
    for is_certain, reason in problems:
        message = f"{endpoint.name} has no throttle in {stage.owner.id}: {reason}"
        yield fail(message, endpoint.mark) if is_certain else unknown(message, endpoint.mark)


def _by_route(endpoint: Endpoint, stage: Stage) -> list[tuple[bool, str]]:
    settings = route_settings(stage)
    if isinstance(settings, Unknown):
        return []  # the stage has a finding
    if endpoint.key is None:
        return [(False, "its route key is unknown")]
    if endpoint.key not in settings:
        return [(True, f"RouteSettings has no {endpoint.key}")]
    return list(missing_limits(settings[endpoint.key], HTTP_LIMITS))


def _by_method(
    deployment: Deployment, key: str, endpoint: Endpoint, stage: Stage
) -> list[tuple[bool, str]]:
    verb, path = endpoint.key.split(" ", 1) if endpoint.key else (None, None)
    problems_by_setting: list[list[tuple[bool, str]]] = []
    for setting in method_settings(stage):
        if not isinstance(setting, dict):
            continue  # the stage has a finding
        is_about = covers(setting, verb, path)
        if is_about is None:
            problems_by_setting.append([(False, "to which method a setting applies is unknown")])
        elif is_about:
            problems_by_setting.append(list(missing_limits(setting, HTTP_LIMITS)))
    for limits in _plans(deployment, key, stage):
        if endpoint.needs_key is None:
            problems_by_setting.append([(False, "whether it needs an API key is unknown")])
        elif endpoint.needs_key:
            problems_by_setting.append(list(missing_limits(limits, PLAN_LIMITS)))
    if any(not problems for problems in problems_by_setting):
        return []
    unclear = [
        problem for problems in problems_by_setting for problem in problems if not problem[0]
    ]
    if unclear:
        return unclear[:1]
    return (
        problems_by_setting[0][:1]
        if problems_by_setting
        else [(True, "no MethodSettings apply to it")]
    )


def _plans(deployment: Deployment, key: str, stage: Stage) -> list[Value]:
    """The throttles of the usage plans of a stage."""
    throttles: list[Value] = []
    for plan in deployment.of_type("AWS::ApiGateway::UsagePlan"):
        listed = plan.get("ApiStages")
        for entry in listed if isinstance(listed, list) else ():
            if isinstance(entry, dict) and api_key(entry.get("ApiId", "")) == key:
                named = entry.get("Stage", "")
                itself = isinstance(named, Unknown) and deployment.at(named.origin) is stage.owner
                if itself or key_of(named) == key_of(stage.name):
                    limits = plan.get("Throttle")
                    throttles.append(EMPTY if limits is NOVALUE else limits)
    return throttles


RULE = Rule(
    id="TL_EDGE_3",
    title="Every route has a throttle of its own",
    why="one looping client exhausts the account's limit; importing routes resets a default",
    fix="name each route in RouteSettings, or each method in MethodSettings, with burst and rate",
    source="https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html",
    types=(ROUTE, METHOD, *APIS, HTTP_STAGE, REST_STAGE, DEPLOYMENT),
    check=check,
)
