"""The scenarios of a bill: given values and defaults, with the on-demand part on and off.

A judgement explores every value that a parameter may have; a bill uses the values that it has. For
a parameter without value and default, every possible value is priced, and the bill reports it.
"""

from collections.abc import Iterator, Sequence
from typing import Self

from tljudge.cost.bill import is_on
from tljudge.decode.nodes import Map
from tljudge.resolve.deployment import Deployment
from tljudge.resolve.scenarios import Choice, Choices, TooMany, Unreachable, explore
from tljudge.resolve.values import Value

_REGION = "AWS::Region"


class BillingChoices(Choices):
    """Answers questions by the given values and defaults; explores the rest."""

    __slots__ = ("_deployment", "_region", "_switches")

    def __init__(
        self,
        deployment: Deployment,
        region: str,
        switches: frozenset[str],
        fixed: Sequence[Choice] = (),
    ) -> None:
        super().__init__(fixed)
        self._deployment, self._region, self._switches = deployment, region, switches

    def replayed(self, fixed: Sequence[Choice]) -> Self:
        """Start another run of the same kind with these answers."""
        return type(self)(self._deployment, self._region, self._switches, fixed)

    def first(self, key: str, label: str, options: Sequence[Value]) -> Choice:
        """Make a choice: the given value, or the first option, whose alternatives are explored."""
        taken = self._settled(key, options)
        if taken is None:
            return super().first(key, label, options)
        choice = self.made[key] = Choice(key, label, taken, options)
        return choice

    def _settled(self, key: str, options: Sequence[Value]) -> int | None:
        if key in self._switches:
            return None
        if key == _REGION:
            regions = [option for option in options if isinstance(option, str)]
            return regions.index(self._region) if self._region in regions else len(options) - 1
        declared = self._deployment.root.template.parameters.get(key)
        has_default = isinstance(declared, Map) and declared.get("Default") is not None
        return 0 if key in self._deployment.given or has_default else None


def switches(deployment: Deployment, on_demand: str) -> frozenset[str]:
    """Keys of the choices that decide whether the on-demand part is on."""
    keys: set[str] = set()
    try:
        for choices in explore(Choices()):
            deployment.choices = choices
            try:
                is_on(deployment, on_demand)
            except Unreachable:
                continue
            keys.update(choice.key for choice in choices.trail)
    except TooMany:
        pass
    return frozenset(keys)


def billing_scenarios(
    deployment: Deployment, on_demand: str, region: str, cap: int
) -> Iterator[BillingChoices]:
    """Yield the choices of each billing scenario, as `explore` does.

    Raises:
        TooMany: more than `cap` scenarios exist.
    """
    keys = switches(deployment, on_demand)
    yield from explore(BillingChoices(deployment, region, keys), cap)


def depends_on(choices: Choices, keys: frozenset[str]) -> list[str]:
    """Labels of the choices that are neither given nor part of the on-demand switch."""
    return [choice.label for choice in choices.trail if choice.key not in keys]
