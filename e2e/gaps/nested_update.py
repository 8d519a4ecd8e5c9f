"""MiniStack loses the attributes of unchanged resources when it updates a nested stack."""

from typing import Any

from e2e.gaps.gap import Gap

GAP = Gap(
    name="nested-update",
    lacks="attributes (Fn::GetAtt) of unchanged resources while a nested stack is updated",
    stand_in="each resource's attributes are remembered from when it was made or changed",
)


def install() -> None:
    """Return the remembered attributes of unchanged resources, inside a MiniStack process."""
    from ministack.services.cloudformation import provisioners

    provision, update = provisioners._provision_resource, provisioners._update_resource
    remembered: dict[tuple[str, str], dict[str, Any]] = {}

    def provisioned(resource_type: str, *rest: Any, **named: Any) -> Any:
        physical_id, attributes = provision(resource_type, *rest, **named)
        remembered[resource_type, physical_id] = attributes
        return physical_id, attributes

    def updated(resource_type: str, physical_id: str, *rest: Any, **named: Any) -> Any:
        new_id, attributes = update(resource_type, physical_id, *rest, **named)
        attributes = attributes or remembered.get((resource_type, new_id), {})
        remembered[resource_type, new_id] = attributes
        return new_id, attributes

    provisioners._provision_resource = provisioned
    provisioners._update_resource = updated
