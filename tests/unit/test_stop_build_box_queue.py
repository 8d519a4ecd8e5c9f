"""The killer and the queue's stack: busy, stuck, rolled back, and what CloudFormation left."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.guard_calls import STACK, World, call, later, made_world
from tinyllama.stop_build_box import fleet, killer, queue_switch


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The account of one test."""
    yield from made_world(monkeypatch)


@pytest.mark.fault(
    fault="CloudFormation gives up the cache or the endpoint while it turns the queue off",
    place="the month's money is spent",
    user_sees="503 `node_unavailable`, `budget`",
    lost="what they bill until somebody deletes them, which the meter counts",
    recovers="the mail names them: delete them by hand",
)
def test_what_cloudformation_left_is_told_once(world: World) -> None:
    """The stack says that it is off; the cache is there all the same."""
    cache, endpoint = world.cache(), world.endpoint()
    call({"action": "kill"})
    assert not world.is_queue_on()
    world.mails()
    left = [
        f"cache {cache}: left by CloudFormation; delete it by hand",
        f"endpoint {endpoint}: left by CloudFormation; delete it by hand",
    ]
    assert call({"action": "meter"})["failed"] == left
    assert world.mails() == ["budget killer: the node is latched"]
    call({"action": "meter"})
    assert world.mails() == []
    world.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    world.elasticache.delete_replication_group(ReplicationGroupId=cache)
    assert call({"action": "meter"})["failed"] == []


def test_look_for_the_cache_that_is_refused_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal is no absence."""
    call({"action": "kill"})

    def refuse(*_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "DescribeReplicationGroups")

    monkeypatch.setattr(queue_switch, "caches", refuse)
    assert call({"action": "kill"})["failed"] == ["queue: AccessDenied"]
    assert call({"action": "meter"})["notCounted"] == "AccessDenied"


def test_stack_that_is_being_changed_is_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On, it is tried again; off, it is being emptied, and what will be left is not known yet."""
    world.cache()
    look = queue_switch.look

    def busy(*given: Any) -> queue_switch.Switch:
        return replace(look(*given), status="UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")

    with monkeypatch.context() as patched:
        patched.setattr(queue_switch, "look", busy)
        assert call({"action": "kill"})["failed"] == [killer.BUSY]
    call({"action": "kill"})
    monkeypatch.setattr(queue_switch, "look", busy)
    assert call({"action": "kill"})["failed"] == [killer.BUSY]


def test_stack_that_does_not_end_is_told_after_an_hour(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A nested stack's cleanup stands still while another one cannot roll back."""
    call({"action": "kill"})
    look = queue_switch.look

    def busy(*given: Any) -> queue_switch.Switch:
        return replace(look(*given), is_on=True, status="UPDATE_ROLLBACK_IN_PROGRESS")

    monkeypatch.setattr(queue_switch, "look", busy)
    world.mails()
    assert call({"action": "meter"})["failed"] == [killer.BUSY]
    assert world.mails() == []
    later(monkeypatch, 3700)
    line = "queue: a stack has been UPDATE_ROLLBACK_IN_PROGRESS for over an hour"
    for _ in range(3):
        assert call({"action": "meter"})["failed"] == [line]
    assert world.mails() == ["budget killer: the node is latched"]


@pytest.mark.parametrize("is_readable", [True, False])
def test_queue_waits_for_its_root_where_that_can_be_read(
    is_readable: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the root's update would meet a nested stack that is busy, and roll back."""
    look = queue_switch.look

    def root_is_busy(client: Any, stack: str) -> queue_switch.Switch:
        if stack != STACK:
            return look(client, stack)
        if not is_readable:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "DescribeStacks")
        return replace(look(client, stack), status="UPDATE_IN_PROGRESS")

    monkeypatch.setattr(queue_switch, "look", root_is_busy)
    call({"action": "kill"})
    assert world.is_queue_on() is is_readable


def test_update_that_rolls_back_each_time_is_told_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each tick begins it again; a mail for each would be 288 a day."""
    look = queue_switch.look

    def rolled_back(*given: Any) -> queue_switch.Switch:
        return replace(look(*given), is_on=True, status="UPDATE_ROLLBACK_COMPLETE")

    monkeypatch.setattr(queue_switch, "look", rolled_back)
    monkeypatch.setattr(queue_switch, "turn_off", lambda *_: None)
    for _ in range(4):
        call({"action": "kill"})
    assert world.mails() == ["budget killer: an operator asked for it"]


def test_end_of_a_trouble_is_no_mail(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A throttled call is told; that the next tick went well is not; the next trouble is."""
    call({"action": "kill"})
    world.mails()

    def refuse(*_: object) -> None:
        raise ClientError({"Error": {"Code": "Throttling"}}, "DescribeInstances")

    for _ in range(2):
        with monkeypatch.context() as patched:
            patched.setattr(fleet, "find", refuse)
            call({"action": "kill"})
        assert world.mails() == ["budget killer: an operator asked for it"]
        call({"action": "kill"})
        assert world.mails() == []


def test_builder_that_is_stopped_is_ended(world: World) -> None:
    """Nobody starts it again, and its volume bills."""
    (builder,), (node,) = world.launch("builder"), world.launch("gpu-node")
    world.ec2.stop_instances(InstanceIds=[builder, node])
    assert len(call({"action": "rehearse"})["done"]) == 2
    call({"action": "kill"})
    assert (world.states()[builder], world.states()[node]) == ("terminated", "stopped")


def event(name: str, status: str, kind: str = "AWS::ElastiCache::UserGroup") -> dict[str, str]:
    """An event of a stack `s`."""
    return {
        "StackId": "s",
        "LogicalResourceId": name,
        "PhysicalResourceId": "s" if kind == "AWS::CloudFormation::Stack" else f"own-{name}",
        "ResourceType": kind,
        "ResourceStatus": status,
    }


def test_what_the_last_change_could_not_delete_is_named() -> None:
    """Not what it deleted at a second try, not what an earlier one could not, and no cache, which
    is looked for itself."""
    stack = "AWS::CloudFormation::Stack"
    events = [
        event("Queue", "DELETE_FAILED", "AWS::ElastiCache::ReplicationGroup"),
        event("Users", "DELETE_FAILED"),
        event("Group", "DELETE_COMPLETE"),
        event("s", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", stack),
        event("Group", "DELETE_FAILED"),
        event("s", "UPDATE_IN_PROGRESS", stack),
        event("Old", "DELETE_FAILED"),
    ]
    assert queue_switch.left_behind(events) == ["own-Users"]


def test_name_that_is_left_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next deploy would fail because of it."""
    call({"action": "kill"})
    monkeypatch.setattr(queue_switch, "given_up", lambda *_: ["tl-users-0a1b2c3d"])
    line = "name tl-users-0a1b2c3d: left by CloudFormation; delete it by hand"
    assert call({"action": "kill"})["failed"] == [line]
