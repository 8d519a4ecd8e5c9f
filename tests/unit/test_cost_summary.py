"""The mail function: whom it asks, what it makes of the answers, and that it mails once a day."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests import loopback
from tests.events import event
from tests.unit.billing import DAY, ENVIRONMENT, MONTH, SERVICES, Billing
from tinyllama.cost_summary import app, budgets, control
from tinyllama.cost_summary.settings import MailSettings
from tinyllama.utils.settings import InvalidSetting

EC2, CACHE = SERVICES.values()
MORNING = datetime(2026, 11, 25, 6, tzinfo=UTC)
FIRST = datetime(2026, 12, 1, 6, tzinfo=UTC)
UNKNOWN = "not known yet"


def at(year: int, month: int, day: int) -> int:
    """The first second of a UTC day."""
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


@pytest.fixture
def billing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Billing]:
    """The function's variables, and services that hold a normal day."""
    found = Billing(
        spend={MONTH: ("12.304", "15.4"), EC2: ("8.1", None), CACHE: ("0", None)},
        history={
            DAY: {at(2026, 11, 23): "3", at(2026, 11, 24): "0.804", at(2026, 11, 25): "0.1"},
            MONTH: {at(2026, 10, 1): "5", at(2026, 11, 1): "17.325"},
        },
        items={
            "spend#2026-11": {"usd": {"N": "12.07"}, "sampledAt": {"N": "1795586100"}},
        },
    )
    # A busy machine may answer later than AWS does.
    for module in (budgets, control):
        monkeypatch.setattr(module, "READ_TIMEOUT_S", 60.0)
    with loopback.endpoint(found.answer) as endpoint:
        for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL": endpoint.url}).items():
            monkeypatch.setenv(name, value)
        yield found


def call(monkeypatch: pytest.MonkeyPatch, now: datetime = MORNING) -> None:
    """The schedule's call, at this time."""
    monkeypatch.setattr(app, "time", SimpleNamespace(time=now.timestamp, perf_counter=lambda: 0.0))
    app.handler(event("scheduled"), SimpleNamespace(aws_request_id="id"))


def rows(billing: Billing) -> dict[str, str]:
    """The indented lines of the only mail: label to what stands beside it."""
    ((_, text),) = billing.mails
    lines = [line.strip() for line in text.splitlines() if line.startswith("  ")]
    return {line[:24].strip(): " ".join(line[24:].split()) for line in lines}


def test_morning_is_mailed_and_counted(
    billing: Billing, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every figure in its place; a log line without figures; the spend as a metric."""
    call(monkeypatch)
    assert rows(billing) == {
        "Yesterday, 24 Nov": "0.80 USD",
        "November so far": "12.30 USD of 20.00",
        "Projection": "15.40 USD forecast by AWS",
        "1. EC2 instances": "8.10 USD",
        "Not known: ElastiCache": "",
    }
    metric, line = (json.loads(text) for text in capsys.readouterr().out.splitlines())
    assert (metric["SpendUsd"], metric["_aws"]["CloudWatchMetrics"]) == (
        12.304,
        [
            {
                "Namespace": "TinyLlama/tinyllama-dev",
                "Dimensions": [[]],
                "Metrics": [{"Name": "SpendUsd", "Unit": "None"}],
            }
        ],
    )
    assert line == {
        "level": "INFO",
        "requestId": "id",
        "route": "schedule",
        "latencyMs": 0.0,
        "day": "2026-11-25",
        "sent": "yes",
        "warning": "false",
    }


def test_each_service_is_asked_where_it_lives(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS Budgets has one home region; table and topic are the stack's."""
    call(monkeypatch)
    assert billing.signed_for == {
        ("budgets", "us-east-1"),
        ("dynamodb", "eu-central-1"),
        ("sns", "eu-central-1"),
    }


def test_second_delivery_of_a_day_mails_nothing(
    billing: Billing, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also hours later; the next day is mailed."""
    call(monkeypatch)
    call(monkeypatch)
    call(monkeypatch, MORNING.replace(hour=23))
    assert len(billing.mails) == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["sent"] == "before"
    call(monkeypatch, MORNING.replace(day=26))
    assert len(billing.mails) == 2


@pytest.mark.fault(
    fault="the morning's mail cannot be published",
    place="the schedule's call",
    user_sees="nothing",
    lost="nothing",
    recovers="Lambda's next try, a minute later",
)
def test_mail_that_failed_is_sent_by_the_next_try(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim of a try that failed is over when Lambda tries again; a second one is not ours."""
    billing.publish_status = 403
    with pytest.raises(ClientError, match="AuthorizationError"):
        call(monkeypatch)
    billing.publish_status = 200
    call(monkeypatch, MORNING.replace(second=control.CLAIM_S))
    assert billing.mails == []
    call(monkeypatch, MORNING.replace(minute=1))
    assert len(billing.mails) == 1


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("AccessDeniedException", "not known: AWS denied the look"),
        ("NotFoundException", "not known: no such budget"),
        ("ThrottlingException", "not known: AWS gave no answer"),
    ],
)
@pytest.mark.fault(
    fault="AWS Budgets refuses to tell",
    place="the schedule's call",
    user_sees="a mail that says so, with the own estimate",
    lost="the bill's figures of that morning",
    recovers="the next morning",
)
def test_refusal_is_said_and_never_zero(
    billing: Billing,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: str,
    wanted: str,
) -> None:
    """All budgets refuse; the mail goes out with the own estimate, the log names the code alone."""
    billing.refused = dict.fromkeys((MONTH, DAY, EC2, CACHE), code)
    call(monkeypatch)
    assert rows(billing) == {
        "Yesterday, 24 Nov": wanted,
        "November so far": "12.07 USD of 20.00, our own estimate",
        "Projection": "14.93 USD our own estimate, spread",
    }
    out = capsys.readouterr().out
    assert out.count(f'"why": "{code}"') == 4
    assert "a secret" not in out


