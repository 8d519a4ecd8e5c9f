"""The policy of a project: thresholds, exceptions and waivers, read from TOML and checked."""

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import Any

from tljudge.data.prices import PricesError
from tljudge.engine import cost_policy as cost_policy
from tljudge.engine.cost_policy import CostPolicy

DEFAULT = Path(__file__).with_name("default_policy.toml")
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
SERVICE_RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
)  # fmt: skip


class PolicyError(Exception):
    """The policy cannot be used. The text says where, what was found, what to do."""


@dataclass(frozen=True, slots=True)
class Range:
    """An address range, in CIDR notation, that egress may reach."""

    cidr: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Internet:
    """A security group, by logical id, that may reach the internet on these TCP ports."""

    resource: str
    ports: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Waiver:
    """Accepts findings of a rule on a resource until a date; with `message`, only that finding."""

    rule: str
    resource: str
    reason: str
    expires: date
    file: str = ""
    message: str = ""
    line: int = 1


@dataclass(frozen=True, slots=True)
class Policy:
    """The checked policy.

    Attributes:
        path: path of the policy file.
        retention_days: allowed values of a log group's RetentionInDays.
        stack_vanishes: whether a deleted stack must leave no log group.
        required_tags: keys of the tags that every taggable resource needs.
        allowed_ranges: address ranges that egress may reach.
        internet: security groups that may reach the internet.
        prefix_lists: ids of prefix lists that egress may reach.
        narrowing_keys: condition keys, in lower case, that narrow a wildcard resource.
        forbidden_policies: names of managed policies, in lower case.
        trusted_accounts: account ids that a role may trust without an external id.
        deputies: service principals that act for any account.
        scenario_cap: maximum of combinations for a rule and a resource, 1 to 4096.
        cost: the section [cost].
        waivers: accepted findings.
        today: decides the age of prices; None: the current date.
    """

    path: str
    retention_days: tuple[int, ...]
    stack_vanishes: bool
    required_tags: tuple[str, ...]
    allowed_ranges: tuple[Range, ...]
    internet: tuple[Internet, ...]
    prefix_lists: tuple[str, ...]
    narrowing_keys: tuple[str, ...]
    forbidden_policies: tuple[str, ...]
    trusted_accounts: tuple[str, ...]
    deputies: tuple[str, ...]
    scenario_cap: int
    cost: CostPolicy
    waivers: tuple[Waiver, ...] = field(default=())
    today: date | None = None


def load(path: Path | None = None) -> Policy:
    """Read a policy; a key that it does not set comes from the built-in policy.

    Raises:
        PolicyError: the file cannot be read, or a value is not allowed.
    """
    return _read(path or DEFAULT)


_STRINGS = "a list of texts"
_SCHEMA: dict[str, dict[str, str]] = {
    "scenarios": {"cap": "a number from 1 to 4096"},
    "iam": {
        "narrowing_condition_keys": _STRINGS,
        "forbidden_managed_policies": _STRINGS,
        "trusted_accounts": _STRINGS,
        "confused_deputies": _STRINGS,
    },
    "egress": {
        "allow": "tables with cidr, name and reason",
        "internet": "tables with resource, ports and reason",
        "prefix_lists": "tables with id and name",
    },
    "logs": {"retention_days": "a list of numbers", "stack_vanishes": "true or false"},
    "tags": {"required": _STRINGS},
    "cost": cost_policy.KEYS,
}


def _read(path: Path) -> Policy:
    try:
        text = path.read_text("utf-8")
        body = tomllib.loads(text)
    except OSError as error:
        raise PolicyError(f"{path}: cannot be read: {error.strerror}; name a TOML file") from None
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}: byte {error.start} is not UTF-8; save it as UTF-8") from None
    except RecursionError:
        raise PolicyError(f"{path}: is nested too deep; write a plain policy") from None
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{path}: {error}; correct the TOML here") from None
    if path != DEFAULT:
        body = _over(tomllib.loads(DEFAULT.read_text("utf-8")), body, path)
    return _policy(body, path, text)


def _over(default: dict[str, Any], body: dict[str, Any], path: Path) -> dict[str, Any]:
    for section, values in body.items():
        if section not in _SCHEMA:
            continue
        if not isinstance(values, dict):
            raise PolicyError(f"{path}: [{section}] is not a table; write [{section}]")
        default[section] = _merged(default.get(section, {}), values)
    extra = {key: value for key, value in body.items() if key not in _SCHEMA}
    return default | extra


