"""The section [cost] of a policy: ceilings, the on-demand condition, and assumed use."""

from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tljudge.data import prices


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A cost limit, in the currency of the policy file: `USD` or `EUR`."""

    amount: float
    currency: str

    def usd(self, usd_per_eur: float) -> float:
        """The amount in USD."""
        return self.amount * usd_per_eur if self.currency == "EUR" else self.amount


@dataclass(frozen=True, slots=True)
class Component:
    """A part of the project with its own ceiling, for a month of the assumed use.

    `resources` are patterns of logical ids; without any, the component tag decides.
    """

    name: str
    resources: tuple[str, ...]
    month: Ceiling


@dataclass(frozen=True, slots=True)
class Stopped:
    """An instance that is stopped while idle; `runs_as` lists all instance types it may have."""

    resource: str
    runs_as: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Usage:
    """The assumed use in a month; no value is read from an account.

    Attributes:
        active_hours_month: hours in which the on-demand part is on.
        requests_month: calls of each API, and of each function without a schedule.
        function_ms: billed duration of a call, in milliseconds.
        log_kb_call: log that a call writes, in KB.
        stored_gb: content of each bucket, table and repository, in GB.
        users_month: users who sign in to each user pool.
        mails_month: mails to each e-mail subscription.
        metrics: custom metrics that each function or instance sends while it is active.
        image_volume_gb: size in GB of a volume whose size only the machine image defines; 0:
            unknown.
    """

    active_hours_month: float
    requests_month: float
    function_ms: float
    log_kb_call: float
    stored_gb: float
    users_month: float
    mails_month: float
    metrics: float
    image_volume_gb: float


USAGE = tuple(field.name for field in fields(Usage))
ALWAYS_FREE = ("alarm", "dashboard")
"""Items of the price file of which each account has some without charge, in every month and for
ever: https://aws.amazon.com/cloudwatch/pricing/. Other free tiers end, or differ by account."""


@dataclass(frozen=True, slots=True)
class CostPolicy:
    """The checked section [cost].

    Attributes:
        region: the region whose prices apply.
        on_demand: name of a condition, or `Parameter=value`; empty if everything always exists.
        nothing_survives: whether no billed resource may stay after its stack is deleted.
        component_tag: key of the tag that assigns a resource to a component.
        prices: path of the price file.
        idle_month: ceiling for a month without use.
        active_hour: ceiling for an hour of the assumed use.
        components: parts with their own ceilings.
        stopped: instances that are stopped while idle.
        free: (type pattern, reason) of resources that cost nothing.
        always_free: (item of `ALWAYS_FREE`, how many of them AWS does not bill in a month).
        usage: the assumed use.
        usage_of: (logical id pattern, changes of `usage`).
    """

    region: str
    on_demand: str
    nothing_survives: bool
    component_tag: str
    prices: Path
    idle_month: Ceiling | None
    active_hour: Ceiling | None
    components: tuple[Component, ...]
    stopped: tuple[Stopped, ...]
    free: tuple[tuple[str, str], ...]
    always_free: tuple[tuple[str, float], ...]
    usage: Usage
    usage_of: tuple[tuple[str, tuple[tuple[str, float], ...]], ...]

    @property
    def has_ceilings(self) -> bool:
        """Whether the policy sets any ceiling."""
        return bool(self.idle_month or self.active_hour or self.components)

    def usage_for(self, resource: str) -> Usage:
        """The assumed use of a resource, given by its logical id."""
        usage = self.usage
        for pattern, changed in self.usage_of:
            if fnmatchcase(resource, pattern):
                usage = replace(usage, **dict(changed))
        return usage


KEYS = {
    "region": "a region of the price file",
    "on_demand": "a condition's name, or Parameter=value",
    "nothing_survives": "true or false",
    "component_tag": "a tag's key",
    "prices": "the path of a price file, beside this one",
    "idle_month_usd": "a number of USD, 0 or more",
    "idle_month_eur": "a number of EUR, 0 or more",
    "active_hour_usd": "a number of USD, 0 or more",
    "active_hour_eur": "a number of EUR, 0 or more",
    "components": "tables with name, month_usd or month_eur, and optional resources",
    "stopped": "tables with resource, runs_as and reason",
    "free": "tables with type and reason",
    "always_free": "numbers of alarm and dashboard, 0 or more",
    "usage": "numbers, 0 or more",
    "usage_of": "tables with resource and numbers of [cost.usage]",
}


