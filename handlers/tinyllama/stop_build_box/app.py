"""Stops builders and nodes that run for too long, and everything once the month's money is spent.

Two rules call it: every 5 minutes the meter, which kills as soon as its own count or the Budget's
reaches the limit, and every 30 minutes the look for machines that run for too long. The Budget's
message is the last net, because its data is 8 to 24 hours old and it is sent once a month. An
operator calls it to rehearse, to kill and to lift.
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from tinyllama.stop_build_box import clients as aws
from tinyllama.stop_build_box import count, fleet, mail, meter
from tinyllama.stop_build_box.killer import Killer, Outcome, end_all, of_aws, report
from tinyllama.stop_build_box.ledger import Ledger
from tinyllama.stop_build_box.request import Action, BadEvent, Request, parse
from tinyllama.stop_build_box.settings import GuardSettings
from tinyllama.utils.observability import logs, metrics
from tinyllama.utils.observability.metrics import Metric
from tinyllama.utils.settings import InvalidSetting

BUILDER_MOST_S = 55 * 60
TABLE_IS_GONE = ("ResourceNotFoundException", "AccessDeniedException")
Answer = dict[str, Any]


class GuardFailed(Exception):
    """A run that could not do its work. Lambda runs it again, then tells the alarm topic."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What an execution environment keeps between events."""

    settings: GuardSettings
    clients: aws.Clients
    ledger: Ledger
    killer: Killer


def handler(event: object, context: object) -> Answer:
    """Do what an event asks for; log one line. Raises GuardFailed, so that Lambda tries again."""
    began = time.perf_counter()
    action, level, fields = "refused", "INFO", dict[str, str | float | None]()
    answer: Answer = {}
    try:
        guard = setup()
        request = parse(event, budget_topic=guard.settings.budget_topic)
        action = request.action
        answer = ACTIONS[request.action](guard, request, int(time.time()))
        level = "WARNING" if answer.get("failed") or answer.get("notCounted") else "INFO"
        fields = {name: _field(value) for name, value in answer.items()}
    except BadEvent as error:
        level, fields, answer = "WARNING", {"why": str(error)}, {"refused": str(error)}
    except (InvalidSetting, GuardFailed) as error:
        level, fields = "ERROR", {"why": str(error)}
        raise GuardFailed(str(error)) from None
    except Exception as error:  # noqa: BLE001 - Lambda shall try again, and say no message of a library
        level, fields = "ERROR", {"why": aws.code_of(error), "at": logs.place(error)}
        raise GuardFailed(f"{action}: {aws.code_of(error)}") from None
    finally:
        logs.write(
            "ERROR" if level == "ERROR" else "WARNING" if level == "WARNING" else "INFO",
            requestId=getattr(context, "aws_request_id", None),
            route=action,
            latencyMs=round((time.perf_counter() - began) * 1000, 2),
            **fields,
        )
    return answer


@cache
def setup() -> Guard:
    """Read the settings and make the clients, once. Raises InvalidSetting."""
    settings = GuardSettings.read(os.environ)
    made = aws.make(settings.region)
    ledger = Ledger(made.dynamodb, settings.table)
    return Guard(settings, made, ledger, Killer(made, settings, ledger))


def _meter(guard: Guard, request: Request, now_s: int) -> Answer:
    """Count what was spent since the last tick, act on it; while latched, keep everything off."""
    billed_usd, why_unknown = _billed(guard, now_s)
    try:
        month, why_not_counted = count.count(guard.clients, guard.settings, guard.ledger, now_s)
    except of_aws() as error:
        is_spent = meter.verdict(billed_usd or 0.0, budget_usd=guard.settings.budget_usd) == "kill"
        # A table that answers another time may tell of a lift; Lambda tries again.
        if not is_spent or aws.code_of(error) not in TABLE_IS_GONE:
            raise
        return _kill(guard, f"AWS says that {billed_usd:.2f} USD are spent", now_s)
    spent = max(month.usd, billed_usd or 0.0)
    verdict = meter.verdict(spent, budget_usd=guard.settings.budget_usd, until_usd=month.until_usd)
    seen: Answer = {"meterUsd": round(month.usd, 4), "billedUsd": billed_usd, "verdict": verdict}
    if why_unknown:
        seen["billedUnknown"] = why_unknown
    if why_not_counted:
        seen["notCounted"] = why_not_counted
    if verdict == "kill":
        return seen | _kill(guard, f"{spent:.2f} USD are spent this month", now_s)
    if guard.ledger.is_latched():
        # A start that raced the latch, or what the last run could not turn off.
        return seen | _kill(guard, "the node is latched", now_s)
    if verdict == "warn" and not month.is_warned:
        limit = meter.limit_usd(guard.settings.budget_usd, month.until_usd)
        mail.of_warning(guard.clients.sns, guard.settings, spent, limit)
        guard.ledger.note_warned(now_s)
    if why_not_counted and meter.is_mute_for_hours(month.sampled_s, now_s):
        # Lambda tells the alarm topic of a run that failed three times.
        raise GuardFailed(f"nothing was counted for over an hour: {why_not_counted}")
    return seen


