"""The figures of mornings, one for each case that the mail has a text for."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from tinyllama.cost_summary.figures import Absent, Figures, Latch, Meter, Service

USD = Decimal
SERVICES = (
    Service("EC2 instances", USD("8.104")),
    Service("EC2 volumes, other", USD("2.41")),
    Service("ElastiCache", USD("1.20")),
    Service("VPC", USD("0.49")),
    Service("CloudWatch", USD("0.10")),
)
NO_SERVICES = tuple(Service(one.name, Absent.NOT_YET) for one in SERVICES)
METER = Meter(USD("12.0749"), datetime(2026, 11, 25, 5, 55, tzinfo=UTC))


NORMAL = Figures(
    stack="tinyllama-dev",
    today=date(2026, 11, 25),
    amount_usd=USD(20),
    yesterday=USD("0.804"),
    month=USD("12.304"),
    forecast=USD("15.4"),
    services=SERVICES,
    meter=METER,
)


def morning(**changes: Any) -> Figures:
    """A normal day, changed."""
    return replace(NORMAL, **changes)


def unknown(why: Absent, **changes: object) -> Figures:
    """A day on which AWS Budgets tells nothing."""
    services = tuple(Service(one.name, why) for one in SERVICES)
    given: dict[str, object] = {"yesterday": why, "month": why, "forecast": why}
    return morning(**(given | {"services": services} | changes))


GOLDEN: dict[str, Figures] = {
    "normal": morning(),
    "no_forecast": morning(forecast=Absent.NOT_YET, yesterday=Absent.NOT_YET),
    "warning": morning(forecast=USD("18.00")),
    "bill_lags": morning(month=USD("8.5"), forecast=USD("15.4")),
    "over_budget": morning(month=USD("20.51"), forecast=USD("24.6"), yesterday=USD("7.3")),
    "no_data_yet": unknown(Absent.NOT_YET, meter=None),
    "denied": unknown(Absent.DENIED, meter=None),
    "estimate_only": unknown(Absent.FAILED),
    "some_services": morning(services=(*SERVICES[:2], *NO_SERVICES[2:])),
    "first_of_month": unknown(
        Absent.NOT_YET,
        today=date(2026, 12, 1),
        yesterday=USD("0.61"),
        last_month=USD("17.325"),
        meter=Meter(USD("0.05"), datetime(2026, 12, 1, 5, 55, tzinfo=UTC)),
    ),
    "killer_latched": morning(
        month=USD("21.4"),
        forecast=USD("25.2"),
        latch=Latch(datetime(2026, 11, 24, 14, 5, tzinfo=UTC), "21.40 of 21.00 USD"),
    ),
}
