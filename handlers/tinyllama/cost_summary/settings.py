"""The settings of the mail function: environment variables from `report.yaml`, checked at use."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tinyllama.utils.settings import InvalidSetting

_BUDGET = r"[^:\\\x00-\x1f]{1,100}"
"""https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Budget.html"""


@dataclass(frozen=True, slots=True)
class MailSettings:
    """Whose costs are mailed, from which budgets, and where to.

    `services` holds, for each budget of one service, the service's name in the mail and the
    budget's name.
    """

    stack: str
    region: str
    account_id: str
    amount_usd: Decimal
    month_budget: str
    day_budget: str
    services: tuple[tuple[str, str], ...]
    control_table: str
    topic_arn: str

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "MailSettings":
        """Raises InvalidSetting."""

        def matching(name: str, pattern: str, rule: str) -> str:
            value = environment.get(name, "")
            if not re.fullmatch(pattern, value):
                raise InvalidSetting(f"{name} must be {rule}" if value else f"{name} is not set")
            return value

        return cls(
            stack=matching("TL_STACK", r"[A-Za-z][A-Za-z0-9-]{0,127}", "a stack's name"),
            region=matching("AWS_REGION", r"[a-z]{2,4}(-[a-z]+)+-[0-9]+", "a region"),
            account_id=matching("TL_ACCOUNT_ID", r"[0-9]{12}", "an account's id"),
            amount_usd=Decimal(
                matching("TL_AMOUNT_USD", r"[1-9][0-9]{0,5}", "1 to 999999 USD, without cents")
            ),
            month_budget=matching("TL_MONTH_BUDGET", _BUDGET, "a budget's name"),
            day_budget=matching("TL_DAY_BUDGET", _BUDGET, "a budget's name"),
            services=_services(environment.get("TL_SERVICE_BUDGETS", "")),
            control_table=matching(
                "TL_CONTROL_TABLE", r"[A-Za-z0-9_.-]{3,255}", "a DynamoDB table's name"
            ),
            topic_arn=matching(
                "TL_TOPIC_ARN",
                r"arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[\w-]{1,256}",
                "a topic's ARN",
            ),
        )


def _services(text: str) -> tuple[tuple[str, str], ...]:
    """Read {"EC2 instances": "stack-service-ec2", …}. Raises InvalidSetting."""
    rule = "a JSON object of services and their budgets' names"
    try:
        found = json.loads(text)
    except ValueError:
        raise InvalidSetting(f"TL_SERVICE_BUDGETS must be {rule}") from None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise InvalidSetting(f"TL_SERVICE_BUDGETS must be {rule}")
    return tuple(found.items())
