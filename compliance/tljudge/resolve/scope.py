"""What conditions and intrinsics ask of the stack they stand in; the deployment answers."""

from collections.abc import Mapping
from typing import Protocol

from tljudge.decode.nodes import Node
from tljudge.decode.template import Template
from tljudge.resolve.scenarios import Choices, Memo
from tljudge.resolve.values import Value


class Scenario(Protocol):
    """The part of a deployment that all its stacks share.

    Attributes:
        choices: the answers of the scenario in progress.
        memo: results of earlier computations, by answers.
        pseudo: pseudo parameters to the literals that conditions compare them with.
    """

    choices: Choices
    memo: Memo
    pseudo: dict[str, list[str]]


class ScopedResource(Protocol):
    """A resource that an intrinsic names."""

    type: str

    def get(self, name: str) -> Value:
        """The value of a property in this scenario; `NOVALUE` where it is absent."""


class Scope(Protocol):
    """One stack: its names, and their values in the scenario in progress.

    Attributes:
        path: of the stack in the deployment; empty for the root, else it ends in `/`.
        compared: parameters to the literals that conditions compare them with.
    """

    @property
    def deployment(self) -> Scenario:
        """The deployment that the stack belongs to."""

    @property
    def resources(self) -> Mapping[str, ScopedResource]:
        """Logical ids to resources, also those that this scenario does not have."""

    @property
    def children(self) -> "Mapping[str, Scope]":
        """Logical ids of nested stacks to their scopes."""

    template: Template
    path: str
    compared: dict[str, list[str]]

    def condition(self, name: str) -> bool:
        """Whether a condition holds."""

    def parameter(self, name: str) -> Value:
        """The value of a parameter."""

    def output(self, name: str) -> Value:
        """The value of an output."""

    def value(self, raw: Node) -> Value:
        """The value of a part of the template."""
