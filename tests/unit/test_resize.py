"""POST /resize and its motor: EC2 on loopback, a real Redis, and DynamoDB's own conditions.

Long because each test needs the same surroundings, and a way of failing is a test.
"""

import json
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
import redis

from node.claims import Claims
from tests import loopback, tokens
from tests.ec2 import Ec2, Fault
from tests.unit.resize_calls import (
    DOWN,
    START,
    STOP,
    UP,
    Control,
    Told,
    asked,
    read,
    tick,
)
from tests.unit.stop_calls import STOPPED, user
from tests.unit.waking_calls import OTHER, accepted
from tinyllama.resize_motor import app as motor
from tinyllama.utils.aws.sigv4 import Credentials
from tinyllama.utils.control import hold
from tinyllama.utils.control.advance import Motor
from tinyllama.utils.control.operation import LIMIT_S
from tinyllama.utils.control.step import CALLING_S
from tinyllama.utils.control.table import ControlTable, Overtaken
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.utils.settings import ControlSettings


@pytest.fixture(autouse=True)
def control(resize_control: Control, monkeypatch: pytest.MonkeyPatch) -> Control:
    """Both functions and their table; a queue reads what they mail."""
    queue = boto3.client("sqs").create_queue(QueueName="mail")["QueueUrl"]
    arn = "arn:aws:sqs:eu-central-1:123456789012:mail"
    topic = os.environ["TL_ALARM_TOPIC"]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    monkeypatch.setenv("TEST_MAILBOX", queue)
    return resize_control


def mails() -> list[str]:
    """The subjects of all mails so far."""
    answer = boto3.client("sqs").receive_message(
        QueueUrl=os.environ["TEST_MAILBOX"], MaxNumberOfMessages=10
    )
    return [json.loads(m["Body"])["Subject"] for m in answer.get("Messages", [])]


ROOT = Path(__file__).resolve().parents[2]


def begun(body: str) -> str:
    """The id of an operation that was accepted."""
    status, told = asked(body)
    assert status == 202, told
    return str(told["id"])


def state(operation_id: str) -> str:
    """The operation's state as GET tells it."""
    status, told = read(operation_id)
    assert status == 200
    return str(told["state"])


def test_resize_goes_through_tick_by_tick(ec2: Ec2, control: Control) -> None:
    """Running t3.small, stopped, changed, started, running; a hold until the type is there."""
    ec2.state = "running"
    operation = begun(UP)
    assert (ec2.state, state(operation), hold.hold_of(control.control, now=time.time())) == (
        "stopping",
        "stopping",
        "resizing",
    )
    tick()
    assert (ec2.state, ec2.instance_type) == ("stopping", "t3.small")
    ec2.settle()
    tick()
    assert (ec2.state, ec2.instance_type, state(operation)) == (
        "pending",
        "g4dn.xlarge",
        "starting",
    )
    assert hold.hold_of(control.control, now=time.time()) is None
    ec2.settle()
    assert tick()["state"] == "done"
    assert read(operation)[1] == {
        "id": operation,
        "action": "resize",
        "state": "done",
        "target": "g4dn.xlarge",
        "previous": "t3.small",
    }
    assert ec2.starts == 1


@pytest.mark.fault(
    fault="a function dies in the middle of a resize",
    place="after any step",
    user_sees="202 `starting` until the resize has ended",
    lost="nothing",
    recovers="within a minute, by itself",
)
@pytest.mark.parametrize("call", ["StopInstances", "ModifyInstanceAttribute", "StartInstances"])
@pytest.mark.parametrize("does_it", ["at once", "never"])
def test_resize_survives_a_crash_at_each_call(
    call: str, does_it: Any, ec2: Ec2, control: Control
) -> None:
    """EC2 did it or not, and nobody heard: the next tick sees, and goes on."""
    ec2.state, ec2.does_it = "running", does_it
    ec2.faults[call] = "closed"
    operation = begun(UP)
    ec2.settle()
    tick()
    ec2.faults.clear()
    for _ in range(4):
        ec2.settle()
        tick()
    assert (ec2.state, ec2.instance_type, state(operation)) == ("running", "g4dn.xlarge", "done")


