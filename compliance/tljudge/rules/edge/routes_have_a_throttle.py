"""TL_EDGE_3: every route has a limit of its own, beside its stage's default."""

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
    lacking,
    method_settings,
    route_settings,
    siblings,
    stage_of,
)


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge a stage's own limits, or the routes that a resource makes in every stage of their API.

    A stage without any limit is one finding; a route that it leaves out is another.
    """
    made = stage_of(resource)
    if made is not None:
        yield from _stage(made)
    if resource.type not in (ROUTE, METHOD, *APIS):
        return
    found, is_declared = siblings(resource)
    ways_in = list(endpoints(resource))
    if not found:
        # Of an API that is declared here, it is said once.
        if resource.type in APIS or not is_declared:
            yield unknown("how it is throttled is not known: no stage of it is here", resource.mark)
        return
    for endpoint in ways_in:
        for stage in found:
            yield from _door(resource.deployment, api_of(resource)[0], endpoint, stage)


def _is_http(stage: Stage) -> bool:
    return stage.owner.type not in (REST_STAGE, DEPLOYMENT)


def _stage(stage: Stage) -> Iterator[Verdict]:
    if _is_http(stage) and not isinstance(stage.body, Unknown):
        mark = stage.mark_of("DefaultRouteSettings")
        for sure, what in lacking(stage.get("DefaultRouteSettings"), HTTP_LIMITS):
            message = f"its default is no throttle: {what}"
            yield fail(message, mark) if sure else unknown(message, mark)
    whole = _as_a_whole(stage)
    if whole is not None:
        yield whole


def _as_a_whole(stage: Stage) -> Verdict | None:
    """What is said once, of the stage, instead of each route: it limits none, or nobody knows."""
    if isinstance(stage.body, Unknown):
        return unknown(f"how it is throttled is not known: {why(stage.body)}", stage.mark)
    bare = fail("no route has a throttle of its own", stage.mark)
    if _is_http(stage):
        settings = route_settings(stage)
        if isinstance(settings, Unknown):
            message = f"which routes it throttles is not known: {why(settings)}"
            return unknown(message, stage.mark_of("RouteSettings"))
        return None if settings else bare
    listed = method_settings(stage)
    if any(covers(one, None, None) and not [*lacking(one, HTTP_LIMITS)] for one in listed
           if isinstance(one, dict)):  # fmt: skip
        return None
    unclear = next((one for one in listed if not isinstance(one, dict)), None)
    if unclear is not None:
        reason = why(unclear) if isinstance(unclear, Unknown) else "MethodSettings is no list"
        message = f"which methods it throttles is not known: {reason}"
        return unknown(message, stage.mark_of("MethodSettings"))
    limits = any(isinstance(one, dict) and one.keys() & set(HTTP_LIMITS) for one in listed)
    plans = _plans(stage.owner.deployment, api_of(stage.owner)[0], stage)
    return None if limits or plans else bare


def _door(deployment: Deployment, key: str, endpoint: Endpoint, stage: Stage) -> Iterator[Verdict]:
    if _as_a_whole(stage) is not None:
        return  # said of the stage
    is_http = _is_http(stage)
    problems = (
        _by_route(endpoint, stage) if is_http else _by_method(deployment, key, endpoint, stage)
    )
    for sure, what in problems:
        message = f"{endpoint.name} has no throttle in {stage.owner.id}: {what}"
        yield fail(message, endpoint.mark) if sure else unknown(message, endpoint.mark)


def _by_route(endpoint: Endpoint, stage: Stage) -> list[tuple[bool, str]]:
    settings = route_settings(stage)
    if isinstance(settings, Unknown):
        return []  # said of the stage
    if endpoint.key is None:
        return [(False, "which route it is is not known")]
    if endpoint.key not in settings:
        return [(True, f"RouteSettings has no {endpoint.key}")]
    return list(lacking(settings[endpoint.key], HTTP_LIMITS))


def _by_method(
    deployment: Deployment, key: str, endpoint: Endpoint, stage: Stage
) -> list[tuple[bool, str]]:
    verb, path = endpoint.key.split(" ", 1) if endpoint.key else (None, None)
    found: list[list[tuple[bool, str]]] = []
    for one in method_settings(stage):
        if not isinstance(one, dict):
            continue  # said of the stage
        is_about = covers(one, verb, path)
        if is_about is None:
            found.append([(False, "which method a setting is about is not known")])
        elif is_about:
            found.append(list(lacking(one, HTTP_LIMITS)))
    for limits in _plans(deployment, key, stage):
        if endpoint.needs_key is None:
            found.append([(False, "whether it needs a key of a usage plan is not known")])
        elif endpoint.needs_key:
            found.append(list(lacking(limits, PLAN_LIMITS)))
    if any(not problems for problems in found):
        return []
    unclear = [problem for problems in found for problem in problems if not problem[0]]
    if unclear:
        return unclear[:1]
    return found[0][:1] if found else [(True, "no MethodSettings are about it")]


def _plans(deployment: Deployment, key: str, stage: Stage) -> list[Value]:
    """The limits of the usage plans that a stage is part of."""
    found: list[Value] = []
    for plan in deployment.of_type("AWS::ApiGateway::UsagePlan"):
        listed = plan.get("ApiStages")
        for one in listed if isinstance(listed, list) else ():
            if isinstance(one, dict) and api_key(one.get("ApiId", "")) == key:
                named = one.get("Stage", "")
                itself = isinstance(named, Unknown) and deployment.at(named.origin) is stage.owner
                if itself or key_of(named) == key_of(stage.name):
                    limits = plan.get("Throttle")
                    found.append(EMPTY if limits is NOVALUE else limits)
    return found


RULE = Rule(
    id="TL_EDGE_3",
    title="Every route has a throttle of its own",
    why="one client that loops uses up the account's limit; importing routes nulls a default",
    fix="name each route in RouteSettings, or each method in MethodSettings, with burst and rate",
    source="https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html",
    types=(ROUTE, METHOD, *APIS, HTTP_STAGE, REST_STAGE, DEPLOYMENT),
    check=check,
)
