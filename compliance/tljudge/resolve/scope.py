"""Protocols of a stack and its deployment, as conditions and intrinsics see them.

They keep `conditions` and `intrinsics` below `deployment`, which imports both.
"""

from collections.abc import Mapping
from typing import Protocol

from tljudge.decode.nodes import Node
from tljudge.decode.template import Template
from tljudge.resolve.scenarios import Choices, Memo
from tljudge.resolve.values import Value


class Scenario(Protocol):
    """The part of a deployment that all its stacks share.

    Attributes:
        choices: the choices of the scenario in progress.
        memo: results of earlier computations.
        pseudo: pseudo parameters to the literals that conditions compare them with.
    """

    choices: Choices
    memo: Memo
    pseudo: dict[str, list[str]]


class ScopedResource(Protocol):
    """A resource, as an intrinsic that refers to it sees it."""

    type: str

    def get(self, name: str) -> Value:
        """The value of a property in this scenario; `NOVALUE` if it is absent."""


class Scope(Protocol):
    """One stack: its names, and their values in the scenario in progress.

    Attributes:
        path: logical ids from the root, each followed by `/`; empty for the root.
        compared: parameters to the literals that conditions compare them with.
    """

    @property
    def deployment(self) -> Scenario:
        """The deployment that the stack belongs to."""

    @property
    def resources(self) -> Mapping[str, ScopedResource]:
        """Logical id to resource, including resources that do not exist in this scenario."""

    @property
    def children(self) -> "Mapping[str, Scope]":
        """Logical id of each nested stack to its scope."""

    template: Template
    path: str
    compared: dict[str, list[str]]

    def condition(self, name: str) -> bool:
        """Whether a condition is true."""

    def parameter(self, name: str) -> Value:
        """The value of a parameter."""

    def output(self, name: str) -> Value:
        """The value of an output."""

    def value(self, raw: Node) -> Value:
        """The value of a node of the template."""
