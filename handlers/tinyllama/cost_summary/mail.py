"""The mail as plain ASCII text of at most 72 columns, which any client shows as it is.

SNS takes a subject of less than 100 ASCII characters without a line break:
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

import textwrap
from collections.abc import Iterator
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple

from tinyllama.cost_summary import figures
from tinyllama.cost_summary.figures import Figure, Figures

WIDTH: Final = 72
PAGE: Final = "docs/operations/epic-6-dashboard-and-mail.md"
PREFIX: Final = "WARNING: "
_LABEL, _MONEY = 24, 13
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Not strftime, whose words depend on the machine's language.
_MONTHS = ("January", "February", "March", "April", "May", "June",
           "July", "August", "September", "October", "November", "December")  # fmt: skip
_SOURCES: dict[figures.Source, str] = {
    "forecast": "forecast by AWS",
    "late forecast": "forecast by AWS, plus its lag",
    "bill": "estimate: bill so far, spread",
    "meter": "our own estimate, spread",
    "spent": "spent already",
}


class Mail(NamedTuple):
    """A subject of one line, and a text that ends with a line break."""

    subject: str
    text: str


def render(given: Figures) -> Mail:
    """Write the mail of one morning."""
    paragraphs = [_title(given), *_alarming(given), _amounts(given), _services(given)]
    paragraphs += [*_own_estimate(given), _how_known()]
    return Mail(_subject(given), "\n\n".join(paragraphs) + "\n")


def _subject(given: Figures) -> str:
    month, so_far, expected = _month(given.today), figures.spent(given), figures.projection(given)
    of = f"of {_usd(given.amount_usd)} USD in {month}"
    if given.latch is not None:
        return f"{PREFIX}{given.stack} is kept off by its budget"
    if so_far is not None and so_far.usd >= given.amount_usd:
        return f"{PREFIX}{given.stack} is over budget: {_usd(so_far.usd)} {of}"
    if expected is not None and figures.is_warning(given):
        return f"{PREFIX}{given.stack} heads for {_usd(expected.usd)} {of}"
    if so_far is None:
        return f"{given.stack}: no figure for {month}"
    about = "about " if so_far.is_estimate else ""
    return f"{given.stack}: {about}{_usd(so_far.usd)} {of}"


def _title(given: Figures) -> str:
    day = given.today
    return f"{given.stack}, {_DAYS[day.weekday()]}, {day.day} {_month(day)} {day.year}"


def _alarming(given: Figures) -> Iterator[str]:
    """Paragraphs that say what is wrong and what to do."""
    if given.latch is not None:
        yield _wrapped(
            f"The budget killer stopped the node on {_moment(given.latch.since)}: "
            f"{_printable(given.latch.why)}. Nothing starts it until an operator lifts this; "
            f"{PAGE} says how."
        )
    elif figures.is_warning(given):
        so_far = figures.spent(given)
        is_over = so_far is not None and so_far.usd >= given.amount_usd
        what = "is over" if is_over else "comes near"
        yield _wrapped(
            f"The month {what} its amount of {_usd(given.amount_usd)} USD. Stop the node (POST "
            f"/stop) or turn the queue off (UseGpu=false); {PAGE} says how."
        )


def _amounts(given: Figures) -> str:
    """The table of yesterday, the month so far, and the projection."""
    month, yesterday = _month(given.today), figures.yesterday_of(given.today)
    rows = [_row(f"Yesterday, {yesterday.day} {_month(yesterday)[:3]}", given.yesterday)]
    if given.last_month is not None:
        rows.append(_row(f"All of {_month(yesterday)}", given.last_month))
    so_far, expected = figures.spent(given), figures.projection(given)
    of = f"of {_usd(given.amount_usd)}"
    if so_far is None:
        rows.append(_row(f"{month} so far", given.month))
    else:
        source = ", our own estimate" if so_far.is_estimate else ""
        rows.append(_row(f"{month} so far", so_far.usd, of + source))
    if expected is None:
        rows.append(_row("Projection", figures.Absent.NOT_YET))
    else:
        rows.append(_row("Projection", expected.usd, _SOURCES[expected.source]))
    return "\n".join(rows)


def _services(given: Figures) -> str:
    top = figures.top_services(given)
    absent = [one for one in given.services if isinstance(one.usd, figures.Absent)]
    if not top:
        why = absent[0].usd if absent else figures.Absent.NOT_YET
        return f"Most expensive services in {_month(given.today)}: {why}"
    lines = [f"Most expensive services in {_month(given.today)}"]
    lines += [_row(f"{place}. {name}", usd) for place, (name, usd) in enumerate(top, 1)]
    if absent:
        lines.append(f"  Not known: {', '.join(one.name for one in absent)}")
    return "\n".join(lines)


def _own_estimate(given: Figures) -> Iterator[str]:
    """Beside the bill, or to say how old the estimate is that stands in its place."""
    if given.meter is None:
        return
    yield _wrapped(
        f"Our own estimate for {_month(given.today)} is {_usd(given.meter.usd)} USD. It comes from "
        "prices and hours, not from the bill, and was made on "
        f"{_moment(given.meter.sampled_at)}."
    )


def _how_known() -> str:
    return _wrapped(
        "Figures not marked as estimates are those of AWS Budgets, in USD and by UTC days; they "
        "lag the use by up to a day. What AWS has not told is not known, which is not 0."
    )


def _row(label: str, figure: Figure, note: str = "") -> str:
    if isinstance(figure, figures.Absent):
        return f"  {label:<{_LABEL}}  {figure}"
    money = f"{_usd(figure)} USD"
    return f"  {label:<{_LABEL}}{money:>{_MONEY}}  {note}".rstrip()


def _usd(amount: Decimal) -> str:
    return str(amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP))


def _month(day: date) -> str:
    return _MONTHS[day.month - 1]


def _moment(at: datetime) -> str:
    return f"{at.day} {_month(at)[:3]}, {at:%H:%M} UTC"


def _printable(text: str) -> str:
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)[:200].rstrip(".")


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_on_hyphens=False)
