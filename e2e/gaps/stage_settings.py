"""MiniStack loses a stage's throttling settings, and takes those of a route that does not exist.

API Gateway merges new route settings into the old ones, so a key stays until its route settings are
deleted, and refuses a key whose route is gone: "Unable to find Route by key".
https://github.com/aws/serverless-application-model/issues/1939
"""

from collections.abc import Iterable
from typing import Any

from e2e.gaps.gap import Gap

GAP = Gap(
    name="stage-settings",
    lacks="route settings made by CloudFormation read back empty; a key without a route is taken",
    stand_in="keys as the service's own API writes them; settings are merged, a lost route refused",
)


def install() -> None:
    """Store settings as the service does, and merge and check them, inside a MiniStack process."""
    from ministack.services import apigateway
    from ministack.services.cloudformation import provisioners

    stage_props = provisioners._apigw_v2_stage_props
    update_stage, create_stage = apigateway._update_stage, provisioners._apigw_v2_stage_create

    def stage_props_fixed(props: dict[str, Any]) -> dict[str, Any]:
        stage: dict[str, Any] = stage_props(props)
        stage["defaultRouteSettings"] = _camel_case(stage["defaultRouteSettings"])
        stage["routeSettings"] = {
            route: _camel_case(settings) for route, settings in stage["routeSettings"].items()
        }
        return stage

    def refusal(api_id: str, keys: Iterable[str]) -> str | None:
        routes = {route["routeKey"] for route in apigateway._routes.get(api_id, {}).values()}
        lost = sorted(set(keys) - routes)
        if not lost:
            return None
        return f"Unable to find Route by key {lost[0]} within the provided RouteSettings"

    def create_checked(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        why = refusal(props.get("ApiId", ""), props.get("RouteSettings") or {})
        if why is not None:
            raise ValueError(f"AWS::ApiGatewayV2::Stage create failed: {why}")
        return create_stage(logical_id, props, stack_name)

    def update_merged(api_id: str, stage_name: str, data: dict[str, Any]) -> Any:
        stage = apigateway._stages.get(api_id, {}).get(stage_name, {})
        merged = {**stage.get("routeSettings", {}), **(data.get("routeSettings") or {})}
        why = refusal(api_id, merged)
        if why is not None:
            return apigateway._apigw_error("NotFoundException", why, 404)
        return update_stage(api_id, stage_name, {**data, "routeSettings": merged})

    provisioners._apigw_v2_stage_props = stage_props_fixed
    provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Stage"]["create"] = create_checked
    provisioners._apigw_v2_stage_create = create_checked
    apigateway._update_stage = update_merged


def _camel_case(settings: dict[str, Any]) -> dict[str, Any]:
    return {k[0].lower() + k[1:]: _number(v) for k, v in (settings or {}).items()}


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdigit() else value
