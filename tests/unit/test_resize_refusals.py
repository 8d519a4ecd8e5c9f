"""Resize where something stands in the way: the body, the queue, the node, the table, the latch."""

import json
import os
from typing import Any

import pytest
import redis

from node.claims import Claims
from tests import loopback
from tests.ec2 import Ec2
from tests.unit.resize_calls import DOWN, START, STOP, UP, Control, asked, read, tick
from tests.unit.waking_calls import accepted
from tinyllama.resize_motor import app as motor
from tinyllama.utils.aws import compute
from tinyllama.utils.aws.sigv4 import Credentials
from tinyllama.utils.control.advance import Motor
from tinyllama.utils.control.hold import ControlUnavailable
from tinyllama.utils.control.operation import attributes, operation_of
from tinyllama.utils.control.table import ControlTable, Overtaken
from tinyllama.utils.queue.errors import QueueUnavailable
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.utils.settings import ControlSettings

FORCED = '{"action": "stop", "force": true}'
SILENT = (503, {"error": "queue_unavailable"})


@pytest.fixture(autouse=True)
def control(resize_control: Control) -> Control:
    """Both functions and their table."""
    return resize_control


def silent(*_: object, **__: object) -> Any:
    raise QueueUnavailable("timeout")


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ("{}", "action", "missing"),
        ('{"action": 1}', "action", "not text"),
        ('{"action": "fly"}', "action", "not one of the known values"),
        ('{"action": "resize"}', "target", "missing"),
        ('{"action": "resize", "target": "m5.large"}', "target", "not one of the known values"),
        ('{"action": "start", "target": "t3.small"}', "target", "unknown field"),
        ('{"action": "stop", "force": "yes"}', "force", "not true or false"),
    ],
)
def test_wrong_body_does_nothing(
    body: str, field: str, reason: str, ec2: Ec2, control: Control
) -> None:
    """400 with the field; EC2 and the table are not asked."""
    assert asked(body) == (400, {"error": "invalid_request", "field": field, "reason": reason})
    assert (ec2.asked, control.control) == ([], None)


