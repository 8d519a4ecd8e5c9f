"""The next step of an operation, for every state and type of the node and every phase."""

from dataclasses import replace
from typing import Any

import pytest

from tinyllama.utils.aws.compute import Node
from tinyllama.utils.control.operation import LIMIT_S, Operation, State
from tinyllama.utils.control.step import SETTLING_S, Step, failing, step

NOW = 1_800_000_000
OLD, NEW, OTHER = "t3.small", "g4dn.xlarge", "m5.large"
RESIZE = Operation("0" * 16, "resize", "stopping", NEW, OLD, NOW - 60, NOW + 600, "admin-1")
UNDER_WAY: tuple[State, ...] = ("stopping", "changing", "starting")
NODE_STATES: tuple[Any, ...] = ("running", "pending", "stopping", "stopped")
WAIT = "wait"


def node(state: Any, kind: str, reason: str = "") -> Node:
    """The node as EC2 describes it."""
    return Node("i-0", state, kind, reason)


def told(operation: Operation, found: Node | None, *, now: int = NOW, latched: bool = False) -> Any:
    """The state that is written, the call with its type; or `wait`."""
    following = step(operation, found, now=now, is_latched=latched)
    if following == Step(operation):
        return WAIT
    return (following.operation.state, following.call, following.instance_type)


FORWARD = {
    ("running", OLD): ("stopping", "stop", ""),
    ("running", NEW): ("done", None, ""),
    ("running", OTHER): ("stopping", "stop", ""),
    ("stopped", OLD): ("changing", "change_type", NEW),
    ("stopped", NEW): ("starting", "start", ""),
    ("stopped", OTHER): ("changing", "change_type", NEW),
    **{(state, kind): WAIT for state in ("pending", "stopping") for kind in (OLD, NEW, OTHER)},
}
BACK = {
    **{(state, OLD): ("failed", None, "") for state in NODE_STATES},
    **{("running", kind): ("stopping", "stop", "") for kind in (NEW, OTHER)},
    **{("stopped", kind): ("changing", "change_type", OLD) for kind in (NEW, OTHER)},
    **{(state, kind): WAIT for state in ("pending", "stopping") for kind in (NEW, OTHER)},
}


@pytest.mark.parametrize("phase", UNDER_WAY)
@pytest.mark.parametrize(("state", "kind"), FORWARD)
def test_resize_goes_ahead_by_what_ec2_says(phase: State, state: str, kind: str) -> None:
    """The phase that was recorded decides nothing, so a crash anywhere repeats a step."""
    assert told(replace(RESIZE, state=phase), node(state, kind)) == FORWARD[state, kind]


@pytest.mark.parametrize("phase", UNDER_WAY)
@pytest.mark.parametrize(("state", "kind"), BACK)
def test_failing_resize_goes_back(phase: State, state: str, kind: str) -> None:
    """To the previous type, and the node is left stopped; nothing starts it for a failure."""
    operation = replace(RESIZE, state=phase, reason="quota")
    assert told(operation, node(state, kind)) == BACK[state, kind]
    assert step(operation, node(state, kind), now=NOW, is_latched=False).operation.reason == "quota"


@pytest.mark.parametrize(
    ("action", "state", "following"),
    [
        ("start", "stopped", ("starting", "start", "")),
        ("start", "running", ("done", None, "")),
        ("start", "pending", WAIT),
        ("start", "stopping", WAIT),
        ("stop", "stopped", ("done", None, "")),
        ("stop", "running", ("stopping", "stop", "")),
        ("stop", "pending", WAIT),
        ("stop", "stopping", WAIT),
    ],
)
def test_start_and_stop(action: Any, state: Any, following: object) -> None:
    """A node on its way is waited for: EC2 would refuse."""
    phase: State = "starting" if action == "start" else "stopping"
    operation = replace(RESIZE, action=action, state=phase, target=OLD)
    found = step(operation, node(state, OLD), now=NOW, is_latched=False)
    seen = (found.operation.state, found.call, found.instance_type)
    assert (WAIT if found == Step(operation) else seen) == following


@pytest.mark.parametrize("ended", ["done", "failed"])
@pytest.mark.parametrize(("state", "kind"), FORWARD)
def test_ended_operation_touches_nothing(ended: Any, state: str, kind: str) -> None:
    """Whatever the node does later."""
    assert told(replace(RESIZE, state=ended), node(state, kind), now=NOW + 9999) == WAIT


@pytest.mark.parametrize(
    ("code", "after_s", "following"),
    [
        ("", SETTLING_S - 1, WAIT),
        ("Server.InsufficientInstanceCapacity", SETTLING_S - 1, WAIT),
        ("Server.InsufficientInstanceCapacity", SETTLING_S, ("changing", "no_capacity")),
        ("Client.InternalError", SETTLING_S, ("changing", "refused")),
        ("Client.UserInitiatedShutdown", SETTLING_S, ("done", None)),
        ("Client.InstanceInitiatedShutdown", SETTLING_S, ("done", None)),
        ("", SETTLING_S, ("done", None)),
    ],
)
def test_node_that_stopped_after_its_start(code: str, after_s: int, following: object) -> None:
    """Without capacity EC2 may accept a start and fall back; somebody who stopped it meant it."""
    operation = replace(RESIZE, state="starting", started_at=NOW - after_s)
    found = step(operation, node("stopped", NEW, code), now=NOW, is_latched=False)
    seen = (found.operation.state, found.operation.reason)
    assert (WAIT if found == Step(operation) else seen) == following


def test_old_reason_of_ec2_is_no_verdict_on_a_start_to_come() -> None:
    """The code stays from an earlier fall back until the next start."""
    stale = node("stopped", NEW, "Server.InsufficientInstanceCapacity")
    assert told(replace(RESIZE, state="changing"), stale) == ("starting", "start", "")


@pytest.mark.parametrize(("state", "kind"), FORWARD)
def test_deadline_turns_back_unless_it_is_done(state: str, kind: str) -> None:
    """The way back has as long again."""
    found = step(RESIZE, node(state, kind), now=RESIZE.deadline, is_latched=False).operation
    if (state, kind) == ("running", NEW):
        assert found.state == "done"
    else:
        late = replace(
            RESIZE, state="changing", reason="timeout", deadline=RESIZE.deadline + LIMIT_S
        )
        assert found == late
        assert told(late, node("pending", NEW), now=late.deadline)[0] == "failed"


def test_node_that_is_gone_is_waited_for_until_the_deadline() -> None:
    """Then there is nothing to put back."""
    assert told(RESIZE, None) == WAIT
    late = step(RESIZE, None, now=RESIZE.deadline, is_latched=False).operation
    assert (late.state, late.reason) == ("changing", "timeout")
    assert told(late, None)[0] == "failed"


@pytest.mark.parametrize("action", ["start", "resize"])
def test_latch_starts_nothing(action: Any) -> None:
    """Nor is a call made: the operation fails, and a changed type goes back."""
    operation = replace(RESIZE, action=action)
    found = step(operation, node("stopped", NEW), now=NOW, is_latched=True)
    assert (found.operation.reason, found.call) == ("budget", None)
    assert found.operation.state == ("failed" if action == "start" else "changing")


def test_first_reason_stays() -> None:
    """What fails on the way back does not hide why it went back."""
    once = failing(RESIZE, "quota", NOW)
    assert failing(once, "timeout", NOW + 1) == once
