"""The guard's settings: environment variables from guard.yaml, checked at first use."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tinyllama.utils.settings import ControlSettings, InvalidSetting, NodeSettings

_STACK = r"arn:[a-z-]+:cloudformation:[a-z0-9-]+:[0-9]{12}:stack/[A-Za-z0-9-]+/[0-9a-f-]{9,64}"
_TOPIC = r"arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}"


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """Whose machines are guarded, where the ledger is, how much may be spent, who is told."""

    stack: str
    queue_stack: str
    project: str
    region: str
    table: str
    account: str
    budget: str
    budget_usd: float
    budget_topic: str
    alarm_topic: str
    max_uptime_h: float

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "GuardSettings":
        """Raises InvalidSetting."""
        node = NodeSettings.read(environment)
        return cls(
            stack=node.stack,
            queue_stack=_text(environment, "TL_QUEUE_STACK", _STACK, "a stack's ARN"),
            project=node.project,
            region=node.region,
            table=ControlSettings.read(environment).table,
            account=_text(environment, "TL_ACCOUNT", r"[0-9]{12}", "an account's id"),
            budget=_text(environment, "TL_BUDGET", r"[^:\\]{1,100}", "a budget's name"),
            budget_usd=_number(environment, "TL_BUDGET_USD", 1, 10_000),
            budget_topic=_text(environment, "TL_BUDGET_TOPIC", _TOPIC, "a topic's ARN"),
            alarm_topic=_text(environment, "TL_ALARM_TOPIC", _TOPIC, "a topic's ARN"),
            max_uptime_h=_number(environment, "TL_MAX_UPTIME_HOURS", 1, 24),
        )


def _text(environment: Mapping[str, str], name: str, pattern: str, rule: str) -> str:
    value = environment.get(name, "")
    if not re.fullmatch(pattern, value):
        raise InvalidSetting(f"{name} must be {rule}" if value else f"{name} is not set")
    return value


def _number(environment: Mapping[str, str], name: str, least: float, most: float) -> float:
    rule = f"a number, {least} to {most}"
    value = float(_text(environment, name, r"[0-9]{1,5}(\.[0-9]{1,2})?", rule))
    if not least <= value <= most:
        raise InvalidSetting(f"{name} must be {rule}")
    return value
