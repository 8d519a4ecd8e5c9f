"""What bills by the hour is deleted without waiting for the interfaces of a function (ADR 0012).

CloudFormation deletes a resource after everything that refers to it, and a nested stack after those
that read its outputs. It deletes a function in a VPC only when Lambda has released the function's
interfaces, 20 to 40 minutes later; meanwhile all that the function refers to stays, and bills.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.compliance.templates import Template, named, properties, read
from tests.compliance.test_cost_and_destroy import ACCEPTED, bills

Place = tuple[str, str]
"""A template's file name, and a logical id in it; or the root's, and a nested stack's."""

ROOT = "stack.yaml"


class Deployment:
    """The resources of the root and its nested stacks, with UseGpu as given."""

    def __init__(self, use_gpu: bool, replaced: Mapping[str, Template] | None = None) -> None:
        """Read every template; `replaced` stands in place of those that it names."""
        self._use_gpu = use_gpu
        root = (replaced or {}).get(ROOT) or named(ROOT)
        self.resources: dict[Place, dict[str, Any]] = {}
        self._names: dict[str, str] = {}
        for stack_id, stack in self._existing(root):
            name = properties(stack)["TemplateURL"].removeprefix("./")
            self._names[stack_id] = name
            template = (replaced or {}).get(name) or named(name)
            for logical_id, resource in self._existing(template):
                self.resources[name, logical_id] = self._resolved(resource)
        self._stacks = {
            self._names[stack_id]: {
                self._names[reference]
                for reference in references(self._resolved(stack))
                if reference in self._names
            }
            for stack_id, stack in self._existing(root)
        }

    def dependents(self, place: Place) -> set[Place]:
        """Everything that is deleted before `place`, when all is deleted."""
        found: set[Place] = set()
        waiting = [place]
        while waiting:
            name, logical_id = waiting.pop()
            for other, resource in self.resources.items():
                is_beside = other[0] == name and logical_id in references(resource)
                if (is_beside or name in self._stacks[other[0]]) and other not in found:
                    found.add(other)
                    waiting.append(other)
        return found

    def _existing(self, template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
        for logical_id, resource in template.body["Resources"].items():
            if self._use_gpu or resource.get("Condition") != "UseGpu":
                yield logical_id, resource

    def _resolved(self, value: Any) -> Any:
        """The value with the branch of each If that UseGpu selects."""
        if isinstance(value, list):
            return [self._resolved(element) for element in value]
        if not isinstance(value, dict):
            return value
        if "Fn::If" in value and value["Fn::If"][0] == "UseGpu":
            return self._resolved(value["Fn::If"][1 if self._use_gpu else 2])
        return {key: self._resolved(element) for key, element in value.items()}


def references(value: Any) -> set[str]:
    """The logical ids that a resource refers to: Ref, GetAtt, Sub, DependsOn."""
    found: set[str] = set()
    if isinstance(value, list):
        found = {name for element in value for name in references(element)}
    elif isinstance(value, dict):
        for key, element in value.items():
            found |= references(element)
            if key in ("Ref", "DependsOn"):
                found |= {element} if isinstance(element, str) else set(element)
            elif key == "Fn::GetAtt":
                found.add(element.split(".")[0] if isinstance(element, str) else element[0])
            elif key == "Fn::Sub":
                text = element if isinstance(element, str) else element[0]
                found |= {name.split(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", text)}
    return found


def is_slow(resource: dict[str, Any]) -> bool:
    """Whether its deletion waits for interfaces: a function in a VPC."""
    network = properties(resource).get("VpcConfig", {"Ref": "AWS::NoValue"})
    return bool(resource["Type"] == "AWS::Lambda::Function" and network != {"Ref": "AWS::NoValue"})


def late(deployment: Deployment, deleted: set[Place]) -> list[str]:
    """What bills, is deleted, and waits for a function that is deleted, too."""
    slow = {place for place in deleted if is_slow(deployment.resources[place])}
    return [
        f"{place[0]} {place[1]}: bills until Lambda has released the interfaces of {function}"
        for place in sorted(deleted)
        if _bills_by_the_hour(deployment.resources[place])
        for _, function in sorted(deployment.dependents(place) & slow)
    ]


def switched_off(replaced: Mapping[str, Template] | None = None) -> list[str]:
    """`late`, of an update from UseGpu=true to UseGpu=false."""
    before, after = Deployment(True, replaced), Deployment(False, replaced)
    return late(before, before.resources.keys() - after.resources.keys())


def _bills_by_the_hour(resource: dict[str, Any]) -> bool:
    return bills(resource) or resource["Type"] in ACCEPTED - {"AWS::Logs::LogGroup"}


def test_turning_the_queue_off_waits_for_no_function() -> None:
    """Cache and endpoint go at once; every function stays, and its interfaces with it."""
    before, after = Deployment(True), Deployment(False)
    deleted = before.resources.keys() - after.resources.keys()
    assert {place for place in deleted if is_slow(before.resources[place])} == set()
    assert {("queue.yaml", "Queue"), ("queue.yaml", "Ec2Endpoint")} <= deleted
    assert switched_off() == []


def test_deleting_the_stack_while_off_waits_for_no_function() -> None:
    """The node's volume, the one thing that still bills, does not wait for the functions."""
    off = Deployment(False)
    assert ("node.yaml", "Node") in off.resources
    assert is_slow(off.resources["router.yaml", "RouterFunction"])
    assert late(off, set(off.resources)) == []


def test_deleting_the_stack_while_on_would_wait() -> None:
    """Hence the operator turns the queue off first; this also shows that the law trips."""
    on = Deployment(True)
    found = late(on, set(on.resources))
    assert "queue.yaml Queue: bills until Lambda has released the interfaces of RouterFunction" in (
        found
    )
    assert {line.split(":")[0] for line in found} >= {
        "queue.yaml Ec2Endpoint",
        "queue.yaml Queue",
    }


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        (
            "queue_health.yaml",
            "  QueueHealthFunction:\n    Type: AWS::Lambda::Function\n",
            "  QueueHealthFunction:\n    Type: AWS::Lambda::Function\n    Condition: UseGpu\n",
        ),
        (
            ROOT,
            "  QueueHealth:\n    Type: AWS::CloudFormation::Stack\n",
            "  QueueHealth:\n    Type: AWS::CloudFormation::Stack\n    Condition: UseGpu\n",
        ),
    ],
)
def test_function_that_goes_with_the_queue_is_found(name: str, before: str, after: str) -> None:
    """A conditional function, or a conditional layer that holds a function."""
    text = named(name).text
    assert text.count(before) == 1
    broken = {name: read(text.replace(before, after), name)}
    late_ones = switched_off(broken)
    for place in ("queue.yaml Queue", "queue.yaml Ec2Endpoint"):
        why = "bills until Lambda has released the interfaces of QueueHealthFunction"
        assert f"{place}: {why}" in late_ones
