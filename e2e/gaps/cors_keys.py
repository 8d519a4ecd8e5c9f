"""MiniStack does not apply the CORS settings that CloudFormation gives an HTTP API."""

from typing import Any

from e2e.gaps.gap import Gap

GAP = Gap(
    name="cors-keys",
    lacks="CORS settings of an HTTP API made by CloudFormation are stored but never found",
    stand_in="the keys are rewritten as the service's own API writes them",
)


def install() -> None:
    """Wrap CloudFormation's create and update of an HTTP API inside a MiniStack process."""
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]
    create, update = handlers["create"], handlers["update"]

    def create_fixed(logical_id: str, props: dict[str, Any], stack: str) -> Any:
        return create(logical_id, _with_camel_case(props), stack)

    def update_fixed(
        physical_id: str,
        old: dict[str, Any],
        new: dict[str, Any],
        stack: str,
        logical_id: str | None = None,
    ) -> Any:
        return update(physical_id, _with_camel_case(old), _with_camel_case(new), stack, logical_id)

    provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"] = {
        **handlers,
        "create": create_fixed,
        "update": update_fixed,
    }


def _with_camel_case(props: dict[str, Any]) -> dict[str, Any]:
    cors = props.get("CorsConfiguration")
    if not cors:
        return props
    return {**props, "CorsConfiguration": {k[0].lower() + k[1:]: v for k, v in cors.items()}}
