"""The daily mail: one golden text for each case, and the laws that hold for all of them."""

import calendar
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.unit.mornings import GOLDEN, METER, USD, morning, unknown
from tinyllama.cost_summary import figures
from tinyllama.cost_summary.figures import Absent, Latch, Meter, Projection
from tinyllama.cost_summary.mail import PREFIX, render

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "mails"
WARNED = {"warning", "bill_lags", "over_budget", "killer_latched"}


@pytest.mark.parametrize("case", GOLDEN)
def test_mail_reads_as_its_golden_text(case: str) -> None:
    """Subject, an empty line, text; a change of one word shows."""
    mail = render(GOLDEN[case])
    wanted = (FOLDER / f"{case}.txt").read_text("ascii")
    assert f"Subject: {mail.subject}\n\n{mail.text}" == wanted


def test_each_golden_text_is_of_a_case() -> None:
    """No text is left over from a case that is gone."""
    assert {path.stem for path in FOLDER.glob("*.txt")} == GOLDEN.keys()


@pytest.mark.parametrize("case", GOLDEN)
def test_mail_is_plain_and_narrow(case: str) -> None:
    """ASCII, 72 columns, no blanks at a line's end; a subject that SNS takes; no invented 0."""
    subject, text = render(GOLDEN[case])
    assert text.isascii()
    assert [line for line in text.splitlines() if len(line) > 72 or line != line.rstrip()] == []
    assert subject.isprintable()
    assert len(subject) < 100
    assert " 0.00 USD" not in text
    assert subject.startswith(PREFIX) == (case in WARNED)


def test_subject_fits_for_the_longest_name() -> None:
    """A stack's name has 40 characters at most; September is the longest month."""
    long = morning(stack="t" * 40, today=date(2026, 9, 25), month=USD(1000), forecast=USD(1000))
    assert len(render(long).subject) < 100


@pytest.mark.parametrize(
    ("forecast", "amount", "warns"),
    [("17.99", 20, False), ("18.00", 20, True), ("8.99", 10, False), ("9", 10, True)],
)
def test_warning_begins_at_nine_tenths_of_the_amount(
    forecast: str, amount: int, warns: bool
) -> None:
    """18 of 20, and the same share of another amount."""
    given = morning(forecast=USD(forecast), amount_usd=USD(amount), month=USD(3), meter=None)
    assert render(given).subject.startswith(PREFIX) == warns


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, Projection(USD("15.4"), "forecast")),
        ({"forecast": Absent.NOT_YET, "month": USD(12)}, Projection(USD(15), "bill")),
        ({"forecast": USD(5)}, Projection(USD("12.304"), "spent")),
        ({"forecast": USD(5), "month": USD(4)}, Projection(METER.usd + 1, "late forecast")),
        (
            {"forecast": Absent.NOT_YET, "month": USD(4), "meter": replace(METER, usd=USD(10))},
            Projection(USD(10) * 30 * 86_400 / (24 * 86_400 + 21_300), "meter"),
        ),
    ],
)
def test_projection_is_forecast_or_spread_and_never_less_than_spent(
    changes: dict[str, object], wanted: Projection
) -> None:
    """24 of 30 days are over on the 25th: 12 USD become 15. What the bill does not say yet comes on
    top of the forecast."""
    assert figures.projection(morning(**changes)) == wanted


def test_meter_is_spread_to_the_moment_of_its_sample() -> None:
    """Ten and a half days of November, 3.5 USD."""
    meter = Meter(USD("3.5"), datetime(2026, 11, 11, 12, tzinfo=UTC))
    given = unknown(Absent.FAILED, meter=meter)
    assert figures.projection(given) == Projection(USD(10), "meter")


@pytest.mark.parametrize("usd", ["0.05", "18.5"])
def test_first_day_is_spread_over_nothing(usd: str) -> None:
    """Five hours say nothing of a month, unless they have already spent it."""
    meter = Meter(USD(usd), datetime(2026, 12, 1, 5, tzinfo=UTC))
    given = unknown(Absent.NOT_YET, today=date(2026, 12, 1), meter=meter)
    wanted = Projection(USD(usd), "spent") if usd == "18.5" else None
    assert figures.projection(given) == wanted
    assert figures.is_warning(given) == (wanted is not None)


@pytest.mark.parametrize(
    ("today", "yesterday"),
    [
        (date(2026, 12, 1), date(2026, 11, 30)),
        (date(2027, 1, 1), date(2026, 12, 31)),
        (date(2028, 3, 1), date(2028, 2, 29)),
        (date(2028, 2, 29), date(2028, 2, 28)),
        (date(2027, 3, 1), date(2027, 2, 28)),
    ],
)
def test_yesterday_may_be_of_another_month(today: date, yesterday: date) -> None:
    """It is written with its month."""
    assert figures.yesterday_of(today) == yesterday
    label = f"Yesterday, {yesterday.day} {calendar.month_abbr[yesterday.month]}"
    assert label in render(morning(today=today)).text


def test_leap_day_counts() -> None:
    """28 of 29 days are over on 29 February 2028: 14 USD become 14.50."""
    given = morning(today=date(2028, 2, 29), forecast=Absent.NOT_YET, month=USD(14), meter=None)
    assert figures.projection(given) == Projection(USD("14.5"), "bill")


def test_at_seven_in_berlin_the_day_is_that_of_utc() -> None:
    """On every day of ten years, those on which the clocks change among them."""
    berlin = ZoneInfo("Europe/Berlin")
    day, hours = date(2026, 1, 1), set()
    while day.year < 2036:
        at = datetime(day.year, day.month, day.day, 7, tzinfo=berlin).astimezone(UTC)
        assert at.date() == day
        hours.add(at.hour)
        day += timedelta(days=1)
    assert hours == {5, 6}


def test_equal_services_stand_in_the_order_of_their_names() -> None:
    """So two mails of the same figures are the same."""
    services = tuple(figures.Service(name, Decimal(1)) for name in ("VPC", "EC2", "RDS", "S3"))
    top = figures.top_services(morning(services=services))
    assert [name for name, _ in top] == ["EC2", "RDS", "S3"]


def test_what_the_killer_saw_cannot_break_the_mail() -> None:
    """It comes from a table: no line break, nothing but ASCII, of bounded length."""
    latch = Latch(datetime(2026, 11, 24, 14, 5, tzinfo=UTC), "a\nb: €" + "x" * 500)
    text = render(morning(latch=latch)).text
    assert text.isascii()
    assert "a?b: ?" in text
    assert "x" * 201 not in text.replace("\n", "")