def _merged(default: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Merge key by key, one table deep; a list replaces the default list."""
    merged = default | values
    for key, inner in values.items():
        before = default.get(key)
        if isinstance(before, dict) and isinstance(inner, dict):
            merged[key] = before | inner
    return merged


def _policy(body: dict[str, Any], path: Path, text: str) -> Policy:
    for section, values in body.items():
        if section == "waivers":
            continue
        if section not in _SCHEMA:
            known = ", ".join((*_SCHEMA, "waivers"))
            raise PolicyError(f"{path}: unknown section {section!r}; known are {known}")
        for key in values:
            if key not in _SCHEMA[section]:
                known = ", ".join(_SCHEMA[section])
                raise PolicyError(f"{path}: unknown key {section}.{key}; known are {known}")

    def get(section: str, key: str, is_valid: Callable[[Any], bool]) -> Any:
        value = body[section][key]
        if not is_valid(value):
            raise PolicyError(
                f"{path}: {section}.{key} is {value!r}; it takes {_SCHEMA[section][key]}"
            )
        return value

    def rows(section: str, key: str, **types: type) -> list[dict[str, Any]]:
        return list(
            get(
                section,
                key,
                lambda v: isinstance(v, list) and all(_is_row(row, types) for row in v),
            )
        )

    days = get("logs", "retention_days", lambda v: isinstance(v, list) and bool(v))
    for day in days:
        if day not in SERVICE_RETENTION_DAYS or isinstance(day, bool):
            raise PolicyError(
                f"{path}: logs.retention_days has {day!r}, which CloudWatch Logs refuses; "
                f"write {', '.join(map(str, SERVICE_RETENTION_DAYS))}"
            )
    allowed = tuple(Range(**row) for row in rows("egress", "allow", cidr=str, name=str, reason=str))
    for allowed_range in allowed:
        _check_range(allowed_range, path)
    return Policy(
        path=str(path),
        retention_days=tuple(days),
        stack_vanishes=get("logs", "stack_vanishes", lambda v: isinstance(v, bool)),
        required_tags=tuple(get("tags", "required", _are_texts)),
        allowed_ranges=allowed,
        internet=tuple(
            Internet(row["resource"], tuple(row["ports"]), row["reason"])
            for row in rows("egress", "internet", resource=str, ports=list, reason=str)
        ),
        prefix_lists=tuple(row["id"] for row in rows("egress", "prefix_lists", id=str, name=str)),
        narrowing_keys=tuple(k.lower() for k in get("iam", "narrowing_condition_keys", _are_texts)),
        forbidden_policies=tuple(
            p.lower() for p in get("iam", "forbidden_managed_policies", _are_texts)
        ),
        trusted_accounts=tuple(get("iam", "trusted_accounts", _are_texts)),
        deputies=tuple(get("iam", "confused_deputies", _are_texts)),
        scenario_cap=get("scenarios", "cap", lambda v: type(v) is int and 1 <= v <= 4096),
        cost=_cost(body["cost"], path),
        waivers=_waivers(body.get("waivers", []), path, text),
    )


def _cost(body: dict[str, Any], path: Path) -> CostPolicy:
    try:
        return cost_policy.read(body, path.parent)
    except ValueError as error:
        raise PolicyError(f"{path}: {error}") from None
    except PricesError as error:
        raise PolicyError(f"{path}: cost.prices: {error}") from None


def _check_range(allowed_range: Range, path: Path) -> None:
    import ipaddress

    try:
        ipaddress.ip_network(allowed_range.cidr)
    except ValueError as error:
        raise PolicyError(
            f"{path}: egress.allow {allowed_range.name!r}: {error}; write a CIDR"
        ) from None


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) and text for text in value)


def _is_row(row: Any, types: dict[str, type]) -> bool:
    return (
        isinstance(row, dict)
        and row.keys() == types.keys()
        and all(isinstance(row[key], kind) and row[key] for key, kind in types.items())
    )


_WAIVER_KEYS = ("expires", "reason", "resource", "rule")
_WAIVER_OPTIONS = ("file", "message")


def _wrong_waiver(row: Any) -> str:
    """What is wrong with a waiver, and what to do; empty if nothing is."""
    needs = f"a waiver needs {', '.join(_WAIVER_KEYS)}, and optional file and message"
    if not isinstance(row, dict):
        return f"waivers has {row!r}, which is no table; {needs}"
    if unknown := [key for key in row if key not in (*_WAIVER_KEYS, *_WAIVER_OPTIONS)]:
        return f"unknown key {unknown[0]}; {needs}"
    if missing := [key for key in _WAIVER_KEYS if key not in row]:
        return f"no {', '.join(missing)}; {needs}"
    for key, value in row.items():
        if key != "expires" and not isinstance(value, str):
            return f"{key} is {value!r}; it takes a text, so quote the value"
        if value == "":
            return f"{key} is empty; write a text, or remove an optional key"
    if type(row["expires"]) is not date:
        expires = row["expires"]
        shown = expires.isoformat() if isinstance(expires, date | time) else repr(expires)
        return f"expires is {shown}; write a date alone, without quotes or a time: 2027-01-31"
    return ""


def _waivers(rows: Any, path: Path, text: str) -> tuple[Waiver, ...]:
    lines = [
        number
        for number, line in enumerate(text.splitlines(), 1)
        if re.match(r"\s*\[\[\s*waivers\s*\]\]", line)
    ]
    waivers = []
    for index, row in enumerate(rows if isinstance(rows, list) else [rows]):
        line = lines[index] if index < len(lines) else 1
        where = f"{path}:{line}"
        if wrong := _wrong_waiver(row):
            raise PolicyError(f"{where}: {wrong}")
        waivers.append(Waiver(**row, line=line))
    return tuple(waivers)
