"""MiniStack loses a stage's throttling settings when CloudFormation sets them."""

from typing import Any

from e2e.gaps.gap import Gap

GAP = Gap(
    name="stage-settings",
    lacks="route settings of a stage made by CloudFormation read back empty",
    stand_in="the keys are rewritten as the service's own API writes them",
)


def install() -> None:
    """Rewrite the stage properties before a MiniStack process stores them."""
    from ministack.services.cloudformation import provisioners

    stage_props = provisioners._apigw_v2_stage_props

    def stage_props_fixed(props: dict[str, Any]) -> dict[str, Any]:
        stage: dict[str, Any] = stage_props(props)
        stage["defaultRouteSettings"] = _camel_case(stage["defaultRouteSettings"])
        stage["routeSettings"] = {
            route: _camel_case(settings) for route, settings in stage["routeSettings"].items()
        }
        return stage

    provisioners._apigw_v2_stage_props = stage_props_fixed


def _camel_case(settings: dict[str, Any]) -> dict[str, Any]:
    return {k[0].lower() + k[1:]: _number(v) for k, v in (settings or {}).items()}


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdigit() else value
