"""Mails each morning what the account has cost: yesterday, this month, its end, the top services.

A schedule of 07:00 in Berlin calls it. It stands outside the VPC, which has no way to AWS Budgets.
It publishes to the topic of the alarms, whose subscribers get it as a mail.
"""

import os
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from tinyllama.cost_summary import budgets, control, figures
from tinyllama.cost_summary.figures import Absent, Figures, Service
from tinyllama.cost_summary.mail import render
from tinyllama.cost_summary.settings import MailSettings
from tinyllama.utils.observability import logs, metrics
from tinyllama.utils.observability.metrics import Metric


def handler(event: Mapping[str, Any], context: object) -> None:
    """Mail the figures of this morning, once a day; log one line.

    Raises:
        InvalidSetting, botocore's errors: Lambda tries again, and tells the topic when it gives up.
    """
    began = time.perf_counter()
    current = MailSettings.read(os.environ)
    now = int(time.time())
    # Not the clock of a place: the schedule knows the place, and the bill counts UTC days.
    today = datetime.fromtimestamp(now, UTC).date()
    dynamodb = control.client(current.region)
    is_ours = control.claim(dynamodb, current.control_table, today, now=now)
    known: Figures | None = None
    if is_ours:
        known = collect(current, dynamodb, today)
        _publish(current, known)
        control.mark_sent(dynamodb, current.control_table, today, now=now)
        _count(current.stack, known)
    logs.write(
        "INFO",
        requestId=getattr(context, "aws_request_id", None),
        route="schedule",
        latencyMs=round((time.perf_counter() - began) * 1000, 2),
        day=today.isoformat(),
        sent="yes" if is_ours else "before",
        warning=None if known is None else str(figures.is_warning(known)).lower(),
    )


def collect(current: MailSettings, dynamodb: Any, today: date) -> Figures:
    """Ask AWS Budgets and the control table.

    Raises:
        botocore's errors: the table does not answer; whether the node is kept off must be known.
    """
    aws = budgets.Budgets(budgets.client(), current.account_id)
    yesterday = figures.yesterday_of(today)
    is_first = today.day == 1
    # On the first AWS Budgets may still tell the spend of the month before.
    month, forecast = (
        (Absent.NOT_YET, Absent.NOT_YET) if is_first else aws.spend(current.month_budget)
    )
    return Figures(
        stack=current.stack,
        today=today,
        amount_usd=current.amount_usd,
        yesterday=aws.period(current.day_budget, yesterday),
        month=month,
        forecast=forecast,
        services=tuple(
            Service(name, Absent.NOT_YET if is_first else aws.spend(budget)[0])
            for name, budget in current.services
        ),
        last_month=(
            aws.period(current.month_budget, yesterday.replace(day=1)) if is_first else None
        ),
        meter=control.read_meter(dynamodb, current.control_table, today),
        latch=control.read_latch(dynamodb, current.control_table),
    )


def _publish(current: MailSettings, known: Figures) -> None:
    import boto3
    from botocore.config import Config

    # One try: a second one after an answer that was lost would send a second mail.
    config = Config(connect_timeout=2.0, read_timeout=5.0, retries={"total_max_attempts": 1})
    subject, text = render(known)
    sns = boto3.client("sns", region_name=current.region, config=config)
    sns.publish(TopicArn=current.topic_arn, Subject=subject, Message=text)


def _count(stack: str, known: Figures) -> None:
    """Send what the dashboard shows as spend; nothing where nothing is known."""
    so_far = figures.spent(known)
    if so_far is not None:
        metrics.emit(stack, Metric.SPEND_USD, float(so_far.usd))
