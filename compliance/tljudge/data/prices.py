"""Prices: a dated file with a source for each line, checked before it is used.

A price that is not in the file is unknown; what is free stands in a list of types, with a source.
"""

import tomllib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

DEFAULT = Path(__file__).with_name("prices.toml")
MAX_AGE_DAYS = 180
HOURS_A_MONTH = 730
UNITS = ("hour", "month", "gb_month", "iops_month", "mibps_month", "gb", "million", "gb_second")
"""What a price is for: an hour, a month, a GB kept for a month, a GB moved, a million calls, ..."""
KINDS = ("free", "by_use", "by_hour")
_FIXED = ("dated", "usd_per_eur", "sources", "types")


class PricesError(Exception):
    """Prices that cannot be used: where, what was found, what to do."""


@dataclass(frozen=True, slots=True)
class Price:
    """One line: USD for one unit, and where that can be checked."""

    usd: float
    url: str
    confirmed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """One file; `kinds` says of a type without a price whether it is free, or how it bills."""

    path: str
    dated: date
    usd_per_eur: Price
    lines: dict[tuple[str, str, str], Price]
    kinds: dict[str, str]
    _prefixes: dict[str, str] = field(default_factory=dict)

    @property
    def regions(self) -> list[str]:
        """The regions it has lines for."""
        return sorted({region for region, _, _ in self.lines})

    def of(self, region: str, unit: str, item: str) -> Price | None:
        """One line, None where it is missing."""
        return self.lines.get((region, unit, item))

    def kind(self, resource_type: str) -> str | None:
        """`free`, `by_use` or `by_hour`; None where nobody knows."""
        found = self.kinds.get(resource_type)
        if found is not None:
            return found
        starts = [start for start in self._prefixes if resource_type.startswith(start)]
        return self._prefixes[max(starts, key=len)] if starts else None

    def complaint(self, today: date | None = None) -> str:
        """What to tell about the file's age; empty while it is young enough."""
        age_days = ((today or datetime.now(UTC).date()) - self.dated).days
        if age_days <= MAX_AGE_DAYS:
            return ""
        return (
            f"{self.path}: the prices are of {self.dated}, {age_days} days old, and {MAX_AGE_DAYS} "
            "are believed; check the lines at their sources and set dated"
        )


@cache
def load(path: Path = DEFAULT) -> Prices:
    """Read a price file; the same path is read once.

    Raises:
        PricesError: it cannot be read, or says something impossible.
    """
    try:
        body = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise PricesError(f"{path}: cannot be read: {error.strerror}; name a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PricesError(f"{path}: {error}; correct the TOML here") from None
    dated = body.get("dated")
    if type(dated) is not date:
        raise PricesError(f"{path}: dated is {dated!r}; write the day of the prices: 2026-11-22")
    if dated > datetime.now(UTC).date():
        raise PricesError(f"{path}: dated is {dated}, which is in the future; correct it")
    sources = _sources(body.get("sources"), path)
    lines: dict[tuple[str, str, str], Price] = {}
    for region, units in body.items():
        if region not in _FIXED:
            for unit, item, row in _rows(region, units, path):
                where = f"{region}.{unit}.{item}"
                lines[region, unit, item] = _price(row, sources, f"{path}: {where}")
    rate = _price(body.get("usd_per_eur"), sources, f"{path}: usd_per_eur")
    if not rate.usd:
        raise PricesError(f"{path}: usd_per_eur.usd is 0; write what one euro is in USD")
    names = _kinds(body.get("types", {}), path)
    exact = {name: kind for name, kind in names.items() if not name.endswith("*")}
    prefixes = {name[:-1]: kind for name, kind in names.items() if name.endswith("*")}
    return Prices(str(path), dated, rate, lines, exact, prefixes)


def _sources(value: Any, path: Path) -> dict[str, str]:
    if not isinstance(value, dict) or not value:
        raise PricesError(f"{path}: no [sources]; name one with url and seen for each price")
    for name, row in value.items():
        right = isinstance(row, dict) and row.keys() == {"url", "seen"}
        if not right or not all(isinstance(text, str) and text for text in row.values()):
            raise PricesError(f"{path}: sources.{name} takes url and seen, both texts")
        if not row["url"].startswith("https://"):
            raise PricesError(f"{path}: sources.{name}.url is {row['url']!r}; it takes https://")
    return {name: row["url"] for name, row in value.items()}


def _rows(region: str, units: Any, path: Path) -> list[tuple[str, str, Any]]:
    if not isinstance(units, dict):
        known = ", ".join(_FIXED)
        raise PricesError(f"{path}: unknown key {region!r}; known are {known} and regions")
    found = []
    for unit, items in units.items():
        if unit not in UNITS or not isinstance(items, dict):
            raise PricesError(f"{path}: unknown unit {region}.{unit}; known are {', '.join(UNITS)}")
        found += [(unit, item, row) for item, row in items.items()]
    return found


def _price(row: Any, sources: dict[str, str], where: str) -> Price:
    if not isinstance(row, dict) or not {"usd", "source"} <= row.keys():
        raise PricesError(f"{where} takes usd and source, and may have confirmed = false")
    extra = row.keys() - {"usd", "source", "confirmed"}
    if extra:
        raise PricesError(f"{where}: unknown key {min(extra)!r}; remove it")
    usd, confirmed = row["usd"], row.get("confirmed", True)
    if isinstance(usd, bool) or not isinstance(usd, int | float) or not 0 <= usd < 1e6:
        raise PricesError(f"{where}.usd is {usd!r}; it takes a number of USD, 0 or more")
    if row["source"] not in sources:
        raise PricesError(f"{where}.source is {row['source']!r}, not in [sources]; add it there")
    if not isinstance(confirmed, bool):
        raise PricesError(f"{where}.confirmed is {confirmed!r}; it takes true or false")
    return Price(float(usd), sources[row["source"]], confirmed)


def _kinds(value: Any, path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    if not isinstance(value, dict) or value.keys() - set(KINDS):
        raise PricesError(f"{path}: [[types.KIND]] takes for KIND {', '.join(KINDS)}")
    for kind, groups in value.items():
        for group in groups if isinstance(groups, list) else [groups]:
            where = f"{path}: types.{kind}"
            if not isinstance(group, dict) or group.keys() != {"source", "names"}:
                raise PricesError(f"{where} takes source and names")
            if not isinstance(group["source"], str) or "https://" not in group["source"]:
                raise PricesError(f"{where}.source is {group['source']!r}; it takes an URL")
            names = group["names"]
            if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
                raise PricesError(f"{where}.names is {names!r}; it takes a list of types")
            for name in names:
                if name in found:
                    raise PricesError(f"{where}: {name} stands twice; keep one")
                found[name] = kind
    return found
