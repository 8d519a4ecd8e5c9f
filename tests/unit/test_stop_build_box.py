"""The killer: in its order, once and again, and whatever EC2 refuses."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.guard_calls import ALERT, World, call, made_world
from tinyllama.stop_build_box import app, fleet, mail


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The account of one test."""
    yield from made_world(monkeypatch)


def test_kill_turns_off_what_bills_and_nothing_else(world: World) -> None:
    """Latch, machines, addresses, queue, mail; foreign ones and what is attached stay."""
    (node,), (builder,) = world.launch("gpu-node"), world.launch("builder")
    (foreign,) = world.launch("gpu-node", Stack="another")
    loose, attached = world.address(), world.address()
    foreign_address = world.address(Stack="another")
    world.ec2.associate_address(AllocationId=attached, InstanceId=foreign)
    answer = call(ALERT)
    assert answer["failed"] == []
    states = world.states()
    assert (states[node], states[builder], states[foreign]) == ("stopped", "terminated", "running")
    kept = {a["AllocationId"] for a in world.ec2.describe_addresses()["Addresses"]}
    assert kept == {attached, foreign_address}
    assert loose not in kept
    assert not world.is_queue_on()
    assert "latchedAt" in world.item("node")
    assert world.mails() == ["budget killer: the Budget says that 105 % are spent"]


@pytest.mark.fault(
    fault="the killer is called twice",
    place="the month's money is spent",
    user_sees="nothing more",
    lost="nothing: the latch keeps its first time, one mail is sent",
    recovers="by itself",
)
def test_kill_twice_does_no_harm(world: World) -> None:
    """The second run finds nothing to do, and sends no mail."""
    world.launch("gpu-node")
    call({"action": "kill"})
    latch = world.item("node")
    assert len(world.mails()) == 1
    assert call({"action": "kill"}) == {"done": [], "failed": []}
    assert (world.item("node"), world.mails()) == (latch | {"latchedTold": ""}, [])


def test_kill_without_a_reservation(world: World) -> None:
    """No machine at all is no error."""
    assert call({"action": "kill"})["failed"] == []


def test_kill_reads_every_page(world: World) -> None:
    """More machines than a page holds."""
    world.launch("builder", fleet.PAGE_SIZE + 1)
    world.launch("gpu-node", fleet.PAGE_SIZE + 1)
    call({"action": "kill"})
    assert set(world.states().values()) == {"terminated", "stopped"}


@pytest.mark.fault(
    fault="EC2 refuses to stop one machine",
    place="the killer stops all",
    user_sees="nothing",
    lost="nothing: the others are stopped, the mail names the refusal",
    recovers="the meter tries again every 5 minutes",
)
def test_one_refusal_does_not_spare_the_rest(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor the steps after it; the next tick of the meter tries again."""
    nodes = world.launch("gpu-node", 3)
    end = fleet.end

    def refuse(ec2: Any, machine: fleet.Machine, **rest: Any) -> None:
        if machine.instance_id == nodes[0]:
            raise ClientError({"Error": {"Code": "IncorrectInstanceState"}}, "StopInstances")
        end(ec2, machine, **rest)

    with monkeypatch.context() as patched:
        patched.setattr(fleet, "end", refuse)
        answer = call({"action": "kill"})
    line = f"end gpu-node {nodes[0]} (t3.small): IncorrectInstanceState"
    assert answer["failed"] == [line]
    assert [world.states()[node] for node in nodes] == ["running", "stopped", "stopped"]
    assert not world.is_queue_on()
    call({"action": "meter"})
    assert world.states()[nodes[0]] == "stopped"


def test_step_that_cannot_look_does_not_spare_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the latch nor the queue waits for EC2."""

    def refuse(*_: object) -> None:
        raise ClientError({"Error": {"Code": "UnauthorizedOperation"}}, "DescribeInstances")

    monkeypatch.setattr(fleet, "find", refuse)
    assert call({"action": "kill"})["failed"] == ["machines: UnauthorizedOperation"]
    assert "latchedAt" in world.item("node")
    assert not world.is_queue_on()


@pytest.mark.fault(
    fault="SNS refuses the killer's mail",
    place="the month's money is spent",
    user_sees="nothing",
    lost="nothing: everything is off",
    recovers="Lambda runs it again, and the mail is sent then",
)
def test_mail_that_was_refused_is_sent_by_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda repeats a run that raises; that one finds nothing to do, and still tells."""
    with monkeypatch.context() as patched:
        patched.setattr(mail, "of_outcome", lambda *_: 1 / 0)
        with pytest.raises(app.GuardFailed, match="kill: ZeroDivisionError"):
            call({"action": "kill"})
    assert not world.is_queue_on()
    call({"action": "kill"})
    assert world.mails() == ["budget killer: an operator asked for it"]