def test_queue_that_does_not_answer_forbids_what_is_not_forced(
    ec2: Ec2, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether a job runs; an administrator's force passes over that, and then the
    owners cannot be told either."""
    ec2.state = "running"
    monkeypatch.setattr(JobQueue, "stop_request", silent)
    monkeypatch.setattr(JobQueue, "stop_jobs", silent)
    assert asked(STOP) == SILENT
    status, told = asked(FORCED)
    assert (status, told["state"]) == (202, "stopping")
    assert "StopInstances" in ec2.asked


def test_administrator_is_limited_too(redis_client: redis.Redis, ec2: Ec2) -> None:
    """The 21st request of a minute is 429, and EC2 is not asked for it."""
    now_us = int(redis_client.time()[0]) * 1_000_000 - 10_000_000
    earlier = " ".join(str(now_us + number) for number in range(20))
    redis_client.set("throttle:admin-1", earlier)
    assert asked(STOP)[0] == 429
    assert ec2.asked == []


def test_node_can_be_stopped_while_there_is_no_queue(
    ec2: Ec2, monkeypatch: pytest.MonkeyPatch
) -> None:
    """UseGpu is false: nobody is asked, and nobody told."""
    for name in ("HOST", "PORT", "CACHE", "USER"):
        monkeypatch.setenv(f"TL_QUEUE_{name}", "")
    ec2.state = "running"
    assert asked(STOP)[0] == 202
    assert "StopInstances" in ec2.asked


def test_stack_without_a_node_is_told(ec2: Ec2, control: Control) -> None:
    """503, and no operation is begun."""
    ec2.state = None
    assert asked(UP) == (503, {"error": "node_unavailable", "reason": "none"})
    assert control.control is None


@pytest.mark.parametrize("error", [compute.NodeUnavailable("refused"), Overtaken()])
def test_step_that_breaks_is_left_to_the_motor(
    error: Exception, ec2: Ec2, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operation is written: 202, and the next tick goes on with it."""

    def fail(*_: object) -> None:
        raise error

    ec2.state = "running"
    with monkeypatch.context() as patched:
        patched.setattr(Motor, "advance", fail)
        status, told = asked(UP)
    assert (status, told["state"]) == (202, "stopping")
    tick()
    assert "StopInstances" in ec2.asked


def test_table_that_does_not_answer_begins_nothing(control: Control, ec2: Ec2) -> None:
    """Who cannot write what is wanted does not begin with it."""
    control.control_refusal = loopback.Answer(500)
    assert asked(UP) == (503, {"error": "node_unavailable", "reason": "refused"})
    assert tick()["why"].startswith("control table: ")
    assert "StopInstances" not in ec2.asked


def test_motor_without_an_operation_has_nothing_to_do(ec2: Ec2) -> None:
    """Neither by its schedule nor to take back."""
    assert tick() == {"seen": "none"}
    assert motor.handler({"revert": True}, None) == {"seen": "none"}
    assert asked(START)[0] == 202
    assert motor.handler({"revert": True}, None) == {"seen": "none"}


def test_resize_that_has_failed_is_taken_back_already(ec2: Ec2) -> None:
    """The old type is back; a revert does nothing more, also a second one under way."""
    ec2.faults["StartInstances"] = "no_capacity"
    assert asked(UP)[0] == 503
    for _ in range(3):
        ec2.settle()
        tick()
    assert ec2.instance_type == "t3.small"
    asked_before = len(ec2.asked)
    assert motor.handler({"revert": True}, None)["state"] == "failed"
    assert "StartInstances" not in ec2.asked[asked_before:]


def test_revert_while_latched_is_refused(ec2: Ec2, control: Control) -> None:
    """It would start the node; the line says what stands in the way."""
    ec2.state = "stopped"
    assert asked(UP)[0] == 202
    for _ in range(3):
        ec2.settle()
        tick()
    control.put(latchedAt={"N": "1796000000"})
    assert motor.handler({"revert": True}, None) == {"why": "the budget's latch is set"}


def test_motor_that_is_overtaken_leaves_it_to_the_other(
    monkeypatch: pytest.MonkeyPatch, ec2: Ec2, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another tick was quicker: no failure. A defect is one line, without its message."""

    def overtaken(*_: object) -> None:
        raise Overtaken

    def broken(*_: object) -> None:
        raise ZeroDivisionError("s3cr3t")

    with monkeypatch.context() as patched:
        patched.setattr(ControlTable, "read", overtaken)
        assert tick() == {"seen": "overtaken"}
        patched.setattr(ControlTable, "read", broken)
        assert tick() == {"why": "ZeroDivisionError"}
    monkeypatch.setenv("TL_PROJECT", "")
    motor.settings.cache_clear()
    ec2.state = "running"
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["level"] for line in lines] == ["INFO", "ERROR"]
    assert "s3cr3t" not in json.dumps(lines)


def test_mail_of_an_operation_that_is_no_longer_there_is_not_noted(control: Control) -> None:
    """Another operation has taken its place."""
    table = ControlTable(
        ControlSettings(
            loopback.CONTROL_TABLE, "eu-central-1", os.environ["AWS_ENDPOINT_URL_DYNAMODB"]
        ),
        clock=lambda: 1.0,
        credentials=lambda: Credentials(
            loopback.ACCESS_KEY, loopback.SECRET_KEY, loopback.SESSION_TOKEN
        ),
    )
    assert asked(DOWN)[0] == 202
    operation = operation_of(control.control)
    assert operation is not None
    control.put(resizeId={"S": "another"})
    with pytest.raises(Overtaken):
        table.note_mail(operation, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"resizeState": {"S": "dancing"}},
        {"resizeState": {"N": "1"}},
        {"resizeBegan": {"N": "soon"}},
        {"resizeTarget": {"S": None}},
        {"resizeReason": {"S": "mood"}},
        {"resizeBy": None},
    ],
)
def test_operation_that_cannot_be_read_is_none_of_ours(
    change: dict[str, Any], control: Control
) -> None:
    """Nothing is guessed: whoever reads it says so, and does nothing."""
    assert asked(DOWN)[0] == 202
    operation = operation_of(control.control)
    assert operation is not None
    item = {name: value for name, value in attributes(operation).items() if value is not None}
    assert operation_of(item) == operation
    with pytest.raises(ControlUnavailable):
        operation_of(item | change)
    with pytest.raises(ControlUnavailable):
        operation_of([])
    assert operation_of(None) is None
    assert operation_of({"id": {"S": "node"}}) is None


def test_job_that_runs_forbids_a_resize(
    jobs: JobQueue, redis_client: redis.Redis, ec2: Ec2
) -> None:
    """Also the administrator's own; force ends it."""
    ec2.state = "running"
    accepted(jobs)
    assert Claims(redis_client, "i-1", life_s=300).next() is not None
    assert asked(UP) == (409, {"error": "node_in_use"})
    status, told = asked(UP[:-1] + ', "force": true}')
    assert status == 202
    assert read(told["id"])[1]["target"] == "g4dn.xlarge"


@pytest.mark.parametrize("body", [UP, STOP])
def test_node_that_starts_is_not_stopped_under_the_job_it_takes(
    body: str, ec2: Ec2, control: Control
) -> None:
    """It would be stopped as soon as it runs; only force wants that."""
    ec2.state = "pending"
    assert asked(body) == (409, {"error": "node_starting"})
    assert control.control is None
    assert asked(body[:-1] + ', "force": true}')[0] == 202


def test_job_that_begins_while_the_node_is_looked_for_forbids_a_resize(
    jobs: JobQueue,
    redis_client: redis.Redis,
    ec2: Ec2,
    control: Control,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The question is put again before anything is written, and the throttle counts once."""
    ec2.state = "running"
    real = compute.find_node

    def find_late(*given: Any, **named: Any) -> compute.Node | None:
        accepted(jobs)
        assert Claims(redis_client, "i-1", life_s=300).next() is not None
        return real(*given, **named)

    monkeypatch.setattr(compute, "find_node", find_late)
    assert asked(UP) == (409, {"error": "node_in_use"})
    assert (control.control, ec2.state) == (None, "running")
    assert len(str(redis_client.get("throttle:admin-1")).split()) == 1
