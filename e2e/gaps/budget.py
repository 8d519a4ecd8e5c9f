"""MiniStack's Budgets spend nothing, notify nobody, and have no CloudFormation type.

A test posts `{"budget": NAME, "usd": 21.4}` to `PATH`: that is then what the budget says was spent,
and each notification whose threshold it passes is published once, as AWS does once a period.
https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-best-practices.html
"""

import asyncio
import json
import uuid
from typing import Any

from e2e.gaps.gap import Gap

GAP = Gap(
    name="budget",
    lacks="AWS::Budgets::Budget, and the notifications of a budget",
    stand_in="the type makes MiniStack's own budget; a test sets its spend, and SNS is told once",
)
PATH = "/_gaps/budget"
_ALARM, _STATE = "ALARM", "NotificationState"


def install() -> None:
    """Register the type and `PATH` in a MiniStack process."""
    from ministack import app as ministack_app
    from ministack.services.cloudformation import provisioners

    provisioners._RESOURCE_HANDLERS["AWS::Budgets::Budget"] = {
        "create": _create,
        "update": _update,
        "delete": _delete,
    }
    inner = ministack_app.app

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await inner(scope, receive, send)
            return
        asked = json.loads((await receive())["body"])
        # In a thread: the function that SNS calls asks this process in turn.
        await asyncio.to_thread(_spend, asked["budget"], float(asked["usd"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    ministack_app.app = app


def _create(logical_id: str, props: dict[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
    from ministack.services import budgets

    budget = dict(props["Budget"])
    # As CloudFormation does without a name.
    name = budget.setdefault("BudgetName", f"{stack}-{logical_id}-{uuid.uuid4().hex[:12]}")
    told = props.get("NotificationsWithSubscribers") or []
    for entry in told:
        entry["Notification"]["Threshold"] = float(entry["Notification"]["Threshold"])
    status, _, body = budgets._create_budget(
        {"Budget": budget, "NotificationsWithSubscribers": told}
    )
    if status != 200:
        raise ValueError(f"{logical_id}: {body.decode()}")
    return name, {}


def _update(
    physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str
) -> tuple[str, dict[str, Any]]:
    _delete(physical_id, old)
    return _create(physical_id.split("-")[-2], new, stack)


def _delete(physical_id: str, props: dict[str, Any]) -> None:
    from ministack.services import budgets

    budgets._delete_budget({"BudgetName": physical_id})


def _spend(name: str, usd: float) -> None:
    """Set what was spent, and publish the notifications that this is the first to pass."""
    from ministack.core.responses import get_account_id
    from ministack.services import budgets, sns

    budget = budgets._budgets[name]
    budget["CalculatedSpend"] = {"ActualSpend": {"Amount": str(usd), "Unit": "USD"}}
    limit = float(budget["BudgetLimit"]["Amount"])
    for entry in budgets._notification_store[name]:
        notification = entry["notification"]
        passed = usd > limit * notification["Threshold"] / 100
        if not passed or notification[_STATE] == _ALARM:
            continue
        notification[_STATE] = _ALARM
        for subscriber in entry["subscribers"]:
            own = (f"arn:aws:budgets::{get_account_id()}:budget/{name}", get_account_id())
            topic = subscriber["Address"]
            if sns.topic_policy_allows(topic, "budgets.amazonaws.com", *own):
                text = f"AWS Budget Notification: {name} is at {usd} of {limit} USD"
                sns.publish_internal(topic, text, "AWS Budgets")
