"""The meter, the time-outs, the operator's words, and events that are none.

Long because each refusal of AWS is a test of the same function.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError
from moto.ec2.models import ec2_backends

from tests.unit.guard_calls import (
    ACCOUNT,
    ALERT,
    BUDGET_TOPIC,
    REGION,
    STACK,
    TABLE,
    World,
    call,
    later,
    made_world,
)
from tinyllama.stop_build_box import app, clients, fleet, mail, meter, prices, queue_switch
from tinyllama.stop_build_box.ledger import Ledger
from tinyllama.stop_build_box.meter import is_first_day
from tinyllama.stop_build_box.request import BadEvent, parse


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The account of one test."""
    yield from made_world(monkeypatch)


def test_meter_counts_and_duplicates_count_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an hour of a node and of what is there of the queue, whatever its stack says; a second
    delivery of the tick adds nothing."""
    world.cache(), world.endpoint()
    call({"action": "meter"})
    world.launch("gpu-node")
    later(monkeypatch, 1800)
    seen = call({"action": "meter"})
    assert seen["meterUsd"] == pytest.approx((0.029 + 0.004274 + 0.042) / 2, abs=0.001)
    assert call({"action": "meter"}) == seen
    assert float(world.month()["usd"]) == pytest.approx(seen["meterUsd"], abs=1e-4)


@pytest.mark.parametrize(("is_told", "usd"), [(True, 0.0), (False, 0.029 / 2)])
def test_machine_that_ended_between_two_samples_is_counted(
    is_told: bool, usd: float, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until its end, which is at once here; until the sample where EC2 does not say when."""
    monkeypatch.setattr(prices.Prices, "steady", lambda *_, **__: 0.0)
    call({"action": "meter"})
    (node,) = world.launch("gpu-node")
    world.ec2.stop_instances(InstanceIds=[node])
    if not is_told:
        ec2_backends[ACCOUNT][REGION].get_instance(node)._reason = ""
    later(monkeypatch, 1800)
    assert call({"action": "meter"})["meterUsd"] == pytest.approx(usd, abs=0.001)
    later(monkeypatch, 3600)
    assert call({"action": "meter"})["meterUsd"] == pytest.approx(usd, abs=0.001)


def test_meter_that_was_overtaken_adds_nothing(world: World) -> None:
    """Two runs read the same item; the second write is refused."""
    call({"action": "meter"})
    guard, now = app.setup(), int(time.time())
    before = guard.ledger.month(now)
    assert [guard.ledger.add(before, 1.0, now + by) for by in (5, 6)] == [True, False]
    assert float(world.month()["usd"]) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.fault(
    fault="a node runs on, and the Budget says nothing",
    place="anywhere",
    user_sees="503 `node_unavailable`, `budget`",
    lost="nothing",
    recovers="an operator lifts it",
)
def test_meter_kills_before_the_budget_knows(world: World) -> None:
    """Our own count reaches 21 USD while the Budget says 0."""
    (node,) = world.launch("gpu-node")
    guard, now = app.setup(), int(time.time())
    guard.ledger.add(guard.ledger.month(now), 21.0, now - 1)
    assert call({"action": "meter"})["verdict"] == "kill"
    assert world.states()[node] == "stopped"
    assert world.mails() == ["budget killer: 21.00 USD are spent this month"]


def test_budget_that_is_reread_kills(world: World) -> None:
    """Its one message was lost: the next tick reads the sum itself."""
    world.bill(21.4)
    assert call({"action": "meter"})["verdict"] == "kill"
    assert not world.is_queue_on()


def test_meter_ends_what_was_started_against_the_latch(world: World) -> None:
    """A start that raced the latch."""
    call({"action": "kill"})
    (node,) = world.launch("gpu-node")
    call({"action": "meter"})
    assert world.states()[node] == "stopped"


def test_warning_is_sent_once_a_month(world: World) -> None:
    """At 75 %."""
    world.bill(15)
    call({"action": "meter"})
    call({"action": "meter"})
    assert world.mails() == ["15.00 of 20 USD are spent"]


