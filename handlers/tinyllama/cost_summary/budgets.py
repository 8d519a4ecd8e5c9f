"""Figures of AWS Budgets, which cost nothing to ask for; Cost Explorer bills each request.

A look that fails gives no figure and its reason: one missing budget does not keep the mail back.
https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_Operations_AWS_Budgets.html
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

from tinyllama.cost_summary.figures import Absent, Figure
from tinyllama.utils.observability import logs

HOME_REGION: Final = "us-east-1"
"""AWS Budgets has one endpoint, whose requests are signed for this region.
https://docs.aws.amazon.com/general/latest/gr/billing.html"""
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 1.0, 3.0
_REASONS: Final = {
    "AccessDeniedException": Absent.DENIED,
    "NotFoundException": Absent.MISSING,
}

T = TypeVar("T")


def client() -> Any:
    """Make a client that gives up after 4 s, because the mail asks up to nine times."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"total_max_attempts": 1},
    )
    return boto3.client("budgets", region_name=HOME_REGION, config=config)


@dataclass(frozen=True, slots=True)
class Budgets:
    """The budgets of an account."""

    client: Any
    account_id: str

    def spend(self, budget: str) -> tuple[Figure, Figure]:
        """What the budget's current period has cost so far, and AWS's forecast of all of it.

        The forecast needs weeks of data. Neither says which period it is of: in the first hours of
        a period both may still be those of the last one.
        """

        def ask() -> tuple[Figure, Figure]:
            answer = self.client.describe_budget(AccountId=self.account_id, BudgetName=budget)
            spend = answer["Budget"].get("CalculatedSpend", {})
            return _figure(spend.get("ActualSpend")), _figure(spend.get("ForecastedSpend"))

        return _asked(budget, ask, lambda why: (why, why))

    def period(self, budget: str, start: date) -> Figure:
        """What the period that began on this UTC day has cost, from the budget's history."""

        def ask() -> Figure:
            page: Mapping[str, str] = {}
            while True:
                answer = self.client.describe_budget_performance_history(
                    AccountId=self.account_id, BudgetName=budget, **page
                )
                history = answer["BudgetPerformanceHistory"]
                for entry in history.get("BudgetedAndActualAmountsList", []):
                    began: datetime = entry["TimePeriod"]["Start"]
                    if began.astimezone(UTC).date() == start:
                        return _figure(entry.get("ActualAmount"))
                if not answer.get("NextToken"):
                    return Absent.NOT_YET
                page = {"NextToken": answer["NextToken"]}

        return _asked(budget, ask, lambda why: why)


def _figure(spend: Mapping[str, str] | None) -> Figure:
    """The amount; 0 and a missing amount are not known yet.

    Raises:
        ValueError: no amount in USD.
    """
    if spend is None:
        return Absent.NOT_YET
    try:
        amount = Decimal(spend["Amount"])
    except InvalidOperation as error:
        raise ValueError("no amount") from error
    if spend["Unit"] != "USD" or not amount.is_finite():
        raise ValueError("no amount in USD")
    return amount if amount > 0 else Absent.NOT_YET


def _asked(budget: str, ask: Callable[[], T], absent: Callable[[Absent], T]) -> T:
    """Ask; log why there is no answer, without the answer's own words."""
    from botocore.exceptions import BotoCoreError, ClientError

    why = Absent.FAILED
    try:
        return ask()
    except ClientError as error:
        what = error.response["Error"]["Code"]
        why = _REASONS.get(what, Absent.FAILED)
    except (BotoCoreError, KeyError, TypeError, ValueError, AttributeError) as error:
        what = type(error).__name__
    logs.write("WARNING", route="budgets", budget=budget, why=what)
    return absent(why)
