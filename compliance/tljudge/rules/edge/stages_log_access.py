"""TL_EDGE_5: every stage writes an access log, with a destination and a format."""

from collections.abc import Iterator

from tljudge.engine.policy import Policy
from tljudge.engine.rule import Rule, Verdict, fail, unknown
from tljudge.resolve.deployment import Resource
from tljudge.resolve.values import NOVALUE, Text, Unknown, Value, why
from tljudge.resources.routes import APIS, api_of
from tljudge.resources.stages import DEPLOYMENT, HTTP_STAGE, REST_STAGE, stage_of, stages
from tljudge.resources.tags import emptiness


def check(resource: Resource, policy: Policy) -> Iterator[Verdict]:
    """Judge the access log of a stage, or report an API whose stages are not declared."""
    stage = stage_of(resource)
    if stage is None:
        if resource.type in APIS and not stages(resource.deployment, *api_of(resource)):
            message = "whether access is logged is unknown: the deployment declares no stage for it"
            yield unknown(message, resource.mark)
        return
    name = "AccessLogSetting"
    if resource.type not in (REST_STAGE, DEPLOYMENT):
        name = "AccessLogSettings"
    settings: Value = stage.get(name)
    mark = stage.mark_of(name)
    if isinstance(settings, Unknown | Text):
        yield unknown(f"whether access is logged is unknown: {why(settings)}", mark)
        return
    inner = settings if isinstance(settings, dict) else {}
    for key in ("DestinationArn", "Format"):
        state = emptiness(inner[key]) if inner.get(key, NOVALUE) is not NOVALUE else "empty"
        if state == "empty":
            yield fail(f"access is not logged: no {key}", mark)
        elif state != "full":
            yield unknown(f"whether access is logged is unknown: {key} may be empty", mark)


RULE = Rule(
    id="TL_EDGE_5",
    title="Every stage writes an access log",
    why="only an access log shows who called, when, and which requests were refused",
    fix="set AccessLogSettings with DestinationArn and Format; a REST stage: AccessLogSetting",
    source="https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html",
    types=(*APIS, HTTP_STAGE, REST_STAGE, DEPLOYMENT),
    check=check,
)
