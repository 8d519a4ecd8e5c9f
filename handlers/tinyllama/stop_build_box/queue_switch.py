"""Whether the queue is on, and turning it off so that CloudFormation stays its owner.

The stack is updated with its own template and parameters, UseGpu alone is changed. A queue deleted
behind CloudFormation's back would break the stack's next update.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.literals import CapabilityType

SWITCH = "UseGpu"


@dataclass(frozen=True, slots=True)
class Switch:
    """The root stack: its parameters by name, and what it is doing."""

    parameters: tuple[str, ...]
    capabilities: "tuple[CapabilityType, ...]"
    is_on: bool
    status: str

    @property
    def is_busy(self) -> bool:
        """Whether the stack refuses an update, because another one has not ended."""
        return self.status.endswith("_IN_PROGRESS")


def look(cloudformation: "CloudFormationClient", stack: str) -> Switch:
    """Read the stack."""
    (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    parameters = {
        given["ParameterKey"]: given.get("ParameterValue", "")
        for given in found.get("Parameters", [])
    }
    return Switch(
        parameters=tuple(parameters),
        capabilities=tuple(found.get("Capabilities", [])),
        is_on=parameters.get(SWITCH) == "true",
        status=found["StackStatus"],
    )


def turn_off(cloudformation: "CloudFormationClient", stack: str, switch: Switch) -> None:
    """Begin the update; it takes half an hour on AWS, because functions leave their interfaces."""
    cloudformation.update_stack(
        StackName=stack,
        UsePreviousTemplate=True,
        Parameters=[
            {"ParameterKey": name, "ParameterValue": "false"}
            if name == SWITCH
            else {"ParameterKey": name, "UsePreviousValue": True}
            for name in switch.parameters
        ],
        Capabilities=switch.capabilities,
    )
