"""Prices of what can run, in USD an hour, by region.

`prices.json` holds lines of the judge's dated price file; a test holds the two equal. In a region
that it lacks, the dearest known price counts: a guard that guesses too low guards nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

Table = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of one region."""

    machines: Mapping[str, float]
    address: float
    cache: float
    endpoint: float
    idle: float

    def machine(self, instance_type: str) -> float:
        """An instance with its public address; the dearest one for a type without a price."""
        return self.machines.get(instance_type, max(self.machines.values())) + self.address

    def steady(self, *, caches: int, endpoints: int) -> float:
        """What bills without a machine: volume, alarm, functions, caches and endpoints."""
        return self.idle + caches * self.cache + endpoints * self.endpoint


@cache
def table() -> Table:
    """Every price by region and name, read once."""
    content: Table = json.loads(Path(__file__).with_name("prices.json").read_text("utf-8"))
    return content


def of_region(region: str, known: Table) -> Prices:
    """The prices of a region, or the dearest of all where the table lacks it."""
    names = {name for lines in known.values() for name in lines}
    lines = known.get(region) or {
        name: max(lines.get(name, 0.0) for lines in known.values()) for name in names
    }
    return Prices(
        machines={
            name.removeprefix("ec2."): usd for name, usd in lines.items() if name.startswith("ec2.")
        },
        address=lines["public_ipv4"],
        cache=lines["cache.valkey.cache.t4g.small"],
        endpoint=lines["interface_endpoint"],
        idle=lines["idle"],
    )