def test_overdue_machines_are_ended_and_young_ones_are_not(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A builder after 55 minutes, a node after its hours; also shown to leave a stranger alone."""
    (node,), (builder,) = world.launch("gpu-node"), world.launch("builder")
    (foreign,) = world.launch("builder", Stack="another")
    later(monkeypatch, 54 * 60)
    assert call({"action": "overdue"}) == {"done": [], "failed": []}
    later(monkeypatch, 56 * 60)
    call({"action": "overdue"})
    assert (world.states()[builder], world.states()[node]) == ("terminated", "running")
    later(monkeypatch, 8 * 3600 + 60)
    call({"action": "overdue"})
    assert (world.states()[node], world.states()[foreign]) == ("stopped", "running")
    assert capsys.readouterr().out.count('"OverdueMachines": 1') == 2
    assert world.mails() == ["1 machines ran for too long"] * 2


def test_rehearsal_touches_nothing(world: World) -> None:
    """It names all that a kill would do."""
    (node,) = world.launch("gpu-node")
    loose = world.address()
    answer = call({"action": "rehearse"})
    assert answer == {
        "done": [
            f"would: end gpu-node {node} (t3.small)",
            f"would: release address {loose}",
            "would: turn the queue off (UseGpu=false, 1 parameters as they are; "
            "no change set made)",
        ],
        "failed": [],
    }
    assert (world.states()[node], world.is_queue_on()) == ("running", True)
    assert (world.item("node"), world.mails()) == ({}, [])


def test_lift_says_how_far_the_month_may_go(world: World) -> None:
    """Without it the next tick would kill again; with it, that tick does not."""
    world.bill(21.4)
    call({"action": "meter"})
    refused = call({"action": "lift"})["refused"]
    assert refused.startswith("21.40 of 21 USD are spent")
    assert "latchedAt" in world.item("node")
    assert call({"action": "lift", "untilUsd": 26})["lifted"] is True
    assert call({"action": "meter"})["verdict"] == "warn"
    assert call(ALERT)["verdict"] == "warn"
    assert world.item("node").keys() == {"id"}


def test_attributes_of_others_stay(world: World) -> None:
    """A resize keeps its own in the same item."""
    item = {"id": {"S": "node"}, "resizeState": {"S": "done"}}
    world.dynamodb.put_item(TableName=TABLE, Item=item)
    call({"action": "kill"})
    call({"action": "lift"})
    assert world.item("node") == {"id": "node", "resizeState": "done"}


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ([], "the event must be an object"),
        ({}, "action must be one of meter, overdue, rehearse, kill, lift"),
        ({"action": "alert"}, "action must be one of meter, overdue, rehearse, kill, lift"),
        ({"action": "kill", "force": 1}, "unknown member force"),
        ({"action": "kill", "untilUsd": 3}, "untilUsd belongs to the action lift"),
        ({"action": "lift", "untilUsd": True}, "untilUsd must be a number"),
        ({"action": "lift", "untilUsd": -1}, "untilUsd must be a number"),
        ({"Records": []}, "Records must be a list that is not empty"),
        ({"Records": [{"Sns": {"TopicArn": "arn:x"}}]}, "a record is no message of the budget's"),
        ({"Records": ["x"]}, "a record is no message of the budget's"),
    ],
)
def test_bad_event_is_refused_and_nothing_happens(event: object, why: str, world: World) -> None:
    """With a line that says why; it is not raised, because Lambda would repeat it."""
    with pytest.raises(BadEvent, match=why):
        parse(event, budget_topic=BUDGET_TOPIC)
    assert call(event)["refused"].startswith(why)
    assert world.item("node") == {}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("TL_BUDGET_USD", "0", "TL_BUDGET_USD must be a number, 1 to 10000"),
        ("TL_BUDGET_USD", "x", "TL_BUDGET_USD must be a number, 1 to 10000"),
        ("TL_ALARM_TOPIC", "", "TL_ALARM_TOPIC is not set"),
        ("TL_ACCOUNT", "me", "TL_ACCOUNT must be an account's id"),
        ("TL_QUEUE_STACK", STACK, "TL_QUEUE_STACK must be a stack's ARN"),
    ],
)
def test_wrong_setting_is_named(
    name: str, value: str, why: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the run fails, so that the alarm topic hears of it."""
    monkeypatch.setenv(name, value)
    with pytest.raises(app.GuardFailed, match=why):
        call({"action": "meter"})


def test_failure_without_a_code_has_its_type() -> None:
    """For errors that are none of AWS."""
    assert clients.code_of(TimeoutError("s3cr3t")) == "TimeoutError"


@pytest.mark.parametrize(
    ("day", "is_first"), [((2026, 12, 1), True), ((2026, 12, 2), False), ((2026, 11, 30), False)]
)
def test_first_day_is_one_of_utc(day: tuple[int, int, int], is_first: bool) -> None:
    """From its first second to its last."""
    began = int(datetime(*day, tzinfo=UTC).timestamp())
    assert [is_first_day(began + by) for by in (0, 86_399)] == [is_first, is_first]


def test_sum_of_the_last_month_kills_nothing_on_the_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS may still tell it: neither the sum nor the Budget's late message is believed, and the
    month's one warning is not spent on it. The meter is believed."""
    monkeypatch.setattr(meter, "is_first_day", lambda _: True)
    (node,) = world.launch("gpu-node")
    world.bill(24)
    assert call({"action": "meter"})["verdict"] == "fine"
    assert call(ALERT)["verdict"] == "fine"
    assert (world.mails(), world.states()[node]) == ([], "running")
    assert call({"action": "lift"})["lifted"] is True
    guard, now = app.setup(), int(time.time())
    guard.ledger.add(guard.ledger.month(now), 21.0, now)
    assert call(ALERT)["verdict"] == "kill"
    assert world.states()[node] == "stopped"


def test_trouble_is_mailed_when_it_is_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An update that is refused, tick after tick, is told once; then why it is refused now."""
    said = ["ValidationError"]

    def refuse(*_: object) -> None:
        raise ClientError({"Error": {"Code": said[-1], "Message": "m"}}, "UpdateStack")

    monkeypatch.setattr(queue_switch, "turn_off", refuse)
    call({"action": "kill"})
    assert len(world.mails()) == 1
    for _ in range(3):
        call({"action": "meter"})
    assert world.mails() == []
    said.append("AccessDenied")
    for _ in range(3):
        seen = call({"action": "meter"})
    assert [line for line in seen["failed"] if "AccessDenied" in line] == seen["failed"]
    assert world.mails() == ["budget killer: the node is latched"]


def test_update_that_is_begun_is_not_called_done(world: World) -> None:
    """The line says what the stack was before, so that a rollback shows in the next mail."""
    done = call({"action": "kill"})["done"]
    assert "begin to turn the queue off (CREATE_COMPLETE before)" in done


@pytest.mark.fault(
    fault="the control table is gone",
    place="the month's money is spent",
    user_sees="503 `node_unavailable`, `refused`",
    lost="nothing",
    recovers="everything is off; the mail says that it could not latch",
)
@pytest.mark.parametrize("event", [ALERT, {"action": "meter"}, {"action": "kill"}])
def test_killer_needs_no_table(event: object, world: World) -> None:
    """Neither the count nor the latch: the Budget's word is enough."""
    (node,) = world.launch("gpu-node")
    world.bill(21.4)
    world.dynamodb.delete_table(TableName=TABLE)
    seen = call(event)
    assert [line for line in seen["failed"] if line.startswith("latch: ")] == seen["failed"]
    assert (world.states()[node], world.is_queue_on()) == ("stopped", False)
    assert len(world.mails()) == 1


@pytest.mark.parametrize("code", ["InternalServerError", "ThrottlingException"])
@pytest.mark.parametrize("event", [ALERT, {"action": "meter"}])
def test_one_read_that_fails_undoes_no_lift(
    event: object, code: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table may tell of a lift when Lambda tries again."""
    (node,) = world.launch("gpu-node")
    world.bill(21.4)
    call({"action": "lift", "untilUsd": 26})

    def refuse(*_: object) -> None:
        raise ClientError({"Error": {"Code": code}}, "GetItem")

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "month", refuse)
        with pytest.raises(app.GuardFailed, match=code):
            call(event)
    assert (world.states()[node], world.is_queue_on()) == ("running", True)


def test_refused_look_at_the_cache_counts_it_while_the_stack_is_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the machines with it; an idle stack is not killed for a permission that is missing."""

    def refuse(*_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "DescribeReplicationGroups")

    monkeypatch.setattr(queue_switch, "caches", refuse)
    call({"action": "meter"})
    world.launch("gpu-node")
    later(monkeypatch, 1800)
    seen = call({"action": "meter"})
    assert seen["notCounted"] == "AccessDenied"
    on_usd = (0.029 + 0.004274 + 0.042) / 2
    assert seen["meterUsd"] == pytest.approx(on_usd, abs=0.001)
    look = queue_switch.look
    monkeypatch.setattr(queue_switch, "look", lambda *given: replace(look(*given), is_on=False))
    later(monkeypatch, 1800)
    rest_usd = (0.029 + 0.004274) / 2
    assert call({"action": "meter"})["meterUsd"] == pytest.approx(on_usd + rest_usd, abs=0.001)


def test_meter_that_sees_nothing_for_an_hour_fails_once_an_hour(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the alarm topic hears of it, and not with every tick."""
    call({"action": "meter"})

    def refuse(*_: object) -> None:
        raise ClientError({"Error": {"Code": "UnauthorizedOperation"}}, "DescribeInstances")

    monkeypatch.setattr(fleet, "find", refuse)
    failed = []
    for tick in range(1, 25):
        later(monkeypatch, 300)
        try:
            call({"action": "meter"})
        except app.GuardFailed as error:
            failed.append((tick, str(error)))
    why = "nothing was counted for over an hour: UnauthorizedOperation"
    assert [text for _, text in failed] == [why, why]


def test_warning_that_was_refused_is_sent_by_the_next_tick(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is noted when it was sent."""
    world.bill(15)
    with monkeypatch.context() as patched:
        patched.setattr(mail, "of_warning", lambda *_: 1 / 0)
        with pytest.raises(app.GuardFailed):
            call({"action": "meter"})
    call({"action": "meter"})
    assert world.mails() == ["15.00 of 20 USD are spent"]


def test_machine_of_another_type_is_counted_as_the_dearer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that EC2 has forgotten since, until now."""
    monkeypatch.setattr(prices.Prices, "steady", lambda *_, **__: 0.0)
    guard, now = app.setup(), int(time.time())
    (node,) = world.launch("gpu-node")
    guard.ledger.add(guard.ledger.month(now), 0, now, {node: "g4dn.xlarge", "i-0": "t3.small"})
    later(monkeypatch, 3600)
    assert call({"action": "meter"})["meterUsd"] == pytest.approx(0.663 + 0.029, abs=0.001)
