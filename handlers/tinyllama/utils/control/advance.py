"""Takes the steps of an operation that can be taken now: look, write, call, and look again.

Each step is written before EC2 is asked, so that a caller that dies in between leaves a record with
which the next one goes on. A call that EC2 has no answer to is not repeated here: the next look,
a minute later or at EC2's next event, tells what became of it.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tinyllama.utils.aws import compute
from tinyllama.utils.control.operation import Operation, Reason
from tinyllama.utils.control.step import Step, failing, step
from tinyllama.utils.control.table import ControlTable, Overtaken
from tinyllama.utils.observability import metrics
from tinyllama.utils.observability.metrics import Metric

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

_MOST_STEPS: Final = 8
_AS_FAILED: Final[dict[str, Reason]] = {
    "no_capacity": "no_capacity",
    "quota": "quota",
    "refused": "refused",
}


@dataclass(frozen=True, slots=True)
class Motor:
    """What the steps of an operation need; `until` is when to leave the rest to the next caller."""

    table: ControlTable
    ec2: "EC2Client"
    project: str
    stack: str
    until: float

    def advance(self, operation: Operation, node: compute.Node | None) -> Operation:
        """Take the steps that can be taken at once, after this look at the node.

        Returns:
            The operation as it was last written.

        Raises:
            Overtaken: another caller goes on with it.
            ControlUnavailable
            NodeUnavailable: EC2 did not say how the node is; the operation stays as it is.
        """
        last: Step | None = None
        for _ in range(_MOST_STEPS):
            now = int(self.table.clock())
            is_latched = self._is_latched(operation)
            following = step(operation, node, now=now, is_latched=is_latched)
            if following.operation != operation:
                self.table.replace(operation, following.operation)
            elif following.call is None or (last is not None and following.call == last.call):
                return operation
            operation = following.operation
            if operation.is_over:
                return operation
            if following.call is not None and node is not None:
                called = self._called(following, node, now)
                if called is None:
                    return operation
                if called != operation:
                    self.table.replace(operation, called)
                    operation = called
            last = following
            if operation.is_over or self.table.clock() >= self.until:
                return operation
            node = compute.find_node(self.ec2, project=self.project, stack=self.stack)
        return operation

    def _is_latched(self, operation: Operation) -> bool:
        """Read anew before each step that may start the node: the latch may come at any time."""
        control = self.table.read()
        if control.operation is None or control.operation.id != operation.id:
            raise Overtaken
        return control.is_latched

    def _called(self, following: Step, node: compute.Node, now: int) -> Operation | None:
        """The operation after the call; None if only a later look can tell."""
        operation = following.operation
        try:
            match following.call:
                case "stop":
                    compute.stop(self.ec2, node)
                case "change_type":
                    compute.change_type(self.ec2, node, following.instance_type)
                case _:
                    if compute.start(self.ec2, node):
                        metrics.emit(self.stack, Metric.EC2_STARTS, dimensions={"Reason": "Resize"})
                    return replace(operation, started_at=now)
        except compute.Refused as error:
            if operation.reason is not None:
                return None
            return failing(operation, _AS_FAILED.get(error.reason, "refused"), now)
        except (compute.WrongState, compute.Unclear, compute.NodeUnavailable):
            return None
        return operation
