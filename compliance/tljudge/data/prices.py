"""Prices in USD: a dated TOML file with a source for each line, checked before use.

A price that is not in the file is unknown, not 0; free resource types are in a list with a source.
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
"""The units of prices: `gb_month` is a GB stored for a month, `gb` a GB transferred, `million` a
million calls."""
KINDS = ("free", "by_use", "by_hour")
_FIXED = ("dated", "usd_per_eur", "sources", "types")


class PricesError(Exception):
    """A price file that cannot be used: place, problem and remedy."""


@dataclass(frozen=True, slots=True)
class Price:
    """A price: USD for one unit, the URL of its source, and whether it was checked there."""

    usd: float
    url: str
    confirmed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """A price file.

    Attributes:
        path: of the file.
        dated: the day of the prices.
        usd_per_eur: USD for one euro.
        lines: prices by region, unit and item.
        kinds: by resource type without a price, how AWS bills it: a value of `KINDS`.
    """

    path: str
    dated: date
    usd_per_eur: Price
    lines: dict[tuple[str, str, str], Price]
    kinds: dict[str, str]
    _prefixes: dict[str, str] = field(default_factory=dict)

    @property
    def regions(self) -> list[str]:
        """The regions with prices, sorted."""
        return sorted({region for region, _, _ in self.lines})

    def of(self, region: str, unit: str, item: str) -> Price | None:
        """The price of an item; None where the file has none."""
        return self.lines.get((region, unit, item))

    def kind(self, resource_type: str) -> str | None:
        """How AWS bills a type: `free`, `by_use` or `by_hour`; None where the file does not say."""
        kind = self.kinds.get(resource_type)
        if kind is not None:
            return kind
        matching = [prefix for prefix in self._prefixes if resource_type.startswith(prefix)]
        return self._prefixes[max(matching, key=len)] if matching else None

    def complaint(self, today: date | None = None) -> str:
        """A message where the prices are older than `MAX_AGE_DAYS`; else empty."""
        age_days = ((today or datetime.now(UTC).date()) - self.dated).days
        if age_days <= MAX_AGE_DAYS:
            return ""
        return (
            f"{self.path}: the prices are of {self.dated}, {age_days} days old, and the limit is "
            f"{MAX_AGE_DAYS}; check the lines at their sources and set dated"
        )


@cache
def load(path: Path = DEFAULT) -> Prices:
    """Read a price file; the same path is read once.

    Raises:
        PricesError: the file cannot be read, or has a wrong key or value.
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
        raise PricesError(f"{path}: usd_per_eur.usd is 0; write the price of a euro in USD")
    names = _kinds(body.get("types", {}), path)
    exact = {name: kind for name, kind in names.items() if not name.endswith("*")}
    prefixes = {name[:-1]: kind for name, kind in names.items() if name.endswith("*")}
    return Prices(str(path), dated, rate, lines, exact, prefixes)


def _sources(value: Any, path: Path) -> dict[str, str]:
    if not isinstance(value, dict) or not value:
        raise PricesError(f"{path}: no [sources]; add a source with url and seen for each price")
    for name, row in value.items():
        right = isinstance(row, dict) and row.keys() == {"url", "seen"}
        if not right or not all(isinstance(text, str) and text for text in row.values()):
            raise PricesError(
                f"{path}: sources.{name} is {row!r}; write url and seen, both strings"
            )
        if not row["url"].startswith("https://"):
            raise PricesError(
                f"{path}: sources.{name}.url is {row['url']!r}; write an https:// address"
            )
    return {name: row["url"] for name, row in value.items()}


def _rows(region: str, units: Any, path: Path) -> list[tuple[str, str, Any]]:
    if not isinstance(units, dict):
        keys = ", ".join(_FIXED)
        raise PricesError(f"{path}: unknown key {region!r}; known are {keys} and regions")
    rows = []
    for unit, items in units.items():
        if unit not in UNITS or not isinstance(items, dict):
            raise PricesError(f"{path}: unknown unit {region}.{unit}; known are {', '.join(UNITS)}")
        rows += [(unit, item, row) for item, row in items.items()]
    return rows


def _price(row: Any, sources: dict[str, str], where: str) -> Price:
    if not isinstance(row, dict) or not {"usd", "source"} <= row.keys():
        raise PricesError(
            f"{where} is {row!r}; write usd and source, and perhaps confirmed = false"
        )
    extra = row.keys() - {"usd", "source", "confirmed"}
    if extra:
        raise PricesError(f"{where}: unknown key {min(extra)!r}; remove it")
    usd, confirmed = row["usd"], row.get("confirmed", True)
    if isinstance(usd, bool) or not isinstance(usd, int | float) or not 0 <= usd < 1e6:
        raise PricesError(
            f"{where}.usd is {usd!r}; write a number of USD, 0 or more, below 1000000"
        )
    if row["source"] not in sources:
        raise PricesError(f"{where}.source is {row['source']!r}, not in [sources]; add it there")
    if not isinstance(confirmed, bool):
        raise PricesError(f"{where}.confirmed is {confirmed!r}; write true or false")
    return Price(float(usd), sources[row["source"]], confirmed)


def _kinds(value: Any, path: Path) -> dict[str, str]:
    kinds: dict[str, str] = {}
    if not isinstance(value, dict) or value.keys() - set(KINDS):
        raise PricesError(f"{path}: [[types.KIND]] has another KIND; write {', '.join(KINDS)}")
    for kind, groups in value.items():
        for group in groups if isinstance(groups, list) else [groups]:
            where = f"{path}: types.{kind}"
            if not isinstance(group, dict) or group.keys() != {"source", "names"}:
                raise PricesError(f"{where} has other keys; write source and names")
            if not isinstance(group["source"], str) or "https://" not in group["source"]:
                raise PricesError(
                    f"{where}.source is {group['source']!r}; write an https:// address"
                )
            names = group["names"]
            if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
                raise PricesError(f"{where}.names is {names!r}; write a list of types")
            for name in names:
                if name in kinds:
                    raise PricesError(f"{where}: {name} appears twice; keep one")
                kinds[name] = kind
    return kinds