def _billed(guard: Guard, now_s: int) -> tuple[float | None, str]:
    """What the Budget says was spent, in USD; None and why, if it cannot be read, or may still be
    the sum of the last month.

    The meter goes on without it: our own count is the one that is minutes old.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    if meter.is_first_day(now_s):
        return None, "the month has just begun"
    try:
        answer = guard.clients.budgets.describe_budget(
            AccountId=guard.settings.account, BudgetName=guard.settings.budget
        )
        spend = answer["Budget"]["CalculatedSpend"]["ActualSpend"]
        return float(spend["Amount"]), ""
    except (ClientError, BotoCoreError, KeyError, ValueError) as error:
        return None, aws.code_of(error)


def _alert(guard: Guard, request: Request, now_s: int) -> Answer:
    """The Budget's message: kill, unless it may be of the last month, or a lift allowed more this
    month, which it cannot know."""
    try:
        is_lifted = guard.ledger.month(now_s).until_usd is not None
    except of_aws() as error:
        if aws.code_of(error) not in TABLE_IS_GONE:
            raise
        is_lifted = False
    if is_lifted or meter.is_first_day(now_s):
        return _meter(guard, request, now_s)
    return _kill(guard, "the Budget says that 105 % are spent", now_s)


def _kill(guard: Guard, why: str, now_s: int) -> Answer:
    outcome = guard.killer.kill(why, now_s)
    if outcome.is_news:
        metrics.emit(guard.settings.stack, Metric.BUDGET_STOPS)
    told = _told(guard, outcome, now_s)
    # The end of a trouble is no news; while a stack is being changed, it is no end either.
    is_told = told == outcome.trouble or (told is not None and not outcome.trouble)
    if outcome.is_news or not is_told:
        _tell(guard, f"budget killer: {why}", outcome)
    elif outcome.is_waiting:
        return report(outcome)
    if outcome.is_news or told != outcome.trouble:
        with suppress(*of_aws()):
            guard.ledger.note_told(outcome.trouble)
    return report(outcome)


def _told(guard: Guard, outcome: Outcome, now_s: int) -> str | None:
    """What was mailed of this latch; where that cannot be read, nothing once an hour."""
    try:
        return guard.ledger.told()
    except of_aws():
        return None if now_s % meter.HOUR_S < meter.TICK_S else outcome.trouble


def _overdue(guard: Guard, request: Request, now_s: int) -> Answer:
    """RISK-1, EC2-003: end builders older than 55 minutes and nodes up for longer than they may."""
    most_s = {"builder": BUILDER_MOST_S, "gpu-node": guard.settings.max_uptime_h * meter.HOUR_S}
    overdue = [
        machine
        for machine in fleet.find(guard.clients.ec2, guard.settings)
        if machine.bills
        and meter.is_overdue(machine.launched_s, now_s, most_s=most_s[machine.role])
    ]
    if not overdue:
        return report(Outcome((), ()))
    tried = end_all(guard.clients, overdue)
    outcome = Outcome(tried.done, tried.failed)
    metrics.emit(guard.settings.stack, Metric.OVERDUE_MACHINES, len(overdue))
    _tell(guard, f"{len(overdue)} machines ran for too long", outcome)
    return report(outcome)


def _rehearse(guard: Guard, request: Request, now_s: int) -> Answer:
    return report(guard.killer.rehearse())


def _ordered(guard: Guard, request: Request, now_s: int) -> Answer:
    return _kill(guard, "an operator asked for it", now_s)


def _lift(guard: Guard, request: Request, now_s: int) -> Answer:
    """Let the node be started again, if the month's money allows it.

    Raises:
        BadEvent: it does not, and the next tick would kill again; or it is not said how far to go.
    """
    month = guard.ledger.month(now_s)
    spent = max(month.usd, _billed(guard, now_s)[0] or 0.0)
    until = request.until_usd if request.until_usd is not None else month.until_usd
    limit = meter.limit_usd(guard.settings.budget_usd, until)
    if spent >= limit:
        raise BadEvent(
            f"{spent:.2f} of {limit:g} USD are spent, so the next tick would kill again; "
            "say how far the month may go: untilUsd above what is spent"
        )
    if request.until_usd is not None:
        guard.ledger.allow(request.until_usd, now_s)
    guard.ledger.lift()
    return {"lifted": True, "spentUsd": round(spent, 2), "limitUsd": limit}


def _tell(guard: Guard, headline: str, outcome: Outcome) -> None:
    mail.of_outcome(guard.clients.sns, guard.settings, headline, outcome)


def _field(value: object) -> str | float | None:
    """A value of an answer, for the log."""
    if isinstance(value, list):
        return "; ".join(value) or None
    return value if isinstance(value, str | int | float) else None


ACTIONS: Mapping[Action, Callable[[Guard, Request, int], Answer]] = {
    "meter": _meter,
    "overdue": _overdue,
    "alert": _alert,
    "kill": _ordered,
    "rehearse": _rehearse,
    "lift": _lift,
}
