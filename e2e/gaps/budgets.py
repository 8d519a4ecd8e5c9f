"""MiniStack has budgets, but no CloudFormation type for them."""

from typing import Any

from e2e.gaps.gap import Gap

GAP = Gap(
    name="budgets",
    lacks="the CloudFormation type AWS::Budgets::Budget",
    stand_in="the type makes and deletes budgets through the service's own calls",
)


def install() -> None:
    """Register the type in a MiniStack process."""
    from ministack.services.cloudformation import provisioners

    provisioners._RESOURCE_HANDLERS["AWS::Budgets::Budget"] = {
        "create": _create,
        "update": _update,
        "delete": _delete,
    }


def _create(logical_id: str, props: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
    name = props["Budget"].get("BudgetName") or f"{stack_name}-{logical_id}"
    request = {**props, "Budget": {**props["Budget"], "BudgetName": name}}
    _call("CreateBudget", request)
    return name, {}


def _update(
    physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, Any]]:
    _call("UpdateBudget", {"NewBudget": {**new["Budget"], "BudgetName": physical_id}})
    return physical_id, {}


def _delete(physical_id: str, props: dict[str, Any]) -> None:
    from ministack.services import budgets

    budgets._DISPATCH["DeleteBudget"]({"BudgetName": physical_id})


def _call(action: str, request: dict[str, Any]) -> None:
    """Raises ValueError with the service's refusal."""
    from ministack.services import budgets

    status, _, body = budgets._DISPATCH[action](request)
    if status != 200:
        raise ValueError(f"AWS::Budgets::Budget: {body.decode()}")
