"""MiniStack deletes resources that a nested stack must retain."""

from typing import Any

from e2e.gaps.gap import Gap

GAP = Gap(
    name="nested-retain",
    lacks="DeletionPolicy of resources in nested stacks: all of them are deleted",
    stand_in="a resource whose policy is to retain it stays, as on AWS, and verify finds it",
)


def install() -> None:
    """Keep retained resources when a MiniStack process deletes a nested stack."""
    from ministack.services.cloudformation import _stacks, provisioners

    delete = provisioners._delete_resource

    def deleted(
        resource_type: str,
        physical_id: str,
        props: dict[str, Any],
        stack_name: str | None = None,
        logical_id: str | None = None,
    ) -> None:
        stack = _stacks.get(stack_name or "") or {}
        resources = stack.get("_template", {}).get("Resources", {})
        policy = resources.get(logical_id, {}).get("DeletionPolicy")
        if policy not in provisioners._RETAINING_POLICIES:
            delete(resource_type, physical_id, props, stack_name, logical_id)

    provisioners._delete_resource = deleted