def test_second_resize_is_409_until_the_first_has_ended(ec2: Ec2) -> None:
    """Also to the same type; the first one is not touched."""
    ec2.state = "running"
    first = begun(UP)
    for body in (UP, DOWN, START, STOP):
        assert asked(body) == (409, {"error": "resize_under_way"})
    assert state(first) == "stopping"


def test_one_of_two_at_once_wins(control: Control) -> None:
    """DynamoDB's condition decides, not what either has read."""
    ec2_calls: list[Told] = []
    barrier = threading.Barrier(2)

    def ask() -> None:
        barrier.wait()
        ec2_calls.append(asked(STOP))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    control.put(resizeState={"S": "done"})
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _ in ec2_calls) in ([202, 202], [202, 409])


@pytest.mark.fault(
    fault="AWS has no machine of the new type, or the quota is used up",
    place="during a resize",
    user_sees="the administrator 503 `node_unavailable`; others 202 `starting`",
    lost="nothing",
    recovers="the old type comes back by itself; a job that waits starts it",
)
@pytest.mark.parametrize(("fault", "reason"), [("no_capacity", "no_capacity"), ("quota", "quota")])
def test_refused_start_goes_back_to_the_old_type(
    fault: Fault,
    reason: str,
    ec2: Ec2,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """503 in the same request; the motor counts and mails it, once."""
    ec2.faults["StartInstances"] = fault
    status, told = asked(UP)
    operation = told.pop("id")
    assert (status, told) == (503, {"error": "node_unavailable", "reason": reason})
    assert (ec2.state, ec2.instance_type, state(operation)) == ("stopped", "t3.small", "failed")
    for _ in range(3):
        tick()
    assert mails() == [f"tinyllama-dev: resize of the node failed: {reason}"]
    out = capsys.readouterr().out
    assert out.count('"ResizeFailures": 1') == 1
    assert f'"Reason": "{reason}"' in out


def test_start_that_fell_back_is_seen(ec2: Ec2, control: Control) -> None:
    """EC2 accepted it, and had no machine after all: only the state's reason says so."""
    operation = begun(UP)
    assert ec2.state == "pending"
    ec2.state, ec2.state_reason = "stopped", "Server.InsufficientInstanceCapacity"
    tick()
    assert state(operation) == "starting"
    control.put(resizeStartedAt={"N": str(int(time.time()) - 60)})
    assert tick()["reason"] == "no_capacity"
    assert (ec2.instance_type, state(operation)) == ("t3.small", "failed")


def test_resize_that_takes_too_long_goes_back(ec2: Ec2, control: Control) -> None:
    """After 15 minutes: the node that never stopped keeps its type."""
    ec2.state = "stopping"
    operation = begun(UP)
    control.put(resizeDeadline={"N": str(int(time.time()) - 1)})
    assert tick()["reason"] == "timeout"
    assert state(operation) == "failed"
    assert mails() == ["tinyllama-dev: resize of the node failed: timeout"]


def test_mail_that_failed_is_sent_later(
    ec2: Ec2, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while somebody else may still be sending it."""
    ec2.faults["StartInstances"] = "quota"
    asked(UP)
    topic = os.environ["TL_ALARM_TOPIC"]
    monkeypatch.setenv("TL_ALARM_TOPIC", f"{topic}-none")
    tick()
    monkeypatch.setenv("TL_ALARM_TOPIC", topic)
    tick()
    assert mails() == []
    control.put(resizeMailing={"N": str(int(time.time()) - 61)})
    tick()
    tick()
    assert len(mails()) == 1


def test_latch_forbids_starts_and_resizes_but_not_stops(ec2: Ec2, control: Control) -> None:
    """503 `budget`, and nothing is written; one that comes half way takes the type back."""
    control.put(latchedAt={"N": "1796000000"})
    ec2.state = "running"
    for body in (START, UP):
        assert asked(body) == (503, {"error": "node_unavailable", "reason": "budget"})
    assert asked(STOP)[0] == 202
    assert ec2.asked.count("StopInstances") == 1


def test_latch_that_comes_half_way_starts_nothing(ec2: Ec2, control: Control) -> None:
    """The old type is back, and the node is off."""
    ec2.state = "running"
    begun(UP)
    control.put(latchedAt={"N": "1796000000"})
    ec2.settle()
    assert tick()["reason"] == "budget"
    assert (ec2.state, ec2.instance_type, ec2.starts) == ("stopped", "t3.small", 0)


def test_node_of_that_type_is_left_alone(ec2: Ec2) -> None:
    """Done at once; its state is as it was."""
    assert asked(DOWN)[1]["state"] == "done"
    assert ec2.asked == ["DescribeInstances"]


@pytest.mark.parametrize(
    ("body", "before", "after"),
    [(START, "stopped", "pending"), (STOP, "running", "stopping")],
)
def test_start_and_stop_are_operations_too(body: str, before: Any, after: str, ec2: Ec2) -> None:
    """202, and the motor sees the end."""
    ec2.state = before
    operation = begun(body)
    assert ec2.state == after
    ec2.settle()
    tick()
    assert state(operation) == "done"


def test_users_are_403_and_audited(ec2: Ec2, capsys: pytest.CaptureFixture[str]) -> None:
    """By the verified token; the line says who asked, for what, and what became of it."""
    ec2.state = "running"
    nobody = user(**{"cognito:groups": ["operators"]})
    assert asked(UP, nobody) == (403, {"error": "forbidden"})
    assert read("0" * 16, nobody) == (403, {"error": "forbidden"})
    assert ec2.asked == []
    refused = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (refused["sub"], refused["outcome"], refused["status"]) == (
        tokens.SUB,
        "forbidden",
        403,
    )
    operation = begun(UP)
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    (line,) = [one for one in lines if one.get("route") == "POST /resize"]
    names = ("sub", "action", "target", "force", "operation", "outcome")
    assert {name: line[name] for name in names} == {
        "sub": "admin-1",
        "action": "resize",
        "target": "g4dn.xlarge",
        "force": "false",
        "operation": operation,
        "outcome": "stopping",
    }


@pytest.mark.parametrize("sub", [OTHER, "admin-1"])
@pytest.mark.parametrize("body", [UP, STOP])
def test_job_that_runs_is_not_disturbed_unless_forced(
    sub: str, body: str, ec2: Ec2, jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """409, also for the administrator's own; by force a resize keeps it, a stop ends it."""
    ec2.state = "running"
    job = accepted(jobs, sub)
    redis_client.set("node:heartbeat", "1")
    assert Claims(redis_client, "i-1", life_s=300).next() is not None
    assert asked(body) == (409, {"error": "node_in_use"})
    assert ec2.state == "running"
    assert asked(f'{body[:-1]}, "force": true}}')[0] == 202
    found = jobs.state(job, sub)
    assert found is not None
    assert (found == STOPPED) == (body == STOP)


def test_only_the_last_operation_is_known(ec2: Ec2) -> None:
    """Any other id is 404."""
    assert read("0" * 16) == (404, {"error": "not_found"})
    begun(DOWN)
    assert read("0" * 16) == (404, {"error": "not_found"})


def test_table_that_does_not_answer_changes_nothing(ec2: Ec2, control: Control) -> None:
    """Fail closed: an operation that cannot be written is not begun."""
    ec2.state, control.control_refusal = "running", loopback.Answer(500)
    assert asked(UP) == (503, {"error": "node_unavailable", "reason": "refused"})
    assert ec2.state == "running"


def test_slower_of_two_that_go_on_is_told(control: Control, ec2: Ec2, key_table: Any) -> None:
    """Its write is refused: what it has read is no longer so."""
    ec2.state = "running"
    begun(UP)
    settings = ControlSettings(loopback.CONTROL_TABLE, "eu-central-1", key_table.url)
    own = Credentials(loopback.ACCESS_KEY, loopback.SECRET_KEY, loopback.SESSION_TOKEN)
    table = ControlTable(settings, time.time, lambda: own)
    seen = table.read().operation
    assert seen is not None
    control.put(resizeState={"S": "changing"})
    with pytest.raises(Overtaken):
        table.replace(seen, seen)


def test_operator_takes_back_what_is_done_and_what_is_not(ec2: Ec2, control: Control) -> None:
    """`{"revert": true}` to the motor: the other way round, or the way back."""
    ec2.state = "stopped"
    begun(UP)
    ec2.settle()
    tick()
    back = motor.handler({"revert": True}, None)
    assert (back["target"], back["state"]) == ("t3.small", "stopping")
    for _ in range(3):
        ec2.settle()
        tick()
    assert (ec2.state, ec2.instance_type) == ("running", "t3.small")
    under_way = begun(UP)
    assert motor.handler({"revert": True}, None)["reason"] == "reverted"
    assert ec2.instance_type == "t3.small"
    assert state(under_way) == "changing"
    control.put(resizeDeadline={"N": str(int(time.time()) + LIMIT_S - CALLING_S - 1)})
    tick()
    assert state(under_way) == "failed"
    assert LIMIT_S == 900


@pytest.mark.fault(
    fault="an operator takes a resize back while another caller is about to change the type",
    place="POST /resize, the motor",
    user_sees="`changing` for up to a minute more",
    lost="nothing: the node gets its old type again",
    recovers="by itself, at the next tick",
)
def test_call_that_comes_after_a_revert_is_undone(ec2: Ec2, control: Control) -> None:
    """Its step was written before the revert, and EC2 hears of it after."""
    ec2.state = "stopped"
    under_way = begun(UP)
    ec2.state, ec2.instance_type = "stopped", "t3.small"
    control.put(resizeState={"S": "changing"})
    assert motor.handler({"revert": True}, None)["state"] == "changing"
    ec2.instance_type = "g4dn.xlarge"
    tick()
    assert ec2.instance_type == "t3.small"
    control.put(resizeDeadline={"N": str(int(time.time()) + LIMIT_S - CALLING_S - 1)})
    tick()
    assert state(under_way) == "failed"


def test_caller_may_not_outlive_its_time() -> None:
    """Else a call could come after the operation has failed."""
    text = (ROOT / "cloudformation" / "resize.yaml").read_text("utf-8")
    timeouts = [int(found) for found in re.findall(r"Timeout: (\d+)", text)]
    assert max(timeouts) < CALLING_S


@pytest.mark.parametrize("later", ["start", "stop"])
def test_resize_is_taken_back_after_a_later_start_or_stop(later: str, ec2: Ec2) -> None:
    """Once; a second revert is a resize up again."""
    ec2.state = "stopped"
    begun(UP)
    ec2.settle()
    tick()
    begun(f'{{"action": "{later}"}}')
    if later == "stop":
        assert motor.handler({"revert": True}, None) == {"seen": "overtaken"}
    ec2.settle()
    tick()
    back = motor.handler({"revert": True}, None)
    assert (back["action"], back["target"]) == ("resize", "t3.small")
    for _ in range(3):
        ec2.settle()
        tick()
    assert (ec2.state, ec2.instance_type) == ("running", "t3.small")
    assert motor.handler({"revert": True}, None)["target"] == "g4dn.xlarge"


def test_revert_that_is_said_twice_is_one(ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its first steps were left to the motor, so that the operator saw no success."""
    ec2.state = "stopped"
    begun(UP)
    ec2.settle()
    tick()
    with monkeypatch.context() as patched:
        patched.setattr(Motor, "advance", lambda *_: raised(Overtaken()))
        first = motor.handler({"revert": True}, None)
    assert (first["target"], first["left"]) == ("t3.small", "Overtaken")
    assert motor.handler({"revert": True}, None)["operation"] == first["operation"]
    for _ in range(3):
        ec2.settle()
        tick()
    assert (ec2.state, ec2.instance_type, state(str(first["operation"]))) == (
        "running",
        "t3.small",
        "done",
    )


def test_resize_that_failed_with_its_new_type_is_taken_back(ec2: Ec2, control: Control) -> None:
    """Its way back did not end in time: the node's own type says what is to be done."""
    ec2.state = "stopped"
    begun(UP)
    control.put(resizeState={"S": "failed"}, resizeReason={"S": "timeout"}, resizeMailed={"N": "1"})
    ec2.state, ec2.instance_type = "stopped", "g4dn.xlarge"
    assert motor.handler({"revert": True}, None)["target"] == "t3.small"
    for _ in range(3):
        ec2.settle()
        tick()
    assert ec2.instance_type == "t3.small"


def raised(error: Exception) -> Any:
    """An expression that raises."""
    raise error
