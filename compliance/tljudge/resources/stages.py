"""Stages: declared, made by a deployment, or made by AWS; and the limits they set."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tljudge.decode.nodes import Map, Mark, made_map
from tljudge.resolve.deployment import Deployment, Resource
from tljudge.resolve.quantities import NotKnown, quantity
from tljudge.resolve.values import EMPTY, NOVALUE, Unknown, Value, from_json, why
from tljudge.resources.routes import api_of, is_quick, of_api, overrides

HTTP_STAGE, REST_STAGE = "AWS::ApiGatewayV2::Stage", "AWS::ApiGateway::Stage"
DEPLOYMENT = "AWS::ApiGateway::Deployment"
STAGES = (HTTP_STAGE, REST_STAGE, DEPLOYMENT)
HTTP_LIMITS = ("ThrottlingBurstLimit", "ThrottlingRateLimit")
PLAN_LIMITS = ("BurstLimit", "RateLimit")


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage; `body` has its settings under the names of its type, `owner` is what makes it."""

    owner: Resource
    name: Value
    body: Value | Resource
    mark: Mark

    def get(self, name: str) -> Value:
        """A setting, `NOVALUE` where it is not there."""
        if isinstance(self.body, Resource):
            return self.body.get(name)
        return self.body.get(name, NOVALUE) if isinstance(self.body, dict) else self.body

    def mark_of(self, name: str) -> Mark:
        """Where a setting stands."""
        if isinstance(self.body, Resource):
            return self.body.mark_of(name)
        return self.body.marks.get(name, self.mark) if isinstance(self.body, dict) else self.mark


def stage_of(resource: Resource) -> Stage | None:
    """The stage that one resource makes, if it makes one."""
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
    if is_quick(resource):
        body = next((one.get("Stage") for one in overrides(resource)), NOVALUE)
        mark = resource.mark_of("Target")
        return Stage(resource, "$default", EMPTY if body is NOVALUE else body, mark)
    return None


def stages(deployment: Deployment, key: str, api: Resource | None) -> list[Stage]:
    """Every stage of one API."""
    owners = [*of_api(deployment, key, *STAGES), *([api] if api is not None else [])]
    return [found for one in owners if (found := stage_of(one)) is not None]


def lacking(settings: Value, names: tuple[str, str]) -> Iterator[tuple[bool, str]]:
    """What keeps settings from being a limit: whether it surely does, and how."""
    if isinstance(settings, Unknown):
        yield False, why(settings)
        return
    inner = settings if isinstance(settings, dict) else {}
    for name in names:
        found = quantity(inner.get(name, NOVALUE))
        if inner.get(name, NOVALUE) is NOVALUE:
            yield True, f"no {name}"
        elif isinstance(found, NotKnown):
            yield False, f"{name}: {found.why}"
        elif found < 0:
            yield True, f"{name} {found:g} is no limit"


def route_settings(stage: Stage) -> Map[Value] | Unknown:
    """Route key to settings; a mapping, or JSON text."""
    found = stage.get("RouteSettings")
    if isinstance(found, str):
        try:
            found = from_json(json.loads(found), stage.mark_of("RouteSettings"))
        except (ValueError, RecursionError):
            found = Unknown("RouteSettings", "RouteSettings is text, and no JSON")
    if isinstance(found, dict | Unknown):
        return found
    return EMPTY if found is NOVALUE else Unknown("RouteSettings", "RouteSettings is no mapping")


def method_settings(stage: Stage) -> Sequence[Value]:
    """Settings by method, those of a whole stage description too; unknown ones as they are."""
    found = stage.get("MethodSettings")
    listed = found if isinstance(found, list) else [] if found is NOVALUE else [found]
    whole = {name: stage.get(name) for name in HTTP_LIMITS if stage.get(name) is not NOVALUE}
    if whole and not isinstance(stage.body, Resource):
        every = {"HttpMethod": "*", "ResourcePath": "/*", **whole}
        listed = [*listed, made_map(every, {})]
    return listed


def covers(setting: Map[Value], verb: str | None, path: str | None) -> bool | None:
    """Whether a setting is about a method; None where nobody can know.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-apigateway-stage-methodsetting.html
    """
    wanted_verb, wanted_path = setting.get("HttpMethod", "*"), setting.get("ResourcePath", "/*")
    if not isinstance(wanted_verb, str) or not isinstance(wanted_path, str):
        return None
    wanted_path = wanted_path.replace("~1", "/").replace("//", "/")
    for wanted, given in ((wanted_verb, verb), (wanted_path, path)):
        if wanted not in ("*", "/*"):
            if given is None:
                return None
            if wanted != given:
                return False
    return True


def siblings(resource: Resource) -> tuple[list[Stage], bool]:
    """The stages of the API that a route or method belongs to, and whether it is declared here."""
    key, api = api_of(resource)
    return stages(resource.deployment, key, api), api is not None
