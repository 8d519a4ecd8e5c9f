"""The guard's mails, published to the alarm topic: ids and sums, no user and no prompt."""

from typing import Any

from tinyllama.stop_build_box.killer import Outcome
from tinyllama.stop_build_box.settings import GuardSettings

MOST_SUBJECT = 100
"""https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
AFTER_A_KILL = "docs/operations/recovery.md, section The killer fired"
BEFORE_A_KILL = "docs/operations/epic-6-operations.md, section Budget and killer"


def of_outcome(sns: Any, settings: GuardSettings, headline: str, outcome: Outcome) -> None:
    """Say what worked and what did not. Raises what the client raises."""
    lines = [
        headline,
        "",
        *_listed("Done", outcome.done),
        *_listed("Did not work, and is tried again by the meter", outcome.failed),
        f"What to do: {AFTER_A_KILL}.",
    ]
    _publish(sns, settings, headline, "\n".join(lines))


def of_warning(sns: Any, settings: GuardSettings, spent_usd: float, limit_usd: float) -> None:
    """Say once a month that three quarters are spent. Raises what the client raises."""
    headline = f"{spent_usd:.2f} of {settings.budget_usd:g} USD are spent"
    text = (
        f"{headline} this month. At {limit_usd:g} USD everything that bills by the hour is turned "
        f"off.\nWhat to do: {BEFORE_A_KILL}."
    )
    _publish(sns, settings, headline, text)


def _listed(title: str, lines: tuple[str, ...]) -> list[str]:
    return [f"{title}:", *(f"- {line}" for line in lines), ""] if lines else []


def _publish(sns: Any, settings: GuardSettings, headline: str, text: str) -> None:
    subject = f"{settings.stack}: {headline}"[:MOST_SUBJECT]
    sns.publish(TopicArn=settings.alarm_topic, Subject=subject, Message=text)
