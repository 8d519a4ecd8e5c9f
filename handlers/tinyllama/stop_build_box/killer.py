"""The killer: latch, machines, addresses, queue, in this order; each step may be repeated alone.

The latch comes first, so that nothing wakes the node while it is being stopped. No step spares the
next one: what fails is named in the mail, and tried again by every tick of the meter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tinyllama.stop_build_box import fleet, queue_switch
from tinyllama.stop_build_box.clients import Clients, code_of
from tinyllama.stop_build_box.fleet import Tried
from tinyllama.stop_build_box.ledger import Ledger
from tinyllama.stop_build_box.settings import GuardSettings
from tinyllama.utils.aws.errors import AwsError

BUSY = "queue: a stack is being changed; the next tick tries again"
BEGUN = "begin to turn the queue off"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did and could not do. `is_new` says that it set the latch."""

    done: tuple[str, ...]
    failed: tuple[str, ...]
    is_new: bool = False

    @property
    def is_news(self) -> bool:
        """Whether to mail: not for a repetition that does nothing, or begins the same again."""
        return self.is_new or any(not line.startswith(BEGUN) for line in self.done)

    @property
    def is_waiting(self) -> bool:
        """Whether a stack is being changed, so that nothing is known of the queue yet."""
        return BUSY in self.failed

    @property
    def trouble(self) -> str:
        """What failed, and what was begun and has not ended: mailed when it is another."""
        begun = [line for line in self.done if line.startswith(BEGUN)]
        return "; ".join([line for line in self.failed if line != BUSY] + begun)


@dataclass(frozen=True, slots=True)
class Killer:
    """What the steps act on."""

    clients: Clients
    settings: GuardSettings
    ledger: Ledger

    def kill(self, why: str, now_s: int) -> Outcome:
        """Latch, then turn off whatever bills by the hour; raises nothing of AWS."""
        is_new, failed = False, Tried()
        try:
            is_new = self.ledger.latch(why, now_s)
        except of_aws() as error:
            failed = Tried(failed=(f"latch: {code_of(error)}",))
        steps = (self._machines, self._addresses, partial(self._queue, now_s))
        tried = [failed, *(_guarded(step) for step in steps)]
        done = [line for one in tried for line in one.done]
        if is_new:
            done.insert(0, "latched: nothing starts the node until somebody lifts it")
        return Outcome(tuple(done), tuple(line for one in tried for line in one.failed), is_new)

    def rehearse(self) -> Outcome:
        """Ask everything that `kill` would ask, with EC2's dry run; changes nothing.

        Of the queue it says what would be done, and makes no change set: that would ask for more
        permissions than the killer has, and would not say whether it may do what it lists.
        """
        tried = [
            _guarded(partial(self._machines, is_rehearsal=True)),
            _guarded(partial(self._addresses, is_rehearsal=True)),
            _guarded(self._queue_rehearsed),
        ]
        return Outcome(
            tuple(f"would: {line}" for one in tried for line in one.done),
            tuple(line for one in tried for line in one.failed),
        )

    def _machines(self, *, is_rehearsal: bool = False) -> Tried:
        machines = fleet.find(self.clients.ec2, self.settings)
        return end_all(self.clients, [m for m in machines if m.bills], is_rehearsal=is_rehearsal)

    def _addresses(self, *, is_rehearsal: bool = False) -> Tried:
        ec2 = self.clients.ec2
        return fleet.each(
            {
                f"release address {own}": partial(
                    fleet.release, ec2, own, is_rehearsal=is_rehearsal
                )
                for own in fleet.unattached(ec2, self.settings)
            }
        )

    def _queue(self, now_s: int) -> Tried:
        cloudformation, queue_stack = self.clients.cloudformation, self.settings.queue_stack
        switch = queue_switch.look(cloudformation, queue_stack)
        if not switch.is_on and not switch.is_busy:
            return Tried(failed=self._left())
        # A stack that its root's update has still to reach would take this one, and break that.
        busy = [stack for stack in (switch, *self._root()) if stack.is_busy]
        if stuck := [stack for stack in busy if stack.is_stuck(now_s)]:
            return Tried(failed=(f"queue: a stack has been {stuck[0].status} for over an hour",))
        if busy:
            return Tried(failed=(BUSY,))
        turn_off = partial(queue_switch.turn_off, cloudformation, queue_stack, switch)
        # Only accepted, not done: the status tells how the last try ended.
        return fleet.each({f"{BEGUN} ({switch.status} before)": turn_off})

    def _root(self) -> list[queue_switch.Switch]:
        """The root stack, unless it cannot be read: the queue must go all the same."""
        try:
            return [queue_switch.look(self.clients.cloudformation, self.settings.stack)]
        except of_aws():
            return []

    def _left(self) -> tuple[str, ...]:
        """What CloudFormation gave up while it turned the queue off: it bills on, or its name is
        not free when the queue is turned on again."""
        clients, queue_stack = self.clients, self.settings.queue_stack
        left = {
            "cache": queue_switch.caches(clients.elasticache, queue_stack),
            "endpoint": queue_switch.endpoints(clients.ec2, self.settings.stack),
            "name": queue_switch.given_up(clients.cloudformation, queue_stack),
        }
        return tuple(
            f"{kind} {own}: left by CloudFormation; delete it by hand"
            for kind, every in left.items()
            for own in every
        )

    def _queue_rehearsed(self) -> Tried:
        switch = queue_switch.look(self.clients.cloudformation, self.settings.queue_stack)
        kept = len(switch.parameters) - 1
        line = (
            f"turn the queue off (UseGpu=false, {kept} parameters as they are; no change set made)"
        )
        return Tried(done=(line,)) if switch.is_on else Tried()


def end_all(
    clients: Clients, machines: "list[fleet.Machine]", *, is_rehearsal: bool = False
) -> Tried:
    """End each machine by a call of its own."""
    lines = fleet.described(machines)
    return fleet.each(
        {
            f"end {line}": partial(fleet.end, clients.ec2, machine, is_rehearsal=is_rehearsal)
            for line, machine in zip(lines, machines, strict=True)
        }
    )


def _guarded(step: Callable[[], Tried]) -> Tried:
    """A step that cannot even look is a failure of that step alone."""
    try:
        return step()
    except of_aws() as error:
        name = getattr(step, "func", step).__name__.strip("_")
        return Tried(failed=(f"{name}: {code_of(error)}",))


def of_aws() -> tuple[type[Exception], ...]:
    """What a call to AWS raises."""
    from botocore.exceptions import BotoCoreError, ClientError

    return (ClientError, BotoCoreError, AwsError)


def report(outcome: Outcome) -> dict[str, Any]:
    """An outcome as an answer to a direct call."""
    return {"done": list(outcome.done), "failed": list(outcome.failed)}
