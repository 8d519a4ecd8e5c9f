"""MiniStack's budgets have spent nothing, keep no history, and are authorized by other names.

A test posts to `PATH`, with `*` for every budget that is not named:
{"a name": {"actual": 12.3, "forecast": 19.0, "history": {"2026-11-24": 0.8}}}
It replaces all that was set before; a budget without figures has spent nothing, as a new one has.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbudgetservice.html
"""

import copy
import json
from datetime import UTC, datetime
from typing import Any

from e2e.gaps.gap import Gap

GAP = Gap(
    name="budget-history",
    lacks="spend and history of budgets, and the permission budgets:ViewBudget",
    stand_in="a test sets the figures; IAM decides on ViewBudget and the budget's ARN",
)
PATH = "/_gaps/budgets"
_VIEWS = frozenset({"DescribeBudget", "DescribeBudgets", "DescribeBudgetPerformanceHistory"})
_DAY_S = 86_400

_figures: dict[str, dict[str, Any]] = {}


def install() -> None:
    """Add path, history and permission to a MiniStack process."""
    from ministack import app as ministack_app
    from ministack.core import iam_actions
    from ministack.services import budgets

    describe, describe_all = (budgets._DISPATCH[a] for a in ("DescribeBudget", "DescribeBudgets"))
    budgets._DISPATCH["DescribeBudget"] = lambda data: _with_spend(describe(data))
    budgets._DISPATCH["DescribeBudgets"] = lambda data: _with_spend(describe_all(data))
    budgets._DISPATCH["DescribeBudgetPerformanceHistory"] = _history
    action_of, resource_of = iam_actions.extract_iam_action, iam_actions.extract_resource_arn
    inner = ministack_app.app

    def action(*request: Any) -> Any:
        return "budgets:ViewBudget" if _view(*request[:5]) else action_of(*request)

    def resource(*request: Any) -> Any:
        asked = _view(*request[:5])
        if not asked:
            return resource_of(*request)
        return f"arn:aws:budgets::{request[7]}:budget/{asked.get('BudgetName', '*')}"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await inner(scope, receive, send)
            return
        _figures.clear()
        _figures.update(json.loads((await receive())["body"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    iam_actions.extract_iam_action = action
    iam_actions.extract_resource_arn = resource
    ministack_app.app = app


def _view(service: str, method: str, path: str, headers: Any, body: bytes) -> dict[str, Any]:
    """The body of a request that views budgets; empty when it is another request."""
    target = str(headers.get("x-amz-target") or headers.get("X-Amz-Target") or "")
    if service != "budgets" or target.rpartition(".")[2] not in _VIEWS:
        return {}
    asked: dict[str, Any] = json.loads(body)
    return asked


def _figures_of(name: str) -> dict[str, Any]:
    return _figures.get(name, _figures.get("*", {}))


def _usd(amount: float) -> dict[str, str]:
    return {"Amount": str(amount), "Unit": "USD"}


def _with_spend(answer: Any) -> Any:
    """The service's answer, with the spend that a test has set."""
    status, headers, body = answer
    document = json.loads(body)
    for budget in [document.get("Budget"), *document.get("Budgets", [])]:
        if not budget:
            continue
        figures = _figures_of(budget["BudgetName"])
        spend = copy.deepcopy(budget.get("CalculatedSpend", {}))
        for key, name in (("actual", "ActualSpend"), ("forecast", "ForecastedSpend")):
            if key in figures:
                spend[name] = _usd(figures[key])
        budget["CalculatedSpend"] = spend
    return status, headers, json.dumps(document).encode()


def _history(data: dict[str, Any]) -> Any:
    from ministack.services import budgets

    name = data.get("BudgetName", "")
    budget = budgets._budgets.get(name)
    if budget is None:
        return budgets._err_notfound(f"Unable to get budget: {name} - the budget doesn't exist.")
    rows = []
    for day, amount in sorted(_figures_of(name).get("history", {}).items()):
        start = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
        rows.append(
            {
                "TimePeriod": {"Start": start, "End": start + _DAY_S},
                "BudgetedAmount": budget.get("BudgetLimit"),
                "ActualAmount": _usd(amount),
            }
        )
    found = {
        "BudgetName": name,
        "BudgetType": budget["BudgetType"],
        "TimeUnit": budget["TimeUnit"],
        "BudgetedAndActualAmountsList": rows,
    }
    return budgets._json(200, {"BudgetPerformanceHistory": found})
