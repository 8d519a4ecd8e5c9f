"""What forbids that the node is started, by each way in which somebody may start it."""

import time
from typing import Any

import pytest
import redis

from tests import loopback
from tests.ec2 import Ec2
from tests.unit.conftest import key_item
from tests.unit.waking_calls import (
    LATER,
    WAYS,
    Way,
    accepted,
    ask,
    get,
    grow_old,
    left,
    post,
    scheduled,
)
from tinyllama.utils.aws.sigv4 import Credentials
from tinyllama.utils.control.hold import ControlUnavailable, hold_of, read_hold
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.utils.settings import ControlSettings

LATCHED = {"id": {"S": "node"}, "latchedAt": {"N": "1796000000"}, "latchedWhy": {"S": "21.40 USD"}}


def resize(state: str) -> dict[str, Any]:
    """The item while, or after, a resize."""
    return {
        "id": {"S": "node"},
        "resizeId": {"S": "r1"},
        "resizeState": {"S": state},
        "resizeDeadline": {"N": str(int(time.time()) + 900)},
    }


@pytest.fixture
def control(key_table: loopback.Endpoint) -> loopback.Table:
    """The table that the functions read, still without an item."""
    table = loopback.Table(item=key_item())
    key_table.answer = table.answer
    return table


@pytest.mark.usefixtures("waking")
@pytest.mark.fault(
    fault="the month's money is spent",
    place="the node is asleep",
    user_sees="503 `node_unavailable`, `budget`; a job that waited is `failed` with it",
    lost="nothing is left in the queue",
    recovers="an operator lifts it",
)
@pytest.mark.parametrize("way", WAYS)
def test_latched_node_is_started_by_nobody(
    way: Way, ec2: Ec2, jobs: JobQueue, redis_client: redis.Redis, control: loopback.Table
) -> None:
    """A POST is told at once, and an owner who waits is told by the waker."""
    control.control = LATCHED
    if way == "POST":
        assert post() == (503, {"error": "node_unavailable", "reason": "budget"})
        assert redis_client.zcard("waiting") == 0
    else:
        job = accepted(jobs)
        ask(way, job)
        grow_old(redis_client, job)
        redis_client.delete("node:start")
        scheduled()
        failed = {"id": job, "status": "failed", "error": "node_unavailable", "reason": "budget"}
        assert get(job) == (200, failed)
    assert (ec2.starts, ec2.state) == (0, "stopped")


@pytest.mark.usefixtures("waking")
@pytest.mark.fault(
    fault="the node's type is being changed",
    place="the node is asleep",
    user_sees="202 `starting`",
    lost="nothing",
    recovers="the next look after the change starts it",
)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("state", ["stopping", "changing"])
def test_node_is_not_started_under_a_resize(
    way: Way,
    state: str,
    ec2: Ec2,
    jobs: JobQueue,
    redis_client: redis.Redis,
    control: loopback.Table,
) -> None:
    """Else it would come up with its old type; the job is kept, and starts the node afterwards."""
    control.control = resize(state)
    if way == "POST":
        status, body = post()
        job = body["id"]
        assert (status, body) == (202, {"status": "starting", "eta": 90, "id": job})
    else:
        job = accepted(jobs)
        ask(way, job)
    assert (ec2.starts, left(jobs, job)) == (0, "queued")
    control.control = resize("done")
    redis_client.delete("node:start")
    scheduled()
    assert ec2.starts == 1


@pytest.mark.usefixtures("waking")
@pytest.mark.fault(
    fault="the control table cannot be read",
    place="the node is asleep",
    user_sees="503 `node_unavailable`, `refused`",
    lost="nothing is left in the queue",
    recovers="send it again; a job that waits is tried every minute",
)
@pytest.mark.parametrize(
    "refusal",
    [loopback.Answer(400, b"{}"), loopback.Answer(500), loopback.Answer(body=b'{"Item": []}')],
)
def test_node_is_not_started_if_nobody_knows(
    refusal: loopback.Answer, ec2: Ec2, jobs: JobQueue, control: loopback.Table
) -> None:
    """A start costs money: what cannot be read forbids it."""
    control.control_refusal = refusal
    assert post() == (503, {"error": "node_unavailable", "reason": "refused"})
    assert ec2.starts == 0


@pytest.mark.usefixtures("waking")
@pytest.mark.parametrize("way", LATER)
def test_node_that_runs_is_asked_for_nothing(
    way: Way, ec2: Ec2, jobs: JobQueue, control: loopback.Table
) -> None:
    """The table is read only where EC2 would be asked to start the node."""
    control.control_refusal = loopback.Answer(500)
    ec2.state = "running"
    job = accepted(jobs)
    ask(way, job)
    assert left(jobs, job) == "queued"


@pytest.mark.parametrize(
    ("item", "hold"),
    [
        (None, None),
        ({"id": {"S": "node"}}, None),
        (LATCHED, "budget"),
        (LATCHED | resize("changing"), "budget"),
        (resize("stopping"), "resizing"),
        (resize("changing"), "resizing"),
        (resize("starting"), None),
        (resize("done"), None),
        (resize("failed"), None),
    ],
)
def test_hold_of_an_item(item: dict[str, Any] | None, hold: str | None) -> None:
    """The latch comes first; a resize that has changed the type holds nothing."""
    assert hold_of(item, now=time.time()) == hold


@pytest.mark.parametrize(
    "item",
    [
        [],
        "x",
        {"resizeState": {"N": "1"}},
        {"resizeState": "changing"},
        {"resizeState": {"S": "changing"}},
        {"resizeState": {"S": "changing"}, "resizeDeadline": {"N": "soon"}},
        {"resizeState": {"S": "changing"}, "resizeDeadline": {"N": "1"}},
    ],
)
def test_item_that_is_none_of_ours_is_no_permission(item: object) -> None:
    """Nothing fails open."""
    with pytest.raises(ControlUnavailable):
        hold_of(item, now=time.time())


def test_table_that_is_not_there() -> None:
    """The message names the call and the failure, for the log."""
    settings = ControlSettings("t-control", "eu-central-1", "http://127.0.0.1:1")
    with pytest.raises(ControlUnavailable, match="control table: GetItem: ConnectionRefusedError"):
        read_hold(settings, now=time.time(), credentials=lambda: Credentials("a", "b", None))
