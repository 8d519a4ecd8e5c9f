"""Stages of APIs: declared, created by a deployment or by AWS; and the throttles they set."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tljudge.decode.nodes import Map, Mark, new_map
from tljudge.resolve.deployment import Deployment, Resource
from tljudge.resolve.quantities import UnknownQuantity, quantity
from tljudge.resolve.values import EMPTY, NOVALUE, Unknown, Value, from_json, why
from tljudge.resources.routes import api_of, has_target, of_api, overrides

HTTP_STAGE, REST_STAGE = "AWS::ApiGatewayV2::Stage", "AWS::ApiGateway::Stage"
DEPLOYMENT = "AWS::ApiGateway::Deployment"
STAGES = (HTTP_STAGE, REST_STAGE, DEPLOYMENT)
HTTP_LIMITS = ("ThrottlingBurstLimit", "ThrottlingRateLimit")
PLAN_LIMITS = ("BurstLimit", "RateLimit")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of an API.

    Attributes:
        owner: the resource that creates it: a stage, a deployment, or an API with a Target.
        name: its name.
        body: its settings, under the names of the owner's type.
        mark: its place.
    """

    owner: Resource
    name: Value
    body: Value | Resource
    mark: Mark

    def get(self, name: str) -> Value:
        """The value of a setting; `NOVALUE` if it is absent."""
        if isinstance(self.body, Resource):
            return self.body.get(name)
        return self.body.get(name, NOVALUE) if isinstance(self.body, dict) else self.body

    def mark_of(self, name: str) -> Mark:
        """The place of a setting; of the stage if it is absent."""
        if isinstance(self.body, Resource):
            return self.body.mark_of(name)
        return self.body.marks.get(name, self.mark) if isinstance(self.body, dict) else self.mark


def stage_of(resource: Resource) -> Stage | None:
    """The stage that a resource creates; None if it creates none."""
    if resource.type in (HTTP_STAGE, REST_STAGE):
        return Stage(resource, resource.get("StageName"), resource, resource.mark)
    if resource.type == DEPLOYMENT and resource.get("StageName") is not NOVALUE:
        body = resource.get("StageDescription")
        return Stage(
            resource,
            resource.get("StageName"),
            EMPTY if body is NOVALUE else body,
            resource.mark_of("StageDescription"),
        )
    if has_target(resource):
        body = next((override.get("Stage") for override in overrides(resource)), NOVALUE)
        mark = resource.mark_of("Target")
        return Stage(resource, "$default", EMPTY if body is NOVALUE else body, mark)
    return None


def stages(deployment: Deployment, key: str, api: Resource | None) -> list[Stage]:
    """Every stage of an API, given by its key and, if declared, its resource."""
    owners = [*of_api(deployment, key, *STAGES), *([api] if api is not None else [])]
    return [stage for owner in owners if (stage := stage_of(owner)) is not None]


def missing_limits(settings: Value, names: tuple[str, str]) -> Iterator[tuple[bool, str]]:
    """Yield each throttle limit that settings lack: whether it is certain, and the reason."""
    if isinstance(settings, Unknown):
        yield False, why(settings)
        return
    inner = settings if isinstance(settings, dict) else {}
    for name in names:
        limit = quantity(inner.get(name, NOVALUE))
        if inner.get(name, NOVALUE) is NOVALUE:
            yield True, f"no {name}"
        elif isinstance(limit, UnknownQuantity):
            yield False, f"{name}: {limit.why}"
        elif limit < 0:
            yield True, f"{name} {limit:g} means no limit"


def route_settings(stage: Stage) -> Map[Value] | Unknown:
    """The settings of a stage by route key, from a mapping or JSON text."""
    settings = stage.get("RouteSettings")
    if isinstance(settings, str):
        try:
            settings = from_json(json.loads(settings), stage.mark_of("RouteSettings"))
        except (ValueError, RecursionError):
            settings = Unknown("RouteSettings", "RouteSettings is text, but not JSON")
    if isinstance(settings, dict | Unknown):
        return settings
    return (
        EMPTY if settings is NOVALUE else Unknown("RouteSettings", "RouteSettings is not a mapping")
    )


def method_settings(stage: Stage) -> Sequence[Value]:
    """The settings for methods, also the stage-wide ones of a StageDescription; some `Unknown`."""
    declared = stage.get("MethodSettings")
    settings = declared if isinstance(declared, list) else [] if declared is NOVALUE else [declared]
    whole = {name: stage.get(name) for name in HTTP_LIMITS if stage.get(name) is not NOVALUE}
    if whole and not isinstance(stage.body, Resource):
        every = {"HttpMethod": "*", "ResourcePath": "/*", **whole}
        settings = [*settings, new_map(every, {})]
    return settings


def covers(setting: Map[Value], verb: str | None, path: str | None) -> bool | None:
    """Whether a method setting applies to a method; None if an unknown part leaves it open.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-apigateway-stage-methodsetting.html
    """
    wanted_verb, wanted_path = setting.get("HttpMethod", "*"), setting.get("ResourcePath", "/*")
    if not isinstance(wanted_verb, str) or not isinstance(wanted_path, str):
        return None
    wanted_path = wanted_path.replace("~1", "/").replace("//", "/")
    for expected, actual in ((wanted_verb, verb), (wanted_path, path)):
        if expected not in ("*", "/*"):
            if actual is None:
                return None
            if expected != actual:
                return False
    return True


def stages_of_api(resource: Resource) -> tuple[list[Stage], bool]:
    """The stages of a route's or method's API, and whether the deployment declares the API."""
    key, api = api_of(resource)
    return stages(resource.deployment, key, api), api is not None
