"""EC2 on loopback: one node with the states that an instance passes through, and EC2's failures."""

import time
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import parse_qs

from tests.loopback import Answer, Request

NODE_ID: Final = "i-0123456789abcdef0"
State = Literal["pending", "running", "stopping", "stopped"]
Fault = Literal[
    "no_capacity",
    "quota",
    "refused",
    "wrong_state",
    "silent",
    "closed",
    "cut",
    "empty",
    "no_xml",
    "other_xml",
    "server_error",
]
UNCLEAR: Final[tuple[Fault, ...]] = (
    *("silent", "closed", "cut", "empty", "no_xml", "other_xml", "server_error"),
)
"""Answers to a start after which nobody knows whether EC2 carries it out."""
_CODES: Final = {"pending": 0, "running": 16, "stopping": 64, "stopped": 80}
_ERRORS: Final = {
    "no_capacity": (500, "InsufficientInstanceCapacity"),
    "quota": (400, "VcpuLimitExceeded"),
    "refused": (403, "UnauthorizedOperation"),
    "wrong_state": (400, "IncorrectInstanceState"),
    "server_error": (503, "Unavailable"),
}
_SILENCE_S: Final = 0.6
"""Longer than the tests let a client wait."""


class Broken(Exception):
    """Closes the connection in the place of an answer."""


@dataclass
class Ec2:
    """`endpoint(ec2.answer)` serves it.

    `state` is None while there is no node. `faults` says what goes wrong with an action.
    `does_it` says whether EC2 carries out what it answers with one of `UNCLEAR`; `later` waits
    until `settle` is called.
    """

    state: State | None = "stopped"
    faults: dict[str, Fault] = field(default_factory=dict)
    does_it: Literal["at once", "later", "never"] = "never"
    asked: list[str] = field(default_factory=list)
    starts: int = 0
    instance_type: str = "t3.small"
    state_reason: str = ""
    _is_due: bool = False

    def answer(self, request: Request) -> Answer:
        """DescribeInstances, StartInstances, StopInstances and ModifyInstanceAttribute of the one
        node."""
        sent = parse_qs(request.body.decode())
        action = sent["Action"][0]
        self.asked.append(action)
        if action == "DescribeInstances":
            assert sent["Filter.1.Value.1"] == ["tinyllama"]
        elif action != "ModifyInstanceAttribute":
            assert sent["InstanceId.1"] == [NODE_ID]
        fault = self.faults.get(action)
        if fault in UNCLEAR and self.does_it == "at once":
            self._act(action)
        if fault in UNCLEAR and self.does_it == "later":
            self._is_due = True
        if fault is not None:
            return self._failure(fault)
        if action == "DescribeInstances":
            return _xml(action, _described(self.state, self.instance_type, self.state_reason))
        if action == "ModifyInstanceAttribute":
            assert sent["InstanceId"] == [NODE_ID]
            if self.state != "stopped":
                return self._failure("wrong_state")
            self.instance_type = sent["InstanceType.Value"][0]
            return _xml(action, "<return>true</return>")
        before = self.state
        self._act(action)
        assert before is not None
        assert self.state is not None
        return _xml(action, _changed(before, self.state))

    def settle(self) -> None:
        """What time does: a late start happens, a node on its way arrives."""
        if self._is_due:
            self._is_due = False
            self._act("StartInstances")
        match self.state:
            case "pending":
                self.state = "running"
            case "stopping":
                self.state = "stopped"

    def _act(self, action: str) -> None:
        if action == "StartInstances" and self.state == "stopped":
            self.state = "pending"
            self.starts += 1
        if action == "StopInstances" and self.state == "running":
            self.state = "stopping"

    def _failure(self, fault: Fault) -> Answer:
        match fault:
            case "silent":
                time.sleep(_SILENCE_S)
                return Answer()
            case "closed":
                raise Broken
            case "cut":
                return Answer(body=b"<StartInst", headers={"content-encoding": "gzip"})
            case "empty":
                return Answer()
            case "no_xml":
                return Answer(body=b"upstream is busy")
            case "other_xml":
                return Answer(body=b"<html><body>busy</body></html>")
        status, code = _ERRORS[fault]
        error = f"<Response><Errors><Error><Code>{code}</Code><Message>m</Message></Error></Errors>"
        return Answer(status, f"{error}<RequestID>r</RequestID></Response>".encode())


def _xml(action: str, content: str) -> Answer:
    space = "http://ec2.amazonaws.com/doc/2016-11-15/"
    return Answer(body=f'<{action}Response xmlns="{space}">{content}</{action}Response>'.encode())


def _described(state: str | None, instance_type: str, state_reason: str) -> str:
    if state is None:
        return "<reservationSet/>"
    return (
        f"<reservationSet><item><instancesSet><item><instanceId>{NODE_ID}</instanceId>"
        f"<instanceState><code>{_CODES[state]}</code><name>{state}</name></instanceState>"
        f"<instanceType>{instance_type}</instanceType>"
        f"<stateReason><code>{state_reason}</code></stateReason>"
        "</item></instancesSet></item></reservationSet>"
    )


def _changed(before: str, after: str) -> str:
    return (
        f"<instancesSet><item><instanceId>{NODE_ID}</instanceId>"
        f"<currentState><code>{_CODES[after]}</code><name>{after}</name></currentState>"
        f"<previousState><code>{_CODES[before]}</code><name>{before}</name></previousState>"
        "</item></instancesSet>"
    )