def read(body: dict[str, Any], folder: Path) -> CostPolicy:
    """Check the section [cost].

    Args:
        body: the section, merged over the built-in one.
        folder: folder of the policy file; `prices` is relative to it.

    Raises:
        ValueError: a value is not allowed; the text names the key and the allowed values.
        PricesError: the price file cannot be used.
    """
    file = folder / _text(body, "prices") if "prices" in body else prices.DEFAULT
    usage = _table(body.get("usage"), "cost.usage")
    unknown = usage.keys() - set(USAGE)
    if unknown:
        raise ValueError(f"unknown key cost.usage.{min(unknown)}; known are {', '.join(USAGE)}")
    if not isinstance(body["nothing_survives"], bool):
        raise _wrong(body, "nothing_survives")
    policy = CostPolicy(
        region=_text(body, "region"),
        on_demand=_text(body, "on_demand", empty=True),
        nothing_survives=body["nothing_survives"],
        component_tag=_text(body, "component_tag"),
        prices=file,
        idle_month=_ceiling(body, "idle_month", "cost"),
        active_hour=_ceiling(body, "active_hour", "cost"),
        components=tuple(_component(row) for row in _tables(body, "components")),
        stopped=tuple(_stopped(row) for row in _tables(body, "stopped")),
        free=tuple(_free(row) for row in _tables(body, "free")),
        always_free=_always_free(body),
        usage=Usage(**{name: _number(usage[name], f"cost.usage.{name}") for name in USAGE}),
        usage_of=tuple(_usage_of(row) for row in _tables(body, "usage_of")),
    )
    if not 0 < policy.usage.active_hours_month <= prices.HOURS_A_MONTH:
        limit = prices.HOURS_A_MONTH
        raise ValueError(f"cost.usage.active_hours_month takes more than 0 and at most {limit}")
    if "prices" in body or policy.has_ceilings:
        regions = prices.load(file).regions
        if policy.region not in regions:
            raise ValueError(f"cost.region is {policy.region!r}; {file} has {', '.join(regions)}")
    return policy


def _wrong(body: dict[str, Any], key: str) -> ValueError:
    return ValueError(f"cost.{key} is {body[key]!r}; it takes {KEYS[key]}")


def _text(body: dict[str, Any], key: str, *, empty: bool = False) -> str:
    value = body[key]
    if not isinstance(value, str) or not (value or empty):
        raise _wrong(body, key)
    return value


def _number(value: Any, key: str, expected: str = "a number, 0 or more") -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise ValueError(f"{key} is {value!r}; it takes {expected}")
    return float(value)


def _ceiling(body: dict[str, Any], key: str, where: str) -> Ceiling | None:
    given = [c for c in ("usd", "eur") if f"{key}_{c}" in body]
    if len(given) == 2:
        raise ValueError(f"{where}.{key}_usd and {where}.{key}_eur are both set; keep one")
    if not given:
        return None
    name, currency = f"{key}_{given[0]}", given[0].upper()
    amount = _number(body[name], f"{where}.{name}", f"a number of {currency}, 0 or more")
    return Ceiling(amount, currency)


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {value!r}; write a table [{where}]")
    return value


def _tables(body: dict[str, Any], key: str) -> list[dict[str, Any]]:
    rows = body.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _wrong(body, key)
    return rows


def _texts(row: dict[str, Any], key: str, *names: str, optional: str = "") -> None:
    """Refuse a row with other keys, or with a value of `names` that is not text."""
    if not set(names) <= row.keys() <= {*names, *optional.split()}:
        raise ValueError(f"cost.{key} has {sorted(row)}; it takes {KEYS[key]}")
    for name in names:
        if not isinstance(row[name], str) or not row[name]:
            raise ValueError(f"cost.{key}.{name} is {row[name]!r}; it takes a text")


def _names(value: Any, where: str) -> tuple[str, ...]:
    valid = isinstance(value, list) and all(isinstance(name, str) and name for name in value)
    if not valid or not value:
        raise ValueError(f"{where} is {value!r}; it takes a list of texts")
    return tuple(value)


def _component(row: dict[str, Any]) -> Component:
    _texts(row, "components", "name", optional="month_usd month_eur resources")
    month = _ceiling(row, "month", "cost.components")
    if month is None:
        raise ValueError(f"cost.components {row['name']!r} has no month_usd and no month_eur")
    named = row.get("resources")
    resources = () if named is None else _names(named, "cost.components.resources")
    return Component(row["name"], resources, month)


def _stopped(row: dict[str, Any]) -> Stopped:
    _texts(row, "stopped", "resource", "reason", optional="runs_as")
    runs_as = _names(row["runs_as"], "cost.stopped.runs_as") if "runs_as" in row else ()
    return Stopped(row["resource"], runs_as, row["reason"])


def _free(row: dict[str, Any]) -> tuple[str, str]:
    _texts(row, "free", "type", "reason")
    return row["type"], row["reason"]


def _always_free(body: dict[str, Any]) -> tuple[tuple[str, float], ...]:
    given = _table(body.get("always_free", {}), "cost.always_free")
    if unknown := given.keys() - set(ALWAYS_FREE):
        known = ", ".join(ALWAYS_FREE)
        raise ValueError(f"unknown key cost.always_free.{min(unknown)}; known are {known}")
    return tuple((n, _number(given[n], f"cost.always_free.{n}")) for n in ALWAYS_FREE if n in given)


def _usage_of(row: dict[str, Any]) -> tuple[str, tuple[tuple[str, float], ...]]:
    _texts(row, "usage_of", "resource", optional=" ".join(USAGE))
    numbers = {name: value for name, value in row.items() if name != "resource"}
    if "active_hours_month" in numbers:
        raise ValueError("cost.usage_of.active_hours_month cannot differ; set it in [cost.usage]")
    checked = ((name, _number(value, f"cost.usage_of.{name}")) for name, value in numbers.items())
    return row["resource"], tuple(checked)