@pytest.mark.parametrize(
    "amount", [None, "0", "0.0", "-1"], ids=["missing", "zero", "zero with a digit", "a refund"]
)
def test_figure_that_is_none_is_not_known_yet(
    billing: Billing, monkeypatch: pytest.MonkeyPatch, amount: str | None
) -> None:
    """A budget without data says 0; the stack always costs something."""
    billing.spend = {MONTH: (amount, None), EC2: (amount, None), CACHE: (amount, None)}
    billing.history = {DAY: {at(2026, 11, 24): amount}}
    billing.items = {}
    call(monkeypatch)
    assert rows(billing) == {
        "Yesterday, 24 Nov": UNKNOWN,
        "November so far": UNKNOWN,
        "Projection": UNKNOWN,
    }


@pytest.mark.parametrize("amount", ["NaN", "much"])
def test_amount_that_cannot_be_read_is_no_figure(
    billing: Billing, monkeypatch: pytest.MonkeyPatch, amount: str
) -> None:
    """Nor does it stop the mail."""
    billing.spend[MONTH] = (amount, None)
    billing.items = {}
    call(monkeypatch)
    assert rows(billing)["November so far"] == "not known: AWS gave no answer"


def test_amount_in_another_unit_is_no_figure() -> None:
    """A budget of usage has hours or gigabytes."""
    with pytest.raises(ValueError, match="USD"):
        budgets._figure({"Amount": "3", "Unit": "GB"})


def test_history_is_read_to_its_end(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Yesterday stands on the second page."""
    billing.page = 1
    call(monkeypatch)
    assert rows(billing)["Yesterday, 24 Nov"] == "0.80 USD"


def test_first_of_the_month_looks_back(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Yesterday and the whole month are of November; what AWS says of "now" may be, too."""
    billing.history[DAY][at(2026, 11, 30)] = "0.61"
    call(monkeypatch, FIRST)
    assert rows(billing) == {
        "Yesterday, 30 Nov": "0.61 USD",
        "All of November": "17.33 USD",
        "December so far": UNKNOWN,
        "Projection": UNKNOWN,
    }


def test_latch_is_told_first(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    """The killer's item, beside whatever a resize keeps in it."""
    billing.items["node"] = {
        "latchedAt": {"N": str(at(2026, 11, 24))},
        "latchedWhy": {"S": "21.40 of 21.00 USD"},
        "resizeState": {"S": "done"},
    }
    call(monkeypatch)
    ((subject, text),) = billing.mails
    assert subject == "WARNING: tinyllama-dev is kept off by its budget"
    assert "stopped the node on 24 Nov, 00:00 UTC: 21.40 of 21.00" in text


@pytest.mark.parametrize(
    "item",
    [
        {"usd": {"N": "3"}},
        {"usd": {"N": "NaN"}, "sampledAt": {"N": "1"}},
        {"usd": {"N": "3"}, "sampledAt": {"N": "1e40"}},
        {"usd": {"S": "3"}, "sampledAt": {"N": "1"}},
    ],
)
def test_meter_that_cannot_be_read_is_none(
    billing: Billing, monkeypatch: pytest.MonkeyPatch, item: dict[str, Any]
) -> None:
    """The mail goes out without an estimate."""
    billing.items["spend#2026-11"] = item
    call(monkeypatch)
    assert "estimate for" not in billing.mails[0][1]


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("TL_AMOUNT_USD", "0", "1 to 999999 USD, without cents"),
        ("TL_ACCOUNT_ID", "me", "an account's id"),
        ("TL_TOPIC_ARN", "arn:aws:sqs:eu-central-1:111122223333:q", "a topic's ARN"),
        ("TL_MONTH_BUDGET", "a:b", "a budget's name"),
        ("TL_SERVICE_BUDGETS", "[]", "a JSON object of services and their budgets' names"),
        ("TL_SERVICE_BUDGETS", "{", "a JSON object of services and their budgets' names"),
    ],
)
def test_wrong_setting_is_named_without_its_value(name: str, value: str, rule: str) -> None:
    """And one that is missing."""
    with pytest.raises(InvalidSetting, match=rf"^{name} must be {rule}$"):
        MailSettings.read(ENVIRONMENT | {name: value})
    with pytest.raises(InvalidSetting, match=name):
        MailSettings.read({key: held for key, held in ENVIRONMENT.items() if key != name})
