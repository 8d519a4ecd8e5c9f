"""The scenarios a bill is made for: given values and defaults, and the on-demand part both ways.

A judgement looks at every value a parameter may have; a bill is for the values it does have. Where
one has no value and no default, each possible one is priced, and the bill says that it depends.
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
    """Answers by what is given; only what nobody gave is a choice."""

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
        """A run of the same kind that begins with these answers."""
        return type(self)(self._deployment, self._region, self._switches, fixed)

    def first(self, key: str, label: str, options: Sequence[Value]) -> Choice:
        """The given answer, or a choice that is explored."""
        taken = self._settled(key, options)
        if taken is None:
            return super().first(key, label, options)
        choice = self.made[key] = Choice(key, label, taken, options)
        return choice

    def _settled(self, key: str, options: Sequence[Value]) -> int | None:
        if key in self._switches:
            return None
        if key == _REGION:
            known = [one for one in options if isinstance(one, str)]
            return known.index(self._region) if self._region in known else len(options) - 1
        declared = self._deployment.root.template.parameters.get(key)
        has_default = isinstance(declared, Map) and declared.get("Default") is not None
        return 0 if key in self._deployment.given or has_default else None


def switches(deployment: Deployment, on_demand: str) -> frozenset[str]:
    """The choices that decide whether the on-demand part is there."""
    found: set[str] = set()
    try:
        for choices in explore(Choices()):
            deployment.choices = choices
            try:
                is_on(deployment, on_demand)
            except Unreachable:
                continue
            found.update(choice.key for choice in choices.trail)
    except TooMany:
        pass
    return frozenset(found)


def billing_scenarios(
    deployment: Deployment, on_demand: str, region: str, cap: int
) -> Iterator[BillingChoices]:
    """One run after the other, as `explore` gives them.

    Raises:
        TooMany: the cap was reached.
    """
    keys = switches(deployment, on_demand)
    yield from explore(BillingChoices(deployment, region, keys), cap)


def depends_on(choices: Choices, keys: frozenset[str]) -> list[str]:
    """What else than the switch was chosen."""
    return [choice.label for choice in choices.trail if choice.key not in keys]
