"""What a deployment costs, as JSON: the contract other programs read."""

import json
from dataclasses import asdict
from typing import Any

from tljudge.cost.bill import NOT_COUNTED
from tljudge.cost.estimate import Estimate, Total
from tljudge.cost.meter import Charge

SCHEMA_VERSION = 1


def render(found: Estimate) -> str:
    """One document; plain ASCII. An amount that is not known is null, never 0."""
    prices = found.prices
    document = {
        "schema_version": SCHEMA_VERSION,
        "verdict": found.verdict,
        "region": found.region,
        "prices": {
            "file": prices.path,
            "dated": prices.dated.isoformat(),
            "usd_per_eur": prices.usd_per_eur.usd,
        },
        "assumed": asdict(found.policy.usage),
        "assumed_of": {name: dict(changed) for name, changed in found.policy.usage_of},
        "not_counted": NOT_COUNTED,
        "free_tiers_deducted": False,
        "resources": [
            {
                "file": row.file,
                "line": row.line,
                "resource": row.resource,
                "type": row.type,
                "component": row.component,
                "idle_month_usd": _usd(row.idle_month_usd),
                "active_hour_usd": _usd(row.active_hour_usd),
                "charges": [_charge(charge) for charge in row.charges],
                "unknown": list(row.unknown),
            }
            for row in found.rows
        ],
        "totals": [_total(one) for one in found.totals],
        "components": [_total(one) for one in found.components],
        "survivors": [asdict(one) for one in found.left],
        "complaints": found.complaints,
        "errors": found.errors,
    }
    return json.dumps(document, indent=2) + "\n"


def _usd(amount: float) -> float:
    return round(amount, 6)


def _charge(charge: Charge) -> dict[str, Any]:
    return {
        "what": charge.what,
        "when": charge.when,
        "per": charge.per,
        "usd": None if charge.usd is None else _usd(charge.usd),
        "why": charge.why,
        "confirmed": all(price.confirmed for price in charge.prices),
        "sources": sorted({price.url for price in charge.prices}),
    }


def _total(one: Total) -> dict[str, Any]:
    return {
        "name": one.name,
        "unit": one.unit,
        "usd": _usd(one.usd),
        "ceiling_usd": None if one.ceiling_usd is None else _usd(one.ceiling_usd),
        "over": one.is_over,
    }
